// SPDX-License-Identifier: MIT
#include "inspect/source/image_parents.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

namespace v2vfs::inspect {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::uint64_t kMostRange = 1 << 20;

/// Empty where the range does not lie in a plain file.
std::string read_range(const SourceFile& file, std::uint64_t offset, std::uint64_t bytes) {
  const bool lies_inside =
      bytes <= kMostRange && offset <= file.length() && bytes <= file.length() - offset;
  if (!file.host_range() || !lies_inside) return "";
  std::string range(bytes, '\0');
  file.read(offset, std::as_writable_bytes(std::span(range)));
  return range;
}

/// What lies outside counts as zero.
template <bool kBigEndian>
std::uint64_t number(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t at = offset + (kBigEndian ? i : size - 1 - i);
    value = value << 8 | (at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0);
  }
  return value;
}

constexpr auto little = number<false>;
constexpr auto big = number<true>;

/// UTF-16 as far as it is ASCII or Latin: names are only compared with those that are there.
std::string text_of(std::string_view utf16, bool is_big_endian) {
  std::string text;
  for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
    const auto code = static_cast<char32_t>(is_big_endian ? big(utf16, i, 2) : little(utf16, i, 2));
    if (code == 0) break;
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xc0 | code >> 6);
      text += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      text += static_cast<char>(0xe0 | code >> 12);
      text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      text += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return text;
}

// VHDX (MS-VHDX 2.2.3, 2.6): the region table at 192 KiB names the metadata region, whose table
// names the parent locator, a list of keys and values.

constexpr std::uint64_t kRegionTable = 192 << 10;
constexpr std::uint64_t kTableBytes = 64 << 10;
constexpr std::string_view kMetadataRegion =
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"sv;
constexpr std::string_view kParentLocator =
    "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"sv;

/// Where in a table of 32-byte entries, the first at `first`, that of `guid` is.
std::optional<std::size_t> find_entry(std::string_view table, std::size_t first, std::size_t count,
                                      std::string_view guid) {
  for (std::size_t at = first; count > 0 && at + 32 <= table.size(); at += 32, --count) {
    if (table.substr(at, 16) == guid) return at;
  }
  return std::nullopt;
}

std::string parent_locator(const SourceFile& file) {
  const std::string regions = read_range(file, kRegionTable, kTableBytes);
  if (!regions.starts_with("regi")) return "";
  const auto region = find_entry(regions, 16, little(regions, 8, 4), kMetadataRegion);
  if (!region) return "";
  const std::uint64_t start = little(regions, *region + 16, 8);
  const std::string table = read_range(file, start, kTableBytes);
  if (!table.starts_with("metadata")) return "";
  const auto item = find_entry(table, 32, little(table, 10, 2), kParentLocator);
  if (!item || start > file.length()) return "";
  return read_range(file, start + little(table, *item + 16, 4), little(table, *item + 20, 4));
}

}  // namespace

std::vector<std::string> parents_of_vhdx(const SourceFile& file) {
  const std::string locator = parent_locator(file);
  const std::string_view view = locator;
  std::vector<std::string> parents;
  const std::uint64_t count = little(view, 18, 2);
  for (std::size_t at = 20, n = 0; n < count && at + 12 <= view.size(); at += 12, ++n) {
    const auto part = [&](std::size_t place, std::size_t length) {
      const std::size_t start = std::min<std::size_t>(little(view, at + place, 4), view.size());
      return text_of(view.substr(start, little(view, at + length, 2)), false);
    };
    const std::string key = part(0, 8);
    if (key == "relative_path") parents.insert(parents.begin(), part(4, 10));
    if (key == "absolute_win32_path") parents.push_back(part(4, 10));
  }
  return parents;
}

/// VHD (Virtual Hard Disk Image Format Specification 1.0): a footer of type 4, the place of the
/// dynamic disk header at 16 in it, the parent's name in UTF-16 at 64 in that.
std::vector<std::string> parents_of_vhd(const SourceFile& file) {
  const std::string footer = read_range(file, 0, 512);
  if (!footer.starts_with("conectix") || big(footer, 60, 4) != 4) return {};
  const std::string header = read_range(file, big(footer, 16, 8), 1024);
  if (!header.starts_with("cxsparse")) return {};
  const std::string name = text_of(std::string_view(header).substr(64, 512), true);
  if (name.empty()) return {};
  return {name};
}

}  // namespace v2vfs::inspect
