// SPDX-License-Identifier: MIT
#include "fs/overlay/format.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include "inspect/base/checked.h"
#include "inspect/base/deflate.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

struct HeadStart {
  Magic magic;
  std::uint32_t version;
  std::uint32_t head_bytes;  // all of it, checksum too
  Uuid uuid;
  std::uint64_t generation;
  std::uint32_t block_bytes;
  std::uint32_t journal_bytes;
  std::uint64_t max_bytes;
  std::uint64_t base_bytes;
  std::array<std::uint32_t, 3> text_bytes;  // source identity, layout record, tables digest
  std::uint32_t reserved;
};
static_assert(sizeof(HeadStart) == 80);

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void append(std::vector<std::byte>& to, std::string_view text) {
  append(to, std::as_bytes(std::span(text)));
}

bool is_sane(const StoreGeometry& g) {
  return is_power_of_two(g.block_bytes) && g.block_bytes >= 1024 && g.block_bytes <= 1 << 20 &&
         g.journal_bytes >= 1024 && g.journal_bytes % 1024 == 0 && g.max_bytes >= g.block_bytes &&
         g.max_bytes <= std::uint64_t{1} << 56 && g.max_bytes % g.block_bytes == 0;
}

[[noreturn]] void damaged(const std::string& name, const char* what) {
  throw file_error(EIO, name, 0,
                   std::string(what) +
                       "; the store is damaged. Put the file back from a backup, or reset the VM");
}

std::string take_text(std::span<const std::byte> bytes, std::size_t& at, std::size_t length) {
  std::string text(reinterpret_cast<const char*>(bytes.data() + at), length);
  at += length;
  return text;
}

}  // namespace

std::uint32_t crc_of(std::span<const std::byte> object) {
  return crc32(object.first(object.size() - sizeof(std::uint32_t)));
}

std::vector<std::byte> encode_head(const Head& head) {
  const OverlayIdentity& id = head.identity;
  HeadStart start{};
  start.magic = kHeadMagic;
  start.version = kFormatVersion;
  start.uuid = head.uuid;
  start.generation = head.generation;
  start.block_bytes = head.geometry.block_bytes;
  start.journal_bytes = head.geometry.journal_bytes;
  start.max_bytes = head.geometry.max_bytes;
  start.base_bytes = head.base_bytes;
  start.text_bytes = {static_cast<std::uint32_t>(id.source_identity.size()),
                      static_cast<std::uint32_t>(id.layout_record.size()),
                      static_cast<std::uint32_t>(id.tables_digest.size())};
  const std::uint64_t all = sizeof start + std::uint64_t{start.text_bytes[0]} +
                            start.text_bytes[1] + start.text_bytes[2] + sizeof(std::uint32_t);
  start.head_bytes = static_cast<std::uint32_t>(all);

  std::vector<std::byte> bytes;
  bytes.reserve(all);
  append(bytes, bytes_of(start));
  append(bytes, id.source_identity);
  append(bytes, id.layout_record);
  append(bytes, id.tables_digest);
  const std::uint32_t crc = crc32(bytes);
  append(bytes, bytes_of(crc));
  return bytes;
}

Head decode_head(std::span<const std::byte> bytes, const std::string& name,
                 const StoreRules& rules) {
  HeadStart start;
  if (bytes.size() < sizeof start + sizeof(std::uint32_t)) damaged(name, "too short for a head");
  std::memcpy(&start, bytes.data(), sizeof start);
  if (start.magic != kHeadMagic) damaged(name, "not the head of an overlay");
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + bytes.size() - sizeof crc, sizeof crc);
  if (start.version == kFormatVersion && rules.check_head_crc && crc != crc_of(bytes))
    damaged(name, "the checksum is wrong");
  if (start.version != kFormatVersion)
    throw file_error(EOPNOTSUPP, name, 8,
                     fmt::format("format version {}, but this v2vfs knows only {}", start.version,
                                 kFormatVersion));
  std::uint64_t texts = 0;
  for (const std::uint32_t length : start.text_bytes) texts += length;
  if (start.head_bytes != bytes.size() ||
      texts != bytes.size() - sizeof start - sizeof(std::uint32_t))
    damaged(name, "the lengths do not add up");

  Head head;
  head.uuid = start.uuid;
  head.generation = start.generation;
  head.geometry = {start.block_bytes, start.journal_bytes, start.max_bytes};
  head.base_bytes = start.base_bytes;
  if (!is_sane(head.geometry)) damaged(name, "the geometry makes no sense");
  std::size_t at = sizeof start;
  head.identity.source_identity = take_text(bytes, at, start.text_bytes[0]);
  head.identity.layout_record = take_text(bytes, at, start.text_bytes[1]);
  head.identity.tables_digest = take_text(bytes, at, start.text_bytes[2]);
  return head;
}

}  // namespace v2vfs::fs
