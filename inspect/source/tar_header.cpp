// SPDX-License-Identifier: MIT
#include "inspect/source/tar_header.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace v2vfs::inspect {
namespace {

// Offsets and lengths of the ustar fields.
struct Field {
  std::size_t offset;
  std::size_t length;
};
constexpr Field kName{0, 100};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 8};
constexpr Field kPrefix{345, 155};
constexpr std::size_t kIsExtended = 482;  // GNU sparse header

constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int64_t>::max();

std::string_view raw(const TarBlock& block, Field field) {
  return {reinterpret_cast<const char*>(block.data()) + field.offset, field.length};
}

std::string_view text(const TarBlock& block, Field field) {
  const std::string_view all = raw(block, field);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

std::optional<std::uint64_t> decode_base256(std::string_view field) {
  if (static_cast<unsigned char>(field[0]) != 0x80) return std::nullopt;  // negative, or too large
  std::uint64_t value = 0;
  for (const char c : field.substr(1)) {
    if (value > kMostBytes >> 8) return std::nullopt;
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return value;
}

std::optional<std::uint64_t> decode_octal(std::string_view field) {
  const std::size_t first = std::min(field.find_first_not_of(' '), field.size());
  const std::size_t last =
      std::min(field.find_first_of(std::string_view(" \0", 2), first), field.size());
  std::uint64_t value = 0;
  const char* const end = field.data() + last;
  if (first == last) return 0;  // an empty field, as old programs leave it
  const auto [stop, error] = std::from_chars(field.data() + first, end, value, 8);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> decode_number(std::string_view field) {
  return static_cast<unsigned char>(field[0]) & 0x80 ? decode_base256(field) : decode_octal(field);
}

/// The GNU magic is "ustar  \0": there the prefix field holds other things.
std::string full_name(const TarBlock& block) {
  const std::string name(text(block, kName));
  const bool is_posix = raw(block, kMagic).substr(0, 6) == std::string_view("ustar\0", 6);
  const std::string_view prefix = text(block, kPrefix);
  return is_posix && !prefix.empty() ? std::string(prefix) + "/" + name : name;
}

}  // namespace

bool is_zero_block(const TarBlock& block) {
  return std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool has_tar_checksum(const TarBlock& block) {
  const std::optional<std::uint64_t> wanted = decode_number(raw(block, kChecksum));
  if (!wanted || is_zero_block(block)) return false;
  std::int64_t as_unsigned = 0;
  std::int64_t as_signed = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool is_sum = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
    const auto byte = is_sum ? std::uint8_t{' '} : static_cast<std::uint8_t>(block[i]);
    as_unsigned += byte;
    as_signed += static_cast<std::int8_t>(byte);
  }
  const auto sum = static_cast<std::int64_t>(*wanted);
  return sum == as_unsigned || sum == as_signed;
}

std::optional<TarHeader> decode_tar_header(const TarBlock& block) {
  const std::optional<std::uint64_t> bytes = decode_number(raw(block, kSize));
  if (!bytes || *bytes > kMostBytes) return std::nullopt;
  TarHeader header;
  header.type = static_cast<char>(block[kType]);
  header.name = full_name(block);
  header.bytes = *bytes;
  header.is_extended = header.type == 'S' && block[kIsExtended] != std::byte{0};
  return header;
}

std::optional<std::uint64_t> decode_pax_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 10);
  if (text.empty() || error != std::errc() || stop != end || value > kMostBytes) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::map<std::string, std::string>> decode_pax_records(std::string_view text) {
  std::map<std::string, std::string> records;
  while (!text.empty() && text[0] != '\0') {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    const std::optional<std::uint64_t> length = decode_pax_number(text.substr(0, blank));
    if (!length || *length > text.size() || *length < blank + 3) return std::nullopt;
    const std::string_view record = text.substr(blank + 1, *length - blank - 1);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0 || record.back() != '\n') {
      return std::nullopt;
    }
    records[std::string(record.substr(0, equals))] =
        record.substr(equals + 1, record.size() - equals - 2);
    text.remove_prefix(*length);
  }
  return records;
}

}  // namespace v2vfs::inspect
