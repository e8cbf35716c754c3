// SPDX-License-Identifier: MIT
#include "inspect/source/libvirt_connection.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

struct Free {
  void operator()(virConnectPtr connection) const { virConnectClose(connection); }
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
  void operator()(virDomainSnapshotPtr snapshot) const { virDomainSnapshotFree(snapshot); }
  void operator()(virStoragePoolPtr pool) const { virStoragePoolFree(pool); }
};

using Connection = std::unique_ptr<std::remove_pointer_t<virConnectPtr>, Free>;

constexpr std::size_t kMostSnapshots = 500;

std::string last_message() {
  const char* const message = virGetLastErrorMessage();
  return message ? clean_text(message, 512) : "it gives no reason";
}

/// The text, or nullopt where libvirt has none.
std::optional<std::string> taken(char* text) {
  if (!text) return std::nullopt;
  std::string copy = text;
  std::free(text);
  return copy;
}

/// The handles of one of libvirt's lists, each freed.
template <typename Handle, typename Use>
void use_all(Handle* handles, int count, Use use) {
  for (int i = 0; i < count; ++i) {
    const std::unique_ptr<std::remove_pointer_t<Handle>, Free> owner(handles[i]);
    use(handles[i]);
  }
  std::free(handles);
}

void read_snapshots(virDomainPtr handle, LibvirtDomain& domain) {
  virDomainSnapshotPtr* handles = nullptr;
  const int count =
      virDomainListAllSnapshots(handle, &handles, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);
  if (count < 0) return;  // the driver has none
  use_all(handles, count, [&](virDomainSnapshotPtr snapshot) {
    const auto xml = taken(virDomainSnapshotGetXMLDesc(snapshot, 0));
    if (!xml || domain.snapshots.size() >= kMostSnapshots) return;
    domain.snapshots.push_back(*xml);
    if (virDomainSnapshotIsCurrent(snapshot, 0) == 1) {
      domain.current_snapshot = virDomainSnapshotGetName(snapshot);
    }
  });
}

std::optional<LibvirtDomain> read_domain(virDomainPtr handle) {
  LibvirtDomain domain;
  domain.name = virDomainGetName(handle);
  const auto xml = taken(virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_INACTIVE));
  if (!xml) return std::nullopt;
  domain.xml = *xml;
  domain.is_active = virDomainIsActive(handle) == 1;
  domain.has_saved_memory = virDomainHasManagedSaveImage(handle, 0) == 1;
  read_snapshots(handle, domain);
  return domain;
}

/// What stands in <target><path> of a pool that is a folder: dir, fs, netfs.
std::string folder_of(virStoragePoolPtr pool) {
  const std::string xml = taken(virStoragePoolGetXMLDesc(pool, 0)).value_or("");
  const bool is_folder = xml.starts_with("<pool type='dir'") ||
                         xml.starts_with("<pool type='fs'") ||
                         xml.starts_with("<pool type='netfs'");
  const std::size_t target = xml.find("<target>");
  const std::size_t start = xml.find("<path>", target);
  const std::size_t end = xml.find("</path>", start);
  if (!is_folder || target == std::string::npos || end == std::string::npos) return "";
  const std::string path = xml.substr(start + 6, end - start - 6);
  return path.starts_with('/') && path.find('&') == std::string::npos ? path : "";
}

void read_pools(virConnectPtr connection, LibvirtListing& listing) {
  virStoragePoolPtr* handles = nullptr;
  const int count =
      virConnectListAllStoragePools(connection, &handles, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
  if (count < 0) return;  // the driver has none
  use_all(handles, count, [&](virStoragePoolPtr pool) {
    if (std::string folder = folder_of(pool); !folder.empty()) {
      listing.pool_folders.push_back(std::move(folder));
    }
  });
}

void read_domains(virConnectPtr connection, const std::string& uri, LibvirtListing& listing) {
  virDomainPtr* handles = nullptr;
  const int count = virConnectListAllDomains(connection, &handles, 0);
  if (count < 0)
    throw Error(EIO, "{}: libvirt lists no domains: {}", clean_text(uri), last_message());
  use_all(handles, count, [&](virDomainPtr handle) {
    if (auto domain = read_domain(handle)) listing.domains.push_back(std::move(*domain));
  });
  std::sort(listing.domains.begin(), listing.domains.end(),
            [](const LibvirtDomain& a, const LibvirtDomain& b) { return a.name < b.name; });
}

bool is_on_this_host(virConnectPtr connection) {
  const std::string name = taken(virConnectGetURI(connection)).value_or("");
  return name.find(":///") != std::string::npos;
}

}  // namespace

LibvirtListing list_libvirt(const std::string& uri) {
  // libvirt would choose one by itself, another on each host.
  if (uri.empty()) throw Error(EINVAL, "libvirt+ is followed by a URI: libvirt+qemu:///system");
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // it would write to stderr
  const Connection connection(virConnectOpenReadOnly(uri.c_str()));
  if (!connection) {
    throw Error(EIO, "libvirt does not open {}: {}", clean_text(uri), last_message());
  }
  LibvirtListing listing;
  read_domains(connection.get(), uri, listing);
  if (is_on_this_host(connection.get())) read_pools(connection.get(), listing);
  return listing;
}

}  // namespace v2vfs::inspect
