// SPDX-License-Identifier: MIT
#include "convert/guest/cpio_writer.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

void pad_to_four(std::string& out) { out.resize((out.size() + 3) / 4 * 4); }

/// `links` is 1 even for folders: the kernel looks for hard links where it is more.
void put_entry(std::string& out, const CpioFile& file, std::size_t inode) {
  if (file.content.size() > UINT32_MAX) {
    throw Error(EFBIG, "{} is too large for an initrd", clean_text(file.name));
  }
  constexpr std::size_t kLinks = 1;
  // inode, mode, uid, gid, links, mtime, size, device and rdev twice, name size, checksum
  const std::array<std::size_t, 13> fields = {
      inode, file.mode, 0, 0, kLinks, 0, file.content.size(), 0, 0, 0, 0, file.name.size() + 1, 0};
  out += "070701";
  for (const std::size_t field : fields) out += fmt::format("{:08x}", field);
  out += file.name;
  out += '\0';
  pad_to_four(out);
  out += file.content;
  pad_to_four(out);
}

}  // namespace

std::string write_cpio(const std::vector<CpioFile>& files) {
  std::string out;
  std::size_t inode = 0;
  for (const CpioFile& file : files) put_entry(out, file, ++inode);
  put_entry(out, {"TRAILER!!!", 0, ""}, 0);
  return out;
}

}  // namespace v2vfs::convert
