// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fs/overlay/overlay_store.h"
#include "fs/overlay/store_rules.h"

/// Format version 1 of a store's files, byte for byte (FORMAT.md says the same in words). All
/// numbers are little-endian.
namespace v2vfs::fs {

static_assert(std::endian::native == std::endian::little, "the structs below are the disk format");

constexpr std::uint32_t kFormatVersion = 1;
using Uuid = std::array<std::byte, 16>;
using Magic = std::array<char, 8>;

struct StoreGeometry {
  std::uint32_t block_bytes = 64 * 1024;          // power of two, 1 KiB..1 MiB
  std::uint32_t journal_bytes = 2 * 1024 * 1024;  // both copies; a multiple of 1024
  std::uint64_t max_bytes = std::uint64_t{64} << 40;
  std::uint64_t max_blocks() const { return max_bytes / block_bytes; }
};

struct Head {
  Uuid uuid{};
  std::uint64_t generation = 1;
  StoreGeometry geometry;
  std::uint64_t base_bytes = 0;
  OverlayIdentity identity;
};

std::vector<std::byte> encode_head(const Head& head);
/// Throws Error (EIO: damaged, EOPNOTSUPP: another version); `name` is the file's, for the
/// sentence.
Head decode_head(std::span<const std::byte> bytes, const std::string& name,
                 const StoreRules& rules);

/// The size of disk.qcow2 and the smallest size it ever had: at and above that the base is not
/// seen.
struct Extent {
  std::uint64_t bytes = 0;
  std::uint64_t low_water = 0;
  bool operator==(const Extent&) const = default;
};

/// map.A, map.B: two copies of the header at 0 and 4096, then pages from 8192.
struct MapHeader {
  Magic magic;
  std::uint32_t version;
  std::uint32_t reserved;
  Uuid uuid;
  std::uint64_t checkpoint;  // the slot with the larger one counts
  Extent extent;
  std::uint64_t used_pages;  // pages that are not all zero
  std::array<std::byte, 512 - 68> padding;
  std::uint32_t crc;  // of everything before it
};
static_assert(sizeof(MapHeader) == 512 && offsetof(MapHeader, padding) == 64);

constexpr std::uint64_t kMapPageBytes = 4096;
constexpr std::uint64_t kMapHeaderCopies = 2;
constexpr std::uint64_t kMapPagesStart = kMapHeaderCopies * kMapPageBytes;
constexpr std::uint64_t kMapPageWords = 510;
constexpr std::uint64_t kBlocksPerWord = 32;  // 2 bits a block, lowest bits first
constexpr std::uint64_t kBlocksPerMapPage = kMapPageWords * kBlocksPerWord;

/// A page that no block of is written is all zeros, checksum and all.
struct MapPage {
  std::array<std::uint64_t, kMapPageWords> words;
  std::uint64_t index;
  std::uint32_t reserved;
  std::uint32_t crc;
};
static_assert(sizeof(MapPage) == kMapPageBytes);

/// What a journal record says: blocks [first, first + count) became present or hole; or the extent
/// is {first, count}.
enum class RecordKind : std::uint32_t { present = 1, hole = 2, extent = 3 };

struct JournalRecord {
  std::uint64_t checkpoint;  // of the map slot that it comes after
  std::uint64_t first;
  std::uint64_t count;
  RecordKind kind;
  std::array<std::byte, 32> padding;
  std::uint32_t crc;
};
static_assert(sizeof(JournalRecord) == 64 && offsetof(JournalRecord, crc) == 60);

constexpr Magic kHeadMagic = {'V', '2', 'V', 'F', 'S', 'O', 'V', 'H'};
constexpr Magic kMapMagic = {'V', '2', 'V', 'F', 'S', 'O', 'V', 'M'};
constexpr Magic kLiveMagic = {'V', '2', 'V', 'F', 'S', 'O', 'V', 'L'};

template <typename T>
std::span<const std::byte> bytes_of(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}
template <typename T>
std::span<std::byte> writable_bytes_of(T& object) {
  return std::as_writable_bytes(std::span(&object, 1));
}

/// The checksum of an object whose last four bytes are the checksum.
std::uint32_t crc_of(std::span<const std::byte> object);
template <typename T>
void seal(T& object) {
  object.crc = crc_of(bytes_of(object));
}
template <typename T>
bool is_sealed(const T& object) {
  return object.crc == crc_of(bytes_of(object));
}

}  // namespace v2vfs::fs
