// SPDX-License-Identifier: MIT
#include "inspect/guest/guestfs_handle.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kConsoleBytes = 2048;
constexpr std::size_t kWordsBytes = 512;
// Arrays start read-only until somebody writes: a resync would rewrite a whole disk.
constexpr const char* kKernelWords = "md_mod.start_ro=1";
// QEMU before 8.0 translates code once for each address that it is seen at, and a write to a page
// walks all that was made of it: after some ten thousand programs, each with its libc elsewhere,
// the kernel zeroes such a page for seconds.
constexpr const char* kTcgKernelWords = " norandmaps";
constexpr std::string_view kSocketFolder = "/tmp/libguestfs";

/// The path that a socket of this process is bound to; empty: none.
std::string bound_path(int fd) {
  sockaddr_un address{};
  socklen_t length = sizeof address - 1;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  return address.sun_family == AF_UNIX ? address.sun_path : "";
}

/// For root libguestfs keeps its socket's folder in /tmp, whatever it is told, and leaves it there
/// when it is killed. Nobody needs it once the connection stands.
void remove_socket_folder() {
  const std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir("/proc/self/fd"), ::closedir);
  while (const dirent* entry = fds ? ::readdir(fds.get()) : nullptr) {
    const std::filesystem::path path = bound_path(std::atoi(entry->d_name));
    if (!path.string().starts_with(kSocketFolder)) continue;
    std::error_code ignored;
    std::filesystem::remove_all(path.parent_path(), ignored);
  }
}

}  // namespace

std::vector<std::string> take_list(char** list) {
  std::vector<std::string> strings;
  for (char** at = list; at && *at; ++at) {
    strings.emplace_back(*at);
    std::free(*at);
  }
  std::free(list);
  return strings;
}

GuestfsHandle::GuestfsHandle(const GuestSettings& settings, GuestAlive alive)
    : g_(::guestfs_create_flags(GUESTFS_CREATE_NO_ENVIRONMENT | GUESTFS_CREATE_NO_CLOSE_ON_EXIT)),
      alive_(std::move(alive)) {
  if (!g_) throw GuestGone(ENOMEM, "libguestfs cannot be started");
  try {
    configure(settings);
    for (const GuestDisk& disk : settings.disks) add(disk);
    launch();
  } catch (...) {
    ::guestfs_close(g_);
    throw;
  }
}

GuestfsHandle::~GuestfsHandle() { ::guestfs_close(g_); }

void GuestfsHandle::configure(const GuestSettings& settings) {
  ::guestfs_set_error_handler(g_, nullptr, nullptr);  // nothing to stderr
  ::guestfs_set_event_callback(g_, on_event,
                               GUESTFS_EVENT_APPLIANCE | GUESTFS_EVENT_PROGRESS |
                                   GUESTFS_EVENT_ENTER | GUESTFS_EVENT_LAUNCH_DONE |
                                   GUESTFS_EVENT_WARNING,
                               0, this);
  check(::guestfs_set_program(g_, "v2vfs"), "libguestfs");
  check(::guestfs_set_backend(g_, "direct"), "libguestfs");
  if (settings.force_tcg) {
    check(::guestfs_set_backend_setting(g_, "force_tcg", "1"), "libguestfs");
  }
  check(::guestfs_set_memsize(g_, static_cast<int>(settings.memory_mib)), "libguestfs");
  check(::guestfs_set_network(g_, 0), "libguestfs");
  const std::string words = std::string(kKernelWords) + (settings.force_tcg ? kTcgKernelWords : "");
  check(::guestfs_set_append(g_, words.c_str()), "libguestfs");
  check(::guestfs_set_tmpdir(g_, settings.temporary_folder.c_str()), settings.temporary_folder);
  check(::guestfs_set_cachedir(g_, settings.cache_folder.c_str()), settings.cache_folder);
}

void GuestfsHandle::add(const GuestDisk& disk) {
  // A relative name could be taken for a protocol of qemu.
  if (!disk.path.starts_with('/') || disk.path.find('\0') != std::string::npos) {
    throw GuestGone(EINVAL, "a disk's path is absolute");
  }
  struct guestfs_add_drive_opts_argv options {};
  options.bitmask =
      GUESTFS_ADD_DRIVE_OPTS_READONLY_BITMASK | GUESTFS_ADD_DRIVE_OPTS_FORMAT_BITMASK |
      GUESTFS_ADD_DRIVE_OPTS_CACHEMODE_BITMASK | GUESTFS_ADD_DRIVE_OPTS_DISCARD_BITMASK;
  options.readonly = !disk.writable;
  options.format = "qcow2";
  options.cachemode = "writeback";
  options.discard = "disable";
  check(::guestfs_add_drive_opts_argv(g_, disk.path.c_str(), &options), disk.path);
}

void GuestfsHandle::launch() {
  alive_(GuestProgress::launching);
  if (::guestfs_launch(g_) == -1) {
    const int number = last_errno();
    const std::string console =
        console_.empty() ? "" : "; its last words: " + clean_text(console_, kConsoleBytes);
    throw GuestGone(number, "the appliance that reads the guest did not start: {}{}", last_words(),
                    console);
  }
  launched_ = true;
  remove_socket_folder();
}

void GuestfsHandle::on_event(guestfs_h*, void* opaque, std::uint64_t event, int, int,
                             const char* text, std::size_t length, const std::uint64_t*,
                             std::size_t) {
  auto& self = *static_cast<GuestfsHandle*>(opaque);
  try {
    if (event == GUESTFS_EVENT_APPLIANCE || event == GUESTFS_EVENT_WARNING) {
      self.console_.append(text, length);
      const std::size_t too_many =
          self.console_.size() - std::min(self.console_.size(), kConsoleBytes);
      self.console_.erase(0, too_many);
    }
    // Not what the console says: a kernel that is stuck goes on saying so. The next of several
    // calls shows that the one before was answered.
    const bool moves = event == GUESTFS_EVENT_PROGRESS || event == GUESTFS_EVENT_ENTER;
    if (!self.launched_) self.alive_(GuestProgress::launching);
    if (self.launched_ && moves) self.alive_(GuestProgress::alive);
  } catch (...) {  // no exception passes through C; a lost sign of life is no harm
  }
}

bool GuestfsHandle::gone() const { return ::guestfs_is_ready(g_) != 1; }

int GuestfsHandle::last_errno() const {
  const int number = ::guestfs_last_errno(g_);
  return number > 0 ? number : EIO;
}

std::string GuestfsHandle::last_words() const {
  const char* words = ::guestfs_last_error(g_);
  std::string_view text = words ? words : "no reason given";
  // What follows a failed launch is advice for programmers.
  return clean_text(trim(text.substr(0, text.find('\n'))), kWordsBytes);
}

void GuestfsHandle::fail(std::string_view what) const {
  const std::string sentence = fmt::format("{}: {}", clean_text(what), last_words());
  if (launched_ && gone())
    throw GuestGone(EIO, "the appliance that read the guest died; " + sentence);
  throw Error(last_errno(), sentence);
}

void GuestfsHandle::forgive() const {
  if (gone()) fail("guest");
}

void GuestfsHandle::shut_down() {
  check(::guestfs_umount_all(g_), "unmounting the guest");
  if (::guestfs_shutdown(g_) == -1) {
    throw GuestGone(EIO, "what was written to the guest may be missing: " + last_words());
  }
}

}  // namespace v2vfs::inspect
