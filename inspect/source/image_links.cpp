// SPDX-License-Identifier: MIT
#include "inspect/source/image_links.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "inspect/base/text.h"
#include "inspect/source/image_parents.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::uint64_t kHeadBytes = 4096;
constexpr std::uint64_t kMostText = 64 << 10;
constexpr std::uint64_t kMostHead = 128 << 10;
constexpr std::size_t kMostFiles = 4096;
constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kMostOffset = std::numeric_limits<std::int64_t>::max();

/// Of a compressed file only what lies near its beginning, so that it is not read to its end.
std::string read_range(const SourceFile& file, std::uint64_t offset, std::uint64_t most) {
  if (!file.host_range()) {
    const std::string head = offset < kMostHead ? file.head(kMostHead) : "";
    return offset < head.size() ? head.substr(offset, most) : "";
  }
  if (offset >= file.length()) return "";
  std::string bytes(std::min(most, file.length() - offset), '\0');
  file.read(offset, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::uint64_t little_endian(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return value;
}

std::uint64_t big_endian(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return value;
}

std::string_view quoted_part(std::string_view line) {
  const std::size_t open = line.find('"');
  if (open == std::string_view::npos) return {};
  const std::size_t close = line.find('"', open + 1);
  if (close == std::string_view::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

bool names_a_parent(std::string_view line) {
  return equals_ignoring_case(line.substr(0, 18), "parentFileNameHint");
}

bool names_a_file(std::string_view line) {
  for (const std::string_view access : {"RW ", "RDONLY ", "NOACCESS "}) {
    if (line.starts_with(access)) return true;
  }
  return names_a_parent(line);
}

/// Virtual Disk Format 5.0, "The Descriptor File": extent lines and parentFileNameHint.
void read_descriptor(std::string_view text, ImageLinks& links) {
  text = text.substr(0, text.find('\0'));
  for (std::size_t at = 0; at < text.size() && links.files.size() < kMostFiles;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim(text.substr(at, end - at));
    at = end + 1;
    const std::string_view name = names_a_file(line) ? quoted_part(line) : std::string_view();
    if (!name.empty()) links.files.emplace_back(name);
    if (!name.empty() && names_a_parent(line)) links.parents.emplace_back(name);
  }
}

/// Hosted sparse extent: descriptorOffset and descriptorSize in sectors at 28 and 36.
void read_sparse(const SourceFile& file, std::string_view head, ImageLinks& links) {
  if (head.size() < kSector) return;
  const std::uint64_t sector = little_endian(head, 28, 8);
  const std::uint64_t sectors = little_endian(head, 36, 8);
  links.kind = sector == 0 ? ImageKind::part : ImageKind::vmdk;
  if (sector == 0 || sector > kMostOffset / kSector) return;
  const std::uint64_t bytes = std::min(sectors, kMostText / kSector) * kSector;
  read_descriptor(read_range(file, sector * kSector, bytes), links);
}

/// qcow2: backing_file_offset at 8, backing_file_size at 16.
void read_qcow2(const SourceFile& file, std::string_view head, ImageLinks& links) {
  links.kind = ImageKind::format;
  if (head.size() < 20) return;
  const std::uint64_t offset = big_endian(head, 8, 8);
  const std::uint64_t size = big_endian(head, 16, 4);
  if (offset != 0 && size > 0 && size < 1024) {
    links.parents = {read_range(file, offset, size)};
  }
}

/// QED: features at 16 (1: there is a backing file), its name's place and length at 56 and 60.
void read_qed(const SourceFile& file, std::string_view head, ImageLinks& links) {
  links.kind = ImageKind::format;
  if (head.size() < 64 || (little_endian(head, 16, 8) & 1) == 0) return;
  const std::uint64_t size = little_endian(head, 60, 4);
  if (size > 0 && size < 1024) {
    links.parents = {read_range(file, little_endian(head, 56, 4), size)};
  }
}

/// VDI 1.1: the type at 0x4c (4: a difference), the uuid at 0x188, the parent's at 0x1a8.
void read_vdi(std::string_view head, ImageLinks& links) {
  if (head.size() < 0x1b8 || head.substr(0x40, 4) != "\x7f\x10\xda\xbe"sv) return;
  links.id = head.substr(0x188, 16);
  if (little_endian(head, 0x4c, 4) == 4) links.parent_id = head.substr(0x1a8, 16);
}

bool is_other_format(const SourceFile& file, std::string_view head) {
  for (const std::string_view magic :
       {"conectix"sv, "vhdxfile"sv, "WithoutFreeSpace"sv, "WithouFreSpacExt"sv}) {
    if (head.starts_with(magic)) return true;
  }
  if (head.size() > 68 && head.substr(64, 4) == "\x7f\x10\xda\xbe"sv) return true;
  return file.host_range() && file.length() >= kSector &&
         read_range(file, file.length() - kSector, 8) == "conectix"sv;  // a fixed VHD
}

}  // namespace

ImageLinks read_image_links(const SourceFile& file) {
  ImageLinks links;
  const std::string head = read_range(file, 0, kHeadBytes);
  const std::string_view text = trim(head);
  if (text.starts_with("# Disk DescriptorFile")) {
    links.kind = ImageKind::vmdk;
    read_descriptor(read_range(file, 0, kMostText), links);
  } else if (head.starts_with("KDMV")) {
    read_sparse(file, head, links);
  } else if (head.starts_with("COWD") || head.starts_with("\xbe\xba\xfe\xca\0\0\0\0"sv)) {
    links.kind = ImageKind::part;
  } else if (head.starts_with("QFI\xfb")) {
    read_qcow2(file, head, links);
  } else if (head.starts_with("QED\0"sv)) {
    read_qed(file, head, links);
  } else if (is_other_format(file, head)) {
    links.kind = ImageKind::format;
    links.parents = head.starts_with("vhdxfile") ? parents_of_vhdx(file) : parents_of_vhd(file);
    links.is_difference = !links.parents.empty();
    read_vdi(head, links);
  } else if (head.size() >= kSector && std::string_view(head).substr(510, 2) == "\x55\xaa"sv) {
    links.kind = ImageKind::boot;
  }
  if (links.files.empty()) links.files = links.parents;
  return links;
}

bool is_disk_image(const SourceFile& file, std::string_view name) {
  const std::string_view plain = without_gzip_suffix(name);
  if ((has_suffix(plain, ".raw") || has_suffix(plain, ".dd")) &&
      file.head(kSector).size() == kSector) {
    return true;
  }
  return read_image_links(file).kind != ImageKind::none;
}

}  // namespace v2vfs::inspect
