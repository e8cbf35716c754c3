// SPDX-License-Identifier: MIT
#include "inspect/guest/rpm_ndb.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kBlock = 16;
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kSlotBytes = 16;
constexpr std::uint64_t kHeadBytes = 32;
constexpr std::size_t kBlobHeadBytes = 16;
constexpr std::uint64_t kMostBlobBytes = 16 << 20;
constexpr std::uint64_t kMostSlotPages = 2048;
constexpr std::size_t kWindowBytes = 4 << 20;
constexpr std::uint32_t kMostIndexEntries = 65'536;

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

struct Slot {
  std::uint32_t package;
  std::uint64_t offset;
};

using ReadAt = std::function<std::string(std::uint64_t, std::size_t)>;

/// Packages lie close together: one read serves many.
class Window {
 public:
  Window(std::uint64_t bytes, const ReadAt& read_at) : bytes_(bytes), read_at_(read_at) {}

  std::string_view at(std::uint64_t offset, std::size_t length) {
    if (!range_fits(offset, length, bytes_)) throw Error(EIO, "Packages.db is cut short");
    if (offset < start_ || offset + length > start_ + window_.size()) fill(offset, length);
    return std::string_view(window_).substr(static_cast<std::size_t>(offset - start_), length);
  }

 private:
  void fill(std::uint64_t offset, std::size_t length) {
    window_.clear();
    start_ = offset;
    while (window_.size() < length) {
      const std::string piece = read_at_(offset + window_.size(), kWindowBytes);
      if (piece.empty()) throw Error(EIO, "Packages.db is cut short");
      window_ += piece;
    }
  }

  std::uint64_t bytes_;
  const ReadAt& read_at_;
  std::string window_;
  std::uint64_t start_ = 0;
};

std::vector<Slot> read_slots(Window& window, std::uint64_t pages) {
  std::vector<Slot> slots;
  for (std::uint64_t at = kHeadBytes; at < pages * kPage; at += kSlotBytes) {
    const std::string_view slot = window.at(at, kSlotBytes);
    if (!slot.starts_with("Slot"))
      throw Error(EIO, "Packages.db has a damaged slot at byte {}", at);
    const std::uint64_t block = little_endian(slot, 8);
    if (block != 0 && slots.size() < kPackages)
      slots.push_back({little_endian(slot, 4), block * kBlock});
  }
  std::sort(slots.begin(), slots.end(),
            [](const Slot& a, const Slot& b) { return a.offset < b.offset; });
  return slots;
}

/// What a tag of RPM's rpmtag.h is the text of; nullptr: nothing that is wanted.
std::string* text_of_tag(PackageEntry& package, std::uint32_t tag) {
  switch (tag) {
    case 1000:
      return &package.name;
    case 1001:
      return &package.version;
    case 1002:
      return &package.release;
    case 1004:
      return &package.summary;
    case 1005:
      return &package.description;
    case 1020:
      return &package.url;
    case 1022:
      return &package.arch;
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<PackageEntry> parse_rpm_header(std::string_view header) {
  constexpr std::size_t kEntryBytes = 16;
  constexpr std::uint32_t kNumber = 4;
  if (header.size() < 8) return std::nullopt;
  const std::uint32_t entries = big_endian(header, 0);
  const std::uint32_t data_bytes = big_endian(header, 4);
  if (entries > kMostIndexEntries || 8 + entries * kEntryBytes + data_bytes > header.size()) {
    return std::nullopt;
  }
  const std::string_view data = header.substr(8 + entries * kEntryBytes, data_bytes);
  PackageEntry package;
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t at = 8 + i * kEntryBytes;
    const std::uint32_t tag = big_endian(header, at);
    const std::uint32_t offset = big_endian(header, at + 8);
    if (offset >= data.size()) continue;
    const std::string_view rest = data.substr(offset);
    if (std::string* const text = text_of_tag(package, tag)) {
      *text = rest.substr(0, std::min(rest.find('\0'), kDescriptionBytes));
    }
    const bool number = big_endian(header, at + 4) == kNumber && rest.size() >= 4;
    if (tag == 1003 && number) package.epoch = std::to_string(big_endian(rest, 0));
  }
  return package.name.empty() ? std::nullopt : std::optional(package);
}

std::vector<PackageEntry> read_rpm_ndb(std::uint64_t file_bytes, const ReadAt& read_at) {
  Window window(file_bytes, read_at);
  const std::string_view head = window.at(0, kHeadBytes);
  const std::uint64_t pages = little_endian(head, 12);
  if (!head.starts_with("RpmP") || pages > kMostSlotPages) {
    throw Error(EIO, "Packages.db is no RPM database of the ndb format");
  }
  std::vector<PackageEntry> packages;
  for (const Slot& slot : read_slots(window, pages)) {
    const std::string_view blob_head = window.at(slot.offset, kBlobHeadBytes);
    const std::uint32_t bytes = little_endian(blob_head, 12);
    const bool fits = blob_head.starts_with("BlbS") && little_endian(blob_head, 4) == slot.package;
    if (!fits) throw Error(EIO, "Packages.db has a damaged package at byte {}", slot.offset);
    if (bytes > kMostBlobBytes) continue;
    if (auto package = parse_rpm_header(window.at(slot.offset + kBlobHeadBytes, bytes))) {
      packages.push_back(std::move(*package));
    }
  }
  return packages;
}

}  // namespace v2vfs::inspect
