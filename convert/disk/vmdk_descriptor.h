// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The text part of a VMDK ("Virtual Disk Format 5.0", section "The Descriptor File"), as a file of
/// its own or embedded in a sparse extent.
namespace v2vfs::convert {

inline constexpr std::size_t kDescriptorLimit = (std::size_t{1} << 20) - 1;  // bytes
inline constexpr std::size_t kExtentLimit = 4096;
inline constexpr std::uint32_t kNoParent = 0xffffffff;

enum class ExtentType {
  sparse,
  flat,  // FLAT and VMFS
  zero,
  cowd,       // VMFSSPARSE
  se_sparse,  // SESPARSE
  barred,  // of whatever type, but NOACCESS: it has its place on the disk, and nobody may read it
};

/// One line of the extent description. RW and RDONLY are the same to a reader.
struct ExtentLine {
  std::uint64_t sectors = 0;  // of 512 bytes
  ExtentType type = ExtentType::sparse;
  std::string file;                // as it stands there; see check_extent_name
  std::uint64_t start_sector = 0;  // within `file`, flat extents only
};

struct VmdkDescriptor {
  std::uint32_t cid = 0;
  std::uint32_t parent_cid = kNoParent;
  std::string parent_hint;  // parentFileNameHint: where the parent was; may be empty
  std::string create_type;  // lower case
  std::vector<ExtentLine> extents;
  std::map<std::string, std::string> ddb;  // the disk data base, keys lower case with "ddb."

  std::uint64_t sectors() const;  // of all extents
};

/// True if a file beginning with `head` is a descriptor file.
bool is_descriptor_file(std::string_view head);

/// Reads `text` up to its first NUL. `name` is the file for messages. Throws Error: EIO for what is
/// malformed or beyond the limits above, EOPNOTSUPP for extent types and disk types that are not
/// served, with the reason.
VmdkDescriptor parse_descriptor(std::string_view text, std::string_view name);

/// Throws Error(EACCES) unless `extent` is a bare file name: no '/', '\', ':', control character,
/// not "." or "..", 1 to 255 bytes. A descriptor is hostile input: CVE-2022-47951 is an extent
/// named /etc/shadow.
void check_extent_name(std::string_view extent, std::string_view name);

}  // namespace v2vfs::convert
