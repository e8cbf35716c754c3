// SPDX-License-Identifier: MIT
#include "inspect/source/source_file.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::inspect {

SourceFile::SourceFile(std::shared_ptr<const UniqueFd> fd, std::string name, std::uint64_t offset,
                       std::uint64_t length)
    : fd_(std::move(fd)), name_(std::move(name)), offset_(offset), length_(length) {}

SourceFile SourceFile::part(std::uint64_t offset, std::uint64_t length, std::string name) const {
  if (!range_fits(offset, length, length_)) {
    throw file_error(
        EIO, name_, offset,
        fmt::format("{} bytes are wanted, but the file ends at byte {}", length, length_));
  }
  return SourceFile(fd_, std::move(name), offset_ + offset, length);
}

void SourceFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (!range_fits(offset, out.size(), length_)) {
    throw file_error(
        EIO, name_, offset,
        fmt::format("{} bytes are wanted, but the file ends at byte {}", out.size(), length_));
  }
  while (!out.empty()) {
    const ssize_t got =
        ::pread(fd_->get(), out.data(), out.size(), static_cast<off_t>(offset_ + offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(EIO, name_, offset, errno_error("cannot be read").sentence());
    if (got == 0) throw file_error(EIO, name_, offset, "the file became shorter while it was read");
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::uint64_t SourceFile::seek(std::uint64_t offset, int whence, std::uint64_t otherwise) const {
  if (offset >= length_) return length_;
  const off_t found = ::lseek(fd_->get(), static_cast<off_t>(offset_ + offset), whence);
  if (found < 0) return errno == ENXIO ? length_ : otherwise;
  return std::min(static_cast<std::uint64_t>(found) - offset_, length_);
}

std::uint64_t SourceFile::next_data(std::uint64_t offset) const {
  return seek(offset, SEEK_DATA, offset);
}

std::uint64_t SourceFile::next_hole(std::uint64_t offset) const {
  return seek(offset, SEEK_HOLE, length_);
}

SourceFile::HostStat SourceFile::host_stat() const {
  struct stat st {};
  if (::fstat(fd_->get(), &st) != 0) throw errno_error(name_);
  return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size),
          st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec};
}

}  // namespace v2vfs::inspect
