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

constexpr std::uint64_t kHeadBytes = 512;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array<Magic, 13> kForeign = {{
    {0, "QFI\xfb"sv, "qcow2"},
    {0, "conectix"sv, "VHD"},
    {0, "vhdxfile"sv, "VHDX"},
    {64, "\x7f\x10\xda\xbe"sv, "VDI"},
    {0, "QED\0"sv, "QED"},
    {0, "COWD"sv, "VMDK of the vmfsSparse type (a snapshot)"},
    {0, "\xbe\xba\xfe\xca\0\0\0\0"sv, "VMDK of the seSparse type (a snapshot)"},
    {0, "WithoutFreeSpace"sv, "Parallels"},
    {0, "\x1f\x8b"sv, "gzip"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "xz"},
    {0, "BZh"sv, "bzip2"},
    {0, "\x28\xb5\x2f\xfd"sv, "zstd"},
    {0, "PK\x03\x04"sv, "zip"},
}};

std::string read_head(const inspect::SourceFile& file) {
  std::string head(std::min(file.length(), kHeadBytes), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  return head;
}

const Magic* foreign_format(std::string_view head) {
  const auto found = std::ranges::find_if(kForeign, [&](const Magic& magic) {
    return head.size() > magic.offset && head.substr(magic.offset).starts_with(magic.bytes);
  });
  return found == kForeign.end() ? nullptr : found;
}

}  // namespace

FileFormat tell_format(const inspect::SourceFile& file, inspect::DiskFormat said) {
  if (said == inspect::DiskFormat::raw) return FileFormat::raw;
  const std::string head = read_head(file);
  if (head.starts_with("KDMV")) return FileFormat::sparse_extent;
  if (is_descriptor_file(head)) return FileFormat::descriptor;
  if (const Magic* magic = foreign_format(head)) {
    throw Error(EOPNOTSUPP,
                "{}: it is a {} file, which is not served; convert it to VMDK or raw first",
                file.name(), magic->name);
  }
  if (said == inspect::DiskFormat::vmdk) {
    throw file_error(EIO, file.name(), 0,
                     "it should be a VMDK, and has neither the header nor the descriptor of one");
  }
  return FileFormat::raw;
}

}  // namespace v2vfs::convert
