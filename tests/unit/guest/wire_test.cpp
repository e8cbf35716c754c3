// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_wire.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::inspect {
namespace {

template <typename T>
std::string encode(const T& value) {
  WireWriter out;
  out.put(value);
  return out.take();
}

template <typename T>
T decode(const std::string& bytes) {
  WireReader in(bytes);
  T value = in.get<T>();
  in.expect_end();
  return value;
}

template <typename T>
int refusal(const std::string& bytes) {
  try {
    decode<T>(bytes);
  } catch (const Error& e) {
    return e.error_number();
  }
  return 0;
}

FileEntry an_entry() {
  FileEntry entry;
  entry.name = std::string("na\xffme\n");
  entry.stat.kind = FileKind::socket;
  entry.stat.modified_ns = -5;
  entry.stat.bytes = UINT64_MAX;
  entry.target = "../x";
  return entry;
}

Storage a_storage() {
  Storage storage;
  storage.devices.push_back(
      {"/dev/md0", BlockKind::md_array, {"/dev/sda1", "/dev/sdb1"}, 1, "xfs", "u", "l"});
  storage.tables.push_back({"/dev/sda", std::nullopt, "gpt", "id"});
  PartitionEntry entry;
  entry.device = "/dev/sda1";
  entry.mbr_id = 0x83;
  storage.partitions.push_back(entry);
  storage.volumes.push_back({"/dev/vg/root", "vg", "root", "uuid"});
  return storage;
}

TEST(Wire, brings_structs_through) {
  const auto entry = decode<FileEntry>(encode(an_entry()));
  EXPECT_EQ(entry.name, an_entry().name);
  EXPECT_EQ(entry.stat.kind, FileKind::socket);
  EXPECT_EQ(entry.stat.modified_ns, -5);
  EXPECT_EQ(entry.stat.bytes, UINT64_MAX);
  const auto storage = decode<Storage>(encode(a_storage()));
  EXPECT_EQ(storage.devices.at(0).below, a_storage().devices[0].below);
  EXPECT_EQ(storage.tables.at(0).index, std::nullopt);
  EXPECT_EQ(storage.partitions.at(0).mbr_id, 0x83U);
  EXPECT_EQ(storage.volumes.at(0).uuid, "uuid");
}

TEST(Wire, refuses_every_cut_and_every_byte_too_many) {
  const std::string whole = encode(a_storage());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(refusal<Storage>(whole.substr(0, length)), EIO) << length;
  }
  EXPECT_EQ(refusal<Storage>(whole + "x"), EIO);
}

TEST(Wire, refuses_words_that_it_does_not_know) {
  EXPECT_EQ(refusal<FileKind>(std::string("\x07\0\0\0", 4)), EIO);
  EXPECT_EQ(refusal<FileKind>(std::string("\xff\xff\xff\xff", 4)), EIO);
  EXPECT_EQ(refusal<bool>("\x02"), EIO);
  EXPECT_EQ(refusal<std::optional<std::string>>("\x02"), EIO);
  EXPECT_EQ(decode<GuestCall>(encode(GuestCall::finish)), GuestCall::finish);
  EXPECT_EQ(refusal<GuestCall>("\x7f"), EIO);
}

TEST(Wire, allocates_nothing_for_a_count_that_is_a_lie) {
  const std::string many("\xff\xff\xff\xff", 4);
  EXPECT_EQ(refusal<std::vector<FileEntry>>(many + std::string(100, '\0')), EIO);
  EXPECT_EQ(refusal<std::string>(many + "abc"), EIO);
  std::string too_long = encode(kMostElements + 1);
  too_long.append((kMostElements + 1) * 4, '\0');
  EXPECT_EQ(refusal<std::vector<std::string>>(too_long), EIO);
}

TEST(Wire, does_not_write_what_nobody_would_take) {
  const std::vector<std::string> list(kMostElements + 1);
  EXPECT_THROW(encode(list), Error);
}

TEST(Wire, cleans_what_a_worker_says_of_itself) {
  GuestFailure failure{-5, false, "a\x1b[31m\n" + std::string(10'000, 'x')};
  clean(failure);
  EXPECT_EQ(failure.error_number, EIO);
  EXPECT_EQ(failure.sentence.find('\x1b'), std::string::npos);
  EXPECT_LE(failure.sentence.size(), kMostSentenceBytes + 3);
}

}  // namespace
}  // namespace v2vfs::inspect
