// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/vm_status.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::ctl {
namespace {

[[noreturn]] void cannot_read(const std::string& path) {
  if (errno == ENOTCONN) {
    throw Error(ENOTCONN, "{}: the v2vfs that was mounted there is gone; mount it again", path);
  }
  throw errno_error(path);
}

}  // namespace

std::vector<pid_t> VmStatus::writers() const {
  std::vector<pid_t> all;
  for (const DiskStatus& disk : disks) {
    all.insert(all.end(), disk.writers.begin(), disk.writers.end());
  }
  return all;
}

std::uint64_t VmStatus::virtual_bytes() const {
  std::uint64_t bytes = 0;
  for (const DiskStatus& disk : disks) bytes += disk.virtual_bytes;
  return bytes;
}

std::uint64_t VmStatus::written_bytes() const {
  std::uint64_t bytes = 0;
  for (const DiskStatus& disk : disks) bytes += disk.written_bytes;
  return bytes;
}

MountStatus read_mount_status(const std::string& mountpoint) {
  const std::string path = mountpoint + "/status.json";
  return parse_mount_status(read_text(path), path);
}

std::string read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) cannot_read(path);
  std::string text;
  char buffer[64 << 10];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0) cannot_read(path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace v2vfs::ctl
