// SPDX-License-Identifier: MIT
#include "convert/guest/linux_traces.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/base/byte_order.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::size_t kHead = 66 << 10;  // Btrfs has its mark at 64 KiB
constexpr unsigned kMostLogical = 128;   // partitions in an extended one
constexpr std::uint32_t kMostGptEntries = 1024, kLargestGptEntry = 4096;

struct Region {
  std::uint64_t begin = 0, bytes = 0;
};

struct Mark {
  std::uint64_t at;
  std::string_view bytes;
};

using namespace std::string_view_literals;

/// Of everything that a Linux may lie in, from the begin of its region.
constexpr Mark kMarks[] = {
    {0x438, "\x53\xEF"sv},  // ext2, 3, 4
    {0, "XFSB"sv},
    {0x10040, "_BHRfS_M"sv},  // Btrfs
    {0, "LUKS\xba\xbe"sv},
    {0, "LABELONE"sv},  // LVM: in any of the first four sectors
    {0x200, "LABELONE"sv},
    {0x400, "LABELONE"sv},
    {0x600, "LABELONE"sv},
    {0, "\xfc\x4e\x2b\xa9"sv},       // md 1.1
    {0x1000, "\xfc\x4e\x2b\xa9"sv},  // md 1.2
    {0x10034, "ReIsEr"sv},
    {0x8000, "JFS1"sv},
    {0x400, "\x10\x20\xf5\xf2"sv},                                                   // F2FS
    {0x400, "\xe2\xe1\xf5\xe0"sv},                                                   // EROFS
    {0, "hsqs"sv},                                                                   // SquashFS
    {0x406, "\x34\x34"sv},                                                           // NILFS
    {0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"sv},  // bcache(fs)
    {0, "dmvdo001"sv},                                                               // VDO
    {0x200, "!Stra0tis"sv},
    {0xff6, "SWAPSPACE2"sv},
    {0xff6, "SWAP-SPACE"sv},
};

/// Types of an MBR that say "not Linux"; any other one may be.
bool is_foreign(std::uint8_t type) {
  constexpr std::uint8_t kForeign[] = {0x01, 0x04, 0x06, 0x07, 0x0b, 0x0c, 0x0e, 0x11, 0x12, 0x14,
                                       0x16, 0x17, 0x1b, 0x1c, 0x1e, 0x27, 0x42, 0xde, 0xef};
  return std::ranges::find(kForeign, type) != std::end(kForeign);
}

bool is_extended(std::uint8_t type) { return type == 0x05 || type == 0x0f || type == 0x85; }

using Guid = std::array<std::uint8_t, 16>;

/// The same of a GPT, as they lie there.
constexpr Guid kForeignGuids[] = {
    {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9,
     0x3b},  // EFI system
    {0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d, 0x81, 0x7d, 0xf9, 0x2d, 0xf0, 0x02, 0x15,
     0xae},  // Microsoft reserved
    {0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99,
     0xc7},  // basic data
    {0xa4, 0xbb, 0x94, 0xde, 0xd1, 0x06, 0x40, 0x4d, 0xa1, 0x6a, 0xbf, 0xd5, 0x01, 0x79, 0xd6,
     0xac},  // Windows recovery
    {0xaa, 0xc8, 0x08, 0x58, 0x8f, 0x7e, 0xe0, 0x42, 0x85, 0xd2, 0xe1, 0xe9, 0x04, 0x34, 0xcf,
     0xb3},  // LDM metadata
    {0xa0, 0x60, 0x9b, 0xaf, 0x31, 0x14, 0x62, 0x4f, 0xbc, 0x68, 0x33, 0x11, 0x71, 0x4a, 0x69,
     0xad},  // LDM data
};

class Search {
 public:
  explicit Search(const DiskBytes& disk) : disk_(disk) {}

  bool may_hold_linux() {
    if (has_mark({0, disk_.bytes})) return true;
    const std::optional<bool> gpt = in_gpt();
    return gpt ? *gpt : in_mbr();
  }

 private:
  /// Shorter at the disk's end.
  std::string read(std::uint64_t offset, std::uint64_t length) const {
    if (offset >= disk_.bytes) return {};
    std::string text(std::min(length, disk_.bytes - offset), '\0');
    disk_.read(offset, std::as_writable_bytes(std::span(text)));
    return text;
  }

  bool has_mark(const Region& region) const {
    const std::string head = read(region.begin, std::min<std::uint64_t>(kHead, region.bytes));
    const auto is_there = [&](const Mark& mark) {
      return mark.at < head.size() && head.substr(mark.at, mark.bytes.size()) == mark.bytes;
    };
    return std::ranges::any_of(kMarks, is_there) || ends_with_md(region);
  }

  /// md 0.90 and 1.0 have theirs at the end.
  bool ends_with_md(const Region& region) const {
    constexpr std::uint64_t kOld = 64 << 10, kNew = 8 << 10, kPage = 4 << 10;
    if (region.bytes < 2 * kOld || region.begin + region.bytes > disk_.bytes) return false;
    for (const std::uint64_t at :
         {(region.bytes & ~(kOld - 1)) - kOld, (region.bytes - kNew) & ~(kPage - 1)}) {
      if (read(region.begin + at, 4) == "\xfc\x4e\x2b\xa9"sv) return true;
    }
    return false;
  }

  /// nullopt: there is none.
  std::optional<bool> in_gpt() const {
    const std::string header = read(kSector, kSector);
    if (header.size() < kSector || !header.starts_with("EFI PART")) return std::nullopt;
    const auto table = load_little_endian<std::uint64_t>(header, 72);
    const auto count = load_little_endian<std::uint32_t>(header, 80),
               size = load_little_endian<std::uint32_t>(header, 84);
    if (count > kMostGptEntries || size < 128 || size > kLargestGptEntry) return true;
    if (table > disk_.bytes / kSector) return true;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::string entry = read(table * kSector + std::uint64_t{i} * size, 128);
      if (entry.size() < 128 || is_in_gpt_entry(entry)) return true;
    }
    return false;
  }

  bool is_in_gpt_entry(const std::string& entry) const {
    Guid type;
    std::copy_n(entry.begin(), type.size(), type.begin());
    if (type == Guid{}) return false;
    if (std::ranges::find(kForeignGuids, type) == std::end(kForeignGuids)) return true;
    const auto first = load_little_endian<std::uint64_t>(entry, 32),
               last = load_little_endian<std::uint64_t>(entry, 40);
    if (first > last || last >= disk_.bytes / kSector) return true;
    return has_mark({first * kSector, (last - first + 1) * kSector});
  }

  /// A sector that has no table in it names nothing.
  bool in_mbr() const {
    const std::string sector = read(0, kSector);
    if (!is_table(sector)) return false;
    for (unsigned i = 0; i < 4; ++i) {
      if (is_in_mbr_entry(sector, i, 0)) return true;
    }
    return false;
  }

  static bool is_table(std::string_view sector) {
    if (sector.size() < kSector || sector.substr(510) != "\x55\xaa"sv) return false;
    for (std::size_t i = 0; i < 4; ++i) {
      if (sector[446 + 16 * i] & 0x7f) return false;  // a boot sector of FAT or NTFS
    }
    return true;
  }

  bool is_in_mbr_entry(std::string_view sector, unsigned i, std::uint64_t base) const {
    const std::string_view entry = sector.substr(446 + 16 * i, 16);
    const auto type = static_cast<std::uint8_t>(entry[4]);
    const std::uint64_t begin = base + load_little_endian<std::uint32_t>(entry, 8) * kSector;
    if (type == 0) return false;
    if (is_extended(type)) return is_in_extended(begin);
    return !is_foreign(type) ||
           has_mark({begin, load_little_endian<std::uint32_t>(entry, 12) * kSector});
  }

  /// A chain of sectors; each has a partition and the place of the next sector.
  bool is_in_extended(std::uint64_t begin) const {
    std::uint64_t at = begin;
    for (unsigned n = 0; n < kMostLogical; ++n) {
      const std::string sector = read(at, kSector);
      if (!is_table(sector)) return false;
      const auto type = static_cast<std::uint8_t>(sector[446 + 4]);
      if (is_extended(type) || is_in_mbr_entry(sector, 0, at)) return true;
      if (!is_extended(static_cast<std::uint8_t>(sector[446 + 16 + 4]))) return false;
      at = begin + load_little_endian<std::uint32_t>(sector, 446 + 16 + 8) * kSector;
    }
    return true;
  }

  const DiskBytes& disk_;
};

}  // namespace

bool may_hold_linux(const DiskBytes& disk) { return Search(disk).may_hold_linux(); }

}  // namespace v2vfs::convert
