// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inspect/source/source_file.h"

/// The directory of a zip archive (APPNOTE.TXT 6.3: 4.3.7 local header, 4.3.12 central directory,
/// 4.3.14 to 4.3.16 its ends, 4.5.3 Zip64), which stands at the archive's end.
namespace v2vfs::inspect {

struct ZipMember {
  std::string name;  // not checked
  unsigned flags = 0;
  unsigned method = 0;     // 0 stored, 8 deflated
  std::uint32_t mode = 0;  // st_mode, if it was written on Unix; else 0
  std::uint32_t crc = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header = 0;  // where its local header begins
};

/// At most 10,000 members and 16 MiB. Throws Error(EIO) with the offset for what is no directory.
std::vector<ZipMember> read_zip_directory(const SourceFile& archive);

/// Where the member's content lies, by its local header, which has to agree with the directory.
/// Throws Error(EIO).
SourceFile zip_content(const SourceFile& archive, const ZipMember& member, std::string shown);

}  // namespace v2vfs::inspect
