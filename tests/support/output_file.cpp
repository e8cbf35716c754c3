// SPDX-License-Identifier: MIT
#include "tests/support/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::test {

OutputFile::OutputFile(const std::string& path, Open how) : path_(path) {
  const int flags = how == Open::read     ? O_RDONLY
                    : how == Open::change ? O_RDWR
                                          : O_RDWR | O_CREAT | O_TRUNC;
  fd_ = UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd_) throw errno_error(path);
}

std::uint64_t OutputFile::length() const {
  struct stat st {};
  if (::fstat(fd_.get(), &st) != 0) throw errno_error(path_);
  return static_cast<std::uint64_t>(st.st_size);
}

void OutputFile::resize(std::uint64_t bytes) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) throw errno_error(path_);
}

void OutputFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n <= 0) throw errno_error(path_);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void OutputFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0) throw errno_error(path_);
    if (n == 0) throw Error(EIO, "{}: it ends before byte {}", path_, offset + out.size());
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace v2vfs::test
