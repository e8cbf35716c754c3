// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/libvirt_host.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cerrno>
#include <cstdlib>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::ctl {

struct LibvirtHost::Connection {
  explicit Connection(virConnectPtr given) : handle(given) {}
  ~Connection() {
    if (handle) virConnectClose(handle);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virConnectPtr handle;
};

struct LibvirtDomain::Handle {
  Handle(virDomainPtr given, std::shared_ptr<void> connection)
      : domain(given), keeps(std::move(connection)) {}
  ~Handle() { virDomainFree(domain); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  virDomainPtr domain;
  std::shared_ptr<void> keeps;
};

namespace {

std::string last_message() {
  const char* const message = virGetLastErrorMessage();
  return message ? clean_text(message, 1024) : "it gives no reason";
}

/// What a person who mounted it for himself only meets first.
std::string hint(const std::string& message) {
  if (message.find("Permission denied") == std::string::npos) return "";
  return ". QEMU runs as another user there: mount with -o allow_other, and let that user enter "
         "the "
         "folders above";
}

[[noreturn]] void fail(const std::string& what, int error_number = EIO) {
  const std::string message = last_message();
  throw Error(error_number, "{}: libvirt: {}{}", what, message, hint(message));
}

void check(int result, const std::string& what) {
  if (result < 0) fail(what);
}

std::string taken(char* text, const std::string& what) {
  if (!text) fail(what);
  std::string copy = text;
  std::free(text);
  return copy;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

LibvirtHost::LibvirtHost(const std::string& uri) {
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // it would write to stderr
  connection_ = std::make_shared<Connection>(virConnectOpen(uri.empty() ? nullptr : uri.c_str()));
  if (!connection_->handle) {
    fail("no connection to " + (uri.empty() ? "libvirt" : clean_text(uri)), ENOTCONN);
  }
}

std::optional<LibvirtDomain> LibvirtHost::find(const std::string& uuid) const {
  virDomainPtr domain = virDomainLookupByUUIDString(connection_->handle, uuid.c_str());
  if (domain) return LibvirtDomain(std::make_shared<LibvirtDomain::Handle>(domain, connection_));
  const virErrorPtr error = virGetLastError();
  if (error && error->code == VIR_ERR_NO_DOMAIN) return std::nullopt;
  fail("looking for the domain " + clean_text(uuid));
}

LibvirtDomain LibvirtHost::define(const std::string& xml) const {
  virDomainPtr domain =
      virDomainDefineXMLFlags(connection_->handle, xml.c_str(), VIR_DOMAIN_DEFINE_VALIDATE);
  if (!domain) fail("defining the domain");
  return LibvirtDomain(std::make_shared<LibvirtDomain::Handle>(domain, connection_));
}

std::string LibvirtDomain::name() const { return clean_text(virDomainGetName(handle_->domain)); }

bool LibvirtDomain::is_active() const { return virDomainIsActive(handle_->domain) == 1; }

bool LibvirtDomain::is_persistent() const { return virDomainIsPersistent(handle_->domain) == 1; }

bool LibvirtDomain::has_saved_memory() const {
  return virDomainHasManagedSaveImage(handle_->domain, 0) == 1;
}

std::string LibvirtDomain::running_xml() const {
  return taken(virDomainGetXMLDesc(handle_->domain, 0), name());
}

std::string LibvirtDomain::saved_xml() const {
  constexpr unsigned kWithSecrets = VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE;
  return taken(virDomainGetXMLDesc(handle_->domain, kWithSecrets), name());
}

void LibvirtDomain::start() { check(virDomainCreate(handle_->domain), "starting " + name()); }

void LibvirtDomain::undefine() {
  check(virDomainUndefineFlags(handle_->domain, VIR_DOMAIN_UNDEFINE_NVRAM), "undefining " + name());
}

/// The job is one that a restart of libvirt's machine does not bring back, and so allowed for a
/// domain that is defined.
void LibvirtDomain::start_copy(const std::string& target, const std::string& file) {
  const std::string xml = "<disk type='file'><source file='" + escaped(file) +
                          "'/><driver name='qemu' type='qcow2'/></disk>";
  check(virDomainBlockCopy(handle_->domain, target.c_str(), xml.c_str(), nullptr, 0,
                           VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB),
        name() + ": copying " + clean_text(target) + " to " + file);
}

std::optional<LibvirtDomain::CopyState> LibvirtDomain::copy_state(const std::string& target) const {
  virDomainBlockJobInfo info{};
  const int found = virDomainGetBlockJobInfo(handle_->domain, target.c_str(), &info, 0);
  check(found, name() + ": asking how far the copy of " + clean_text(target) + " is");
  if (found == 0) return std::nullopt;
  return CopyState{info.cur, info.end, info.end > 0 && info.cur == info.end};
}

bool LibvirtDomain::pivot(const std::string& target) {
  if (virDomainBlockJobAbort(handle_->domain, target.c_str(), VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) ==
      0) {
    return true;
  }
  const virErrorPtr error = virGetLastError();
  if (error && error->code == VIR_ERR_BLOCK_COPY_ACTIVE) return false;  // not the same yet
  fail(name() + ": going over to the copy of " + clean_text(target));
}

void LibvirtDomain::stop_copy(const std::string& target) noexcept {
  virDomainBlockJobAbort(handle_->domain, target.c_str(), 0);
}

}  // namespace v2vfs::ctl
