// SPDX-License-Identifier: MIT
#include "fs/guest_choice.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/options.h"
#include "inspect/base/digest.h"
#include "inspect/base/text.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {
namespace {

[[noreturn]] void refuse(const KeyFile& file, const std::string& why) {
  throw StartError(exit_usage, fmt::format("keyfile {} (of {}) {}", clean_text(file.path),
                                           clean_text(file.device), why));
}

std::string read_bounded(const KeyFile& file, int fd) {
  std::string bytes(kMostKeyBytes + 1, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(file, fmt::format("cannot be read: {}", std::strerror(errno)));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

/// A pipe is as good as a file: `keyfile=all:/dev/fd/63` of a shell's <(...).
void read_key_file(KeyFile& file) {
  const UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) refuse(file, fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) refuse(file, std::strerror(errno));
  if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) refuse(file, "is neither a file nor a pipe");
  file.bytes = read_bounded(file, fd.get());
  file.appearance =
      fmt::format("{}.{}.{}.{}", st.st_dev, st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  if (file.bytes.empty()) refuse(file, "is empty");
  if (file.bytes.size() > kMostKeyBytes) {
    refuse(file, fmt::format("is larger than a key may be ({} KiB)", kMostKeyBytes >> 10));
  }
  if (file.bytes.find('\0') != std::string::npos) {
    refuse(file,
           "has a NUL byte in it, which libguestfs cannot be given: add a passphrase to the "
           "container (cryptsetup luksAddKey)");
  }
}

std::string without_line_end(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace

void GuestChoice::read_key_files() {
  for (KeyFile& file : key_files) read_key_file(file);
}

std::vector<inspect::LuksKey> GuestChoice::keys() const {
  std::vector<inspect::LuksKey> keys;
  for (const KeyFile& file : key_files) {
    const std::string line = file.bytes.ends_with('\n') ? without_line_end(file.bytes) : "";
    if (!line.empty()) keys.push_back({file.device, line});
    keys.push_back({file.device, file.bytes});
  }
  return keys;
}

std::string GuestChoice::fingerprint() const {
  if (root.empty() && key_files.empty()) return "";
  Digest digest;
  digest.add_field(root);
  for (const KeyFile& file : key_files) {
    digest.add_field(file.device).add_field(file.path).add_field(file.appearance);
  }
  return digest.hex();
}

}  // namespace v2vfs::fs
