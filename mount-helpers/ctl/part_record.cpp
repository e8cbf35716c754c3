// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/part_record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/vm_status.h"

namespace v2vfs::ctl {
namespace {

constexpr std::size_t kDigestLetters = 64;

std::string heading(const DiskIdentity& identity) {
  return fmt::format("v2vfs-part 1 {} {} {} {}\n", identity.bytes, identity.modified_ns,
                     identity.written_bytes, identity.head_digest);
}

void append(int fd, const std::string& line) {
  if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw errno_error("writing the record of the copy");
  }
}

}  // namespace

PartRecord::PartRecord(const std::string& path, const DiskIdentity& identity)
    : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)) {
  if (!file_) throw errno_error(path);
  append(file_.get(), heading(identity));
}

PartRecord::PartRecord(PartRecord&& other) noexcept
    : file_(std::move(other.file_)), pieces_(std::move(other.pieces_)) {}

std::optional<PartRecord> PartRecord::open(const std::string& path, const DiskIdentity& identity) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) throw errno_error(path);
  std::istringstream lines(read_text(path));
  std::string line;
  if (!std::getline(lines, line) || line + "\n" != heading(identity)) return std::nullopt;
  PartRecord record(std::move(file));
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::uint64_t offset = 0, bytes = 0;
    std::string digest;
    if (!(fields >> offset >> bytes >> digest) || digest.size() != kDigestLetters) continue;
    record.pieces_[offset] = {bytes, digest};
  }
  append(record.file_.get(), "\n");  // behind a line that was cut short
  return record;
}

void PartRecord::add(const Piece& piece, const std::string& digest) {
  const std::lock_guard lock(mutex_);
  append(file_.get(), fmt::format("{} {} {}\n", piece.offset, piece.bytes, digest));
  pieces_[piece.offset] = {piece.bytes, digest};
}

std::optional<std::string> PartRecord::digest_of(const Piece& piece) const {
  const std::lock_guard lock(mutex_);
  const auto found = pieces_.find(piece.offset);
  if (found == pieces_.end() || found->second.first != piece.bytes) return std::nullopt;
  return found->second.second;
}

std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> PartRecord::pieces() const {
  const std::lock_guard lock(mutex_);
  return pieces_;
}

}  // namespace v2vfs::ctl
