// SPDX-License-Identifier: MIT
#include "convert/disk/disk_format.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "convert/disk/vmdk_descriptor.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kHeadBytes = 512;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array<Magic, 5> kForeign = {{
    {0, "\x1f\x8b"sv, "gzip"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "xz"},
    {0, "BZh"sv, "bzip2"},
    {0, "\x28\xb5\x2f\xfd"sv, "zstd"},
    {0, "PK\x03\x04"sv, "zip"},
}};

/// A delta of ESX, without the descriptor that says what disk it is and of what parent.
bool is_bare_extent(std::string_view head) {
  return head.starts_with("COWD") || head.starts_with("\xbe\xba\xfe\xca\0\0\0\0"sv);
}

const Magic* foreign_format(std::string_view head) {
  const auto found = std::ranges::find_if(kForeign, [&](const Magic& magic) {
    return head.size() > magic.offset && head.substr(magic.offset).starts_with(magic.bytes);
  });
  return found == kForeign.end() ? nullptr : found;
}

/// A raw disk has no header; of all others the file has to have one.
bool says_a_header(inspect::DiskFormat said) {
  return said != inspect::DiskFormat::unknown && said != inspect::DiskFormat::raw &&
         said != inspect::DiskFormat::empty;
}

}  // namespace

ToldFormat tell_format(const inspect::SourceFile& file, inspect::DiskFormat said) {
  if (said == inspect::DiskFormat::raw) return {FileFormat::raw};
  const std::string head = file.head(kHeadBytes);
  if (head.starts_with("KDMV")) return {FileFormat::sparse_extent};
  if (is_descriptor_file(head)) return {FileFormat::descriptor};
  if (is_bare_extent(head)) {
    throw Error(EOPNOTSUPP,
                "{}: it is one extent of a disk of ESX; name the disk's descriptor instead",
                file.name());
  }
  if (const auto image = tell_image(file)) return {FileFormat::image, *image};
  if (const Magic* magic = foreign_format(head)) {
    throw Error(EOPNOTSUPP,
                "{}: it is a {} file, which is not served; convert it to VMDK or raw first",
                file.name(), magic->name);
  }
  if (says_a_header(said)) {
    throw file_error(EIO, file.name(), 0,
                     "it has neither the header nor the footer of the format that it should have: "
                     "it is damaged, or cut off");
  }
  return {FileFormat::raw};
}

}  // namespace v2vfs::convert
