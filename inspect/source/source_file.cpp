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

SourceFile::SourceFile(std::shared_ptr<const SourceContent> content, std::string name)
    : name_(std::move(name)), offset_(0), length_(kToEnd), content_(std::move(content)) {}

std::uint64_t SourceFile::content_length() const {
  return length_ == kToEnd ? content_->length() : length_;
}

void SourceFile::refuse_range(std::uint64_t offset, std::uint64_t bytes) const {
  throw file_error(
      EIO, name_, offset,
      fmt::format("{} bytes are wanted, but the file ends at byte {}", bytes, length()));
}

SourceFile SourceFile::part(std::uint64_t offset, std::uint64_t length, std::string name) const {
  if (!range_fits(offset, length, this->length())) refuse_range(offset, length);
  SourceFile part = *this;
  part.name_ = std::move(name);
  part.offset_ += offset;
  part.length_ = length;
  return part;
}

void SourceFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (!range_fits(offset, out.size(), length())) refuse_range(offset, out.size());
  if (content_) return content_->read(offset_ + offset, out);
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

std::string SourceFile::head(std::size_t most) const {
  if (content_ && length_ == kToEnd) return content_->head(most);
  std::string bytes(std::min<std::uint64_t>(most, length()), '\0');
  read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::uint64_t SourceFile::seek(std::uint64_t offset, int whence, std::uint64_t otherwise) const {
  const off_t found = ::lseek(fd_->get(), static_cast<off_t>(offset_ + offset), whence);
  if (found < 0) return errno == ENXIO ? length_ : otherwise;
  return std::min(static_cast<std::uint64_t>(found) - offset_, length_);
}

std::uint64_t SourceFile::next_data(std::uint64_t offset) const {
  if (offset >= length()) return length();
  if (!content_) return seek(offset, SEEK_DATA, offset);
  return std::min(content_->next_data(offset_ + offset) - offset_, length());
}

std::uint64_t SourceFile::next_hole(std::uint64_t offset) const {
  if (offset >= length()) return length();
  if (!content_) return seek(offset, SEEK_HOLE, length_);
  return std::min(content_->next_hole(offset_ + offset) - offset_, length());
}

SourceFile::HostStat SourceFile::host_stat() const {
  if (content_) {
    const std::vector<SourceFile> files = stored_files();
    HostStat all = files.at(0).host_stat();
    for (std::size_t i = 1; i < files.size(); ++i) {
      const HostStat stat = files[i].host_stat();
      all.bytes += stat.bytes;
      all.mtime_ns = std::max(all.mtime_ns, stat.mtime_ns);
    }
    return all;
  }
  struct stat st {};
  if (::fstat(fd_->get(), &st) != 0) throw errno_error(name_);
  return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size),
          st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec};
}

std::optional<SourceFile::HostRange> SourceFile::host_range() const {
  if (content_) return std::nullopt;
  return HostRange{fd_->get(), offset_, length_};
}

std::vector<SourceFile> SourceFile::stored_files() const {
  return content_ ? content_->stored_files() : std::vector<SourceFile>{*this};
}

}  // namespace v2vfs::inspect
