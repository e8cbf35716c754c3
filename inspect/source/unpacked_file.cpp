// SPDX-License-Identifier: MIT
#include "inspect/source/unpacked_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/source/stored_key.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kUnpacked = 0x756e7061636b6564;  // a format of its own among keys

class UnpackedContent : public SourceContent {
 public:
  UnpackedContent(SourceFile packed, SourceFile content)
      : packed_(std::move(packed)), content_(std::move(content)) {}
  std::uint64_t length() const override { return content_.length(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    content_.read(offset, out);
  }
  std::string head(std::size_t most) const override { return content_.head(most); }
  std::uint64_t next_data(std::uint64_t offset) const override {
    return content_.next_data(offset);
  }
  std::uint64_t next_hole(std::uint64_t offset) const override {
    return content_.next_hole(offset);
  }
  std::vector<SourceFile> stored_files() const override { return packed_.stored_files(); }

 private:
  const SourceFile packed_, content_;
};

UniqueFd open_file(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd && (errno != ENOENT || (flags & O_CREAT))) throw errno_error(path);
  return fd;
}

void write_all(int fd, std::uint64_t offset, std::span<const std::byte> bytes,
               const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw errno_error("cannot write " + path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void check_room(const SourceFile& packed, const std::string& folder) {
  struct statvfs fs {};
  if (::statvfs(folder.c_str(), &fs) != 0) return;  // then the writing says it
  const std::uint64_t free = std::uint64_t{fs.f_bavail} * fs.f_frsize;
  if (free >= packed.length()) return;
  throw Error(ENOSPC, "{}: to unpack it needs {} bytes in {}, where {} are free", packed.name(),
              packed.length(), folder, free);
}

/// Holes for zeros: disks are full of them.
void copy(const SourceFile& packed, int fd, const std::string& path,
          const std::function<bool()>& stop) {
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = 0; at < packed.length(); at += piece.size()) {
    if (stop && stop()) throw Error(EINTR, "{}: unpacking it was interrupted", packed.name());
    piece.resize(std::min<std::uint64_t>(kPieceBytes, packed.length() - at));
    packed.read(at, piece);
    const bool is_zero = std::ranges::all_of(piece, [](std::byte b) { return b == std::byte{0}; });
    if (!is_zero) write_all(fd, at, piece, path);
  }
  if (::ftruncate(fd, static_cast<off_t>(packed.length())) != 0) throw errno_error(path);
}

/// The name says that it is whole.
void make(const SourceFile& packed, const std::string& folder, const std::string& path,
          const std::function<bool()>& stop) {
  log::info("{}: it is unpacked once, {} bytes, to {}", packed.name(), packed.length(), path);
  check_room(packed, folder);
  const std::string unfinished = path + ".new";
  const UniqueFd fd = open_file(unfinished, O_RDWR | O_CREAT | O_TRUNC);
  try {
    copy(packed, fd.get(), unfinished, stop);
    if (::fsync(fd.get()) != 0 || std::rename(unfinished.c_str(), path.c_str()) != 0) {
      throw errno_error("cannot keep " + path);
    }
  } catch (const Error&) {
    ::unlink(unfinished.c_str());
    throw;
  }
  const UniqueFd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) throw errno_error("cannot make durable " + path);
}

}  // namespace

SourceFile unpacked_file(const SourceFile& packed, const UnpackFolder& folder,
                         const std::function<bool()>& stop) {
  const SourceFile stored = packed.stored_files().at(0);
  const std::string place = folder(stored_key(stored, kUnpacked), stored.name());
  const std::string path = place + "/content";
  UniqueFd fd = open_file(path, O_RDONLY);
  if (!fd) {
    make(packed, place, path, stop);
    fd = open_file(path, O_RDONLY);
  }
  struct stat st {};
  const bool is_whole = fd && ::fstat(fd.get(), &st) == 0 &&
                        static_cast<std::uint64_t>(st.st_size) == packed.length();
  if (!is_whole) throw Error(EIO, "{}: it is not what was unpacked; remove its folder", path);
  auto shared = std::make_shared<const UniqueFd>(std::move(fd));
  SourceFile content(std::move(shared), packed.name(), 0, packed.length());
  return {std::make_shared<const UnpackedContent>(packed, std::move(content)), packed.name()};
}

}  // namespace v2vfs::inspect
