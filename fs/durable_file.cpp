// SPDX-License-Identifier: MIT
#include "fs/durable_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kLargestSmallFile = 16 << 20;

UniqueFd open_folder(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw errno_error(folder);
  return fd;
}

void sync_fd(int fd, const std::string& what) {
  if (::fsync(fd) != 0) throw errno_error("cannot make " + what + " durable");
}

void write_all(int fd, std::string_view text, const std::string& what) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw errno_error("cannot write " + what);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void write_durably(const std::string& folder, const std::string& name, const std::string& text) {
  const std::string what = folder + "/" + name;
  const std::string temporary = name + ".new";
  const UniqueFd dir = open_folder(folder);
  UniqueFd fd(::openat(dir.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw errno_error("cannot write " + what);
  try {
    write_all(fd.get(), text, what);
    sync_fd(fd.get(), what);
    if (::renameat(dir.get(), temporary.c_str(), dir.get(), name.c_str()) != 0) {
      throw errno_error("cannot replace " + what);
    }
  } catch (const Error&) {
    ::unlinkat(dir.get(), temporary.c_str(), 0);
    throw;
  }
  sync_fd(dir.get(), folder);
}

bool remove_durably(const std::string& folder, const std::string& name) {
  const UniqueFd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir && errno == ENOENT) return false;
  if (!dir) throw errno_error(folder);
  if (::unlinkat(dir.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    throw errno_error("cannot remove " + folder + "/" + name);
  }
  sync_fd(dir.get(), folder);
  return true;
}

std::optional<std::string> read_small_file(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw errno_error(path);
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw errno_error(path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kLargestSmallFile) throw Error(EFBIG, "{}: larger than 16 MiB", path);
  }
}

void make_private_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw errno_error("cannot make the folder " + path);
  }
  const std::string parent = std::filesystem::path(path).parent_path();
  sync_fd(open_folder(parent.empty() ? "." : parent).get(), parent);
}

void remove_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) throw errno_error(error.value(), "cannot remove " + path);
}

}  // namespace v2vfs::fs
