// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_delta_header.h"

#include <array>
#include <cerrno>

#include "inspect/base/byte_order.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

using Sector = std::array<std::byte, kSectorBytes>;

constexpr std::uint32_t kTableEntries = 4096;  // of both kinds

// COWDisk_Header, all of it u32. Offsets in bytes.
namespace cowd {
constexpr std::uint32_t kMagic = 0x44574f43;  // "COWD"
constexpr std::size_t kVersion = 4;
constexpr std::size_t kSectors = 12;
constexpr std::size_t kGrain = 16;
constexpr std::size_t kDirectory = 20;
constexpr std::size_t kDirectoryEntries = 24;
constexpr std::uint32_t kMostGrain = 8192;
}  // namespace cowd

// The constant header of seSparse, all of it u64, and the volatile one. Offsets in bytes.
namespace se_sparse {
constexpr std::uint64_t kMagicNumber = 0xcafebabe;
constexpr std::uint64_t kVolatileMagic = 0xcafecafe;
constexpr std::uint64_t kVersion21 = 0x0000000200000001;
constexpr std::size_t kVersion = 8;
constexpr std::size_t kCapacity = 16;
constexpr std::size_t kGrain = 24;
constexpr std::size_t kTableSectors = 32;
constexpr std::size_t kFlags = 40;
constexpr std::size_t kVolatileHeader = 80;
constexpr std::size_t kDirectory = 128;
constexpr std::size_t kDirectorySectors = 136;
constexpr std::size_t kTables = 144;
constexpr std::size_t kTablesSectors = 152;
constexpr std::size_t kGrains = 192;
constexpr std::size_t kOpenJournal = 24;                        // of the volatile header
constexpr std::uint64_t kMostSectors = std::uint64_t{1} << 37;  // 64 TiB, the most of VMFS
constexpr std::uint64_t kPlaceLimit = std::uint64_t{1} << 54;   // sectors: a file's last byte
constexpr std::uint64_t kGrainSectors = 8;
constexpr std::uint64_t kSectorsOfTable = kTableEntries * 8 / kSectorBytes;
}  // namespace se_sparse

/// Reads the fields of a header and says what is wrong with them.
class Fields {
 public:
  Fields(const inspect::SourceFile& file, std::uint64_t offset) : file_(file), offset_(offset) {
    file_.read(offset, bytes_);
  }
  std::uint32_t u32(std::size_t at) const {
    return load_little_endian<std::uint32_t>(bytes_.data() + at);
  }
  std::uint64_t u64(std::size_t at) const {
    return load_little_endian<std::uint64_t>(bytes_.data() + at);
  }
  void require(bool is_so, std::size_t at, int error_number, std::string_view what) const {
    if (!is_so) throw file_error(error_number, file_.name(), offset_ + at, what);
  }

 private:
  const inspect::SourceFile& file_;
  const std::uint64_t offset_;
  Sector bytes_;
};

/// A journal with changes that the tables do not have yet: what VMware does with it at the next
/// opening is written down nowhere.
void check_volatile_header(const inspect::SourceFile& file, std::uint64_t sector) {
  using namespace se_sparse;
  const Fields fields(file, sector * kSectorBytes);
  fields.require(fields.u64(0) == kVolatileMagic, 0, EIO, "this is no volatile header of seSparse");
  fields.require(fields.u64(kOpenJournal) == 0, kOpenJournal, EOPNOTSUPP,
                 "its last writer did not close it, and its journal has changes that are not in "
                 "its tables; start the machine and shut it down, or consolidate its snapshots");
}

void check_places(const Fields& fields) {
  using namespace se_sparse;
  for (const std::size_t at : {kVolatileHeader, kDirectory, kTables, kTablesSectors, kGrains}) {
    fields.require(fields.u64(at) < kPlaceLimit, at, EIO, "a place outside of any file");
  }
}

}  // namespace

SparseHeader read_cowd_header(const inspect::SourceFile& file) {
  using namespace cowd;
  const Fields fields(file, 0);
  fields.require(fields.u32(0) == kMagic, 0, EIO, "this is no header of a COWD extent");
  fields.require(fields.u32(kVersion) == 1, kVersion, EOPNOTSUPP, "its COWD version is unknown");
  SparseHeader header;
  header.kind = SparseKind::cowd;
  header.version = 1;
  header.capacity_sectors = fields.u32(kSectors);
  header.grain_sectors = fields.u32(kGrain);
  header.directory_sector = fields.u32(kDirectory);
  header.entries_per_table = kTableEntries;
  fields.require(is_power_of_two(header.grain_sectors) && header.grain_sectors <= kMostGrain,
                 kGrain, EOPNOTSUPP,
                 fmt::format("grains of {} sectors are not served (1 to 8192, powers of two)",
                             header.grain_sectors));
  fields.require(fields.u32(kDirectoryEntries) >= header.table_count(), kDirectoryEntries, EIO,
                 "its grain directory is too short for its size");
  return header;
}

SparseHeader read_se_sparse_header(const inspect::SourceFile& file) {
  using namespace se_sparse;
  const Fields fields(file, 0);
  fields.require(fields.u64(0) == kMagicNumber, 0, EIO, "this is no header of a seSparse extent");
  fields.require(fields.u64(kVersion) == kVersion21 && fields.u64(kFlags) == 0, kVersion,
                 EOPNOTSUPP, "its seSparse version, or one of its flags, is unknown");
  fields.require(
      fields.u64(kGrain) == kGrainSectors && fields.u64(kTableSectors) == kSectorsOfTable, kGrain,
      EOPNOTSUPP, "seSparse with other grains than 4 KiB, or tables than 32 KiB, is not served");
  fields.require(fields.u64(kCapacity) <= kMostSectors, kCapacity, EOPNOTSUPP,
                 "a capacity above 64 TiB is not served");
  check_places(fields);
  SparseHeader header;
  header.kind = SparseKind::se_sparse;
  header.capacity_sectors = fields.u64(kCapacity);
  header.grain_sectors = kGrainSectors;
  header.directory_sector = fields.u64(kDirectory);
  header.entries_per_table = kTableEntries;
  header.tables_sector = fields.u64(kTables);
  header.tables_sectors = fields.u64(kTablesSectors);
  header.grains_sector = fields.u64(kGrains);
  fields.require(fields.u64(kDirectorySectors) >= ceil_div(header.table_count() * 8, kSectorBytes),
                 kDirectorySectors, EIO, "its grain directory is too short for its size");
  check_volatile_header(file, fields.u64(kVolatileHeader));
  return header;
}

SparseHeader read_header(const inspect::SourceFile& file, SparseKind kind) {
  switch (kind) {
    case SparseKind::cowd:
      return read_cowd_header(file);
    case SparseKind::se_sparse:
      return read_se_sparse_header(file);
    case SparseKind::hosted:
      break;
  }
  return read_sparse_header(file);
}

}  // namespace v2vfs::convert
