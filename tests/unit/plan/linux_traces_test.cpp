// SPDX-License-Identifier: MIT
#include "convert/guest/linux_traces.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "inspect/base/error.h"

// Disks as installers leave them, by their first sectors. Every wrong "no" would leave a Linux
// unconverted without a word, so what cannot be judged is "perhaps".

namespace v2vfs::convert {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr const char* kLinuxGuid =
    "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4";
constexpr const char* kBasicDataGuid =
    "\xa2\xa0\xd0\xeb\xe5\xb9\x33\x44\x87\xc0\x68\xb6\xb7\x26\x99\xc7";

class MadeDisk {
 public:
  explicit MadeDisk(std::uint64_t bytes = 8 * kMiB) : bytes_(bytes, '\0') {}

  MadeDisk& put(std::uint64_t at, std::string_view text) {
    bytes_.replace(at, text.size(), text);
    return *this;
  }
  MadeDisk& number(std::uint64_t at, std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) bytes_[at + i] = static_cast<char>(value >> (8 * i));
    return *this;
  }
  /// In the table of the sector at `table`; places in MiB.
  MadeDisk& mbr(unsigned entry, unsigned type, std::uint64_t begin, std::uint64_t length,
                std::uint64_t table = 0) {
    put(table + 510, "\x55\xaa");
    const std::uint64_t at = table + 446 + 16 * entry;
    return number(at + 4, type, 1)
        .number(at + 8, begin * kMiB / 512, 4)
        .number(at + 12, length * kMiB / 512, 4);
  }
  MadeDisk& gpt(unsigned entry, const char* type, std::uint64_t begin, std::uint64_t length) {
    mbr(0, 0xee, 0, 8);
    put(512, "EFI PART").number(512 + 72, 2, 8).number(512 + 80, 128, 4).number(512 + 84, 128, 4);
    const std::uint64_t at = 1024 + 128 * entry;
    return put(at, std::string_view(type, 16))
        .number(at + 32, begin * kMiB / 512, 8)
        .number(at + 40, (begin + length) * kMiB / 512 - 1, 8);
  }
  MadeDisk& ntfs(std::uint64_t at) { return put(at, "\xeb\x52\x90NTFS    "); }
  MadeDisk& noise() {
    std::uint64_t x = 7;
    for (char& c : bytes_) c = static_cast<char>((x = x * 6364136223846793005 + 1) >> 56);
    return *this;
  }
  bool may_hold_linux() {
    return convert::may_hold_linux(
        {bytes_.size(), [this](std::uint64_t offset, std::span<std::byte> out) {
           if (offset + out.size() > bytes_.size()) throw Error(EINVAL, "behind the end");
           std::memcpy(out.data(), bytes_.data() + offset, out.size());
         }});
  }

 private:
  std::string bytes_;
};

TEST(LinuxTraces, a_disk_that_ends_inside_the_head_of_a_table_has_no_table) {
  EXPECT_FALSE(MadeDisk(520).put(512, "EFI PART").may_hold_linux());
}

// SEMANTICS: "A machine on whose disks nothing is that a Linux could lie in"
TEST(LinuxTraces, there_are_none_on_disks_that_are_empty_or_noise) {
  EXPECT_FALSE(MadeDisk().may_hold_linux());
  EXPECT_FALSE(MadeDisk(0).may_hold_linux());
  EXPECT_FALSE(MadeDisk(700).may_hold_linux());
  EXPECT_FALSE(MadeDisk().noise().may_hold_linux());
}

// SEMANTICS: "(empty disks, noise, Windows alone)"
TEST(LinuxTraces, there_are_none_where_windows_is_alone) {
  EXPECT_FALSE(MadeDisk().mbr(0, 7, 1, 3).ntfs(kMiB).mbr(1, 0x27, 4, 1).may_hold_linux());
  EXPECT_FALSE(MadeDisk().gpt(1, kBasicDataGuid, 1, 4).ntfs(kMiB).may_hold_linux());
  EXPECT_FALSE(MadeDisk().ntfs(0).put(510, "\x55\xaa").put(446, "no table").may_hold_linux());
  EXPECT_FALSE(
      MadeDisk().mbr(0, 0x0f, 2, 6).mbr(0, 7, 1, 1, 2 * kMiB).ntfs(3 * kMiB).may_hold_linux());
}

TEST(LinuxTraces, partitions_for_linux_are_enough) {
  EXPECT_TRUE(MadeDisk().mbr(0, 7, 1, 1).mbr(2, 0x83, 2, 1).may_hold_linux());
  EXPECT_TRUE(MadeDisk().gpt(5, kLinuxGuid, 1, 4).may_hold_linux());
  EXPECT_TRUE(MadeDisk().mbr(0, 0x05, 2, 6).mbr(0, 0x8e, 1, 1, 2 * kMiB).may_hold_linux());
}

TEST(LinuxTraces, are_followed_through_all_logical_partitions) {
  MadeDisk disk;
  disk.mbr(1, 0x0f, 1, 7).mbr(0, 7, 1, 1, kMiB).mbr(1, 5, 3, 2, kMiB).mbr(0, 0x83, 1, 1, 4 * kMiB);
  EXPECT_TRUE(disk.may_hold_linux());
}

TEST(LinuxTraces, a_table_that_makes_no_sense_may_be_anything) {
  EXPECT_TRUE(MadeDisk().gpt(0, kBasicDataGuid, 1, 100).may_hold_linux());
  EXPECT_TRUE(MadeDisk().gpt(0, kBasicDataGuid, 1, 1).number(512 + 80, 99999, 4).may_hold_linux());
  EXPECT_TRUE(MadeDisk().gpt(0, kBasicDataGuid, 1, 1).number(512 + 72, ~0ULL, 8).may_hold_linux());
  MadeDisk loop;  // of extended partitions
  loop.mbr(0, 5, 1, 7).mbr(0, 7, 1, 1, kMiB).mbr(1, 5, 0, 1, kMiB);
  EXPECT_TRUE(loop.may_hold_linux());
}

struct Kind {
  const char* name;
  std::uint64_t at;
  std::string_view mark;
};

class OfEachKind : public ::testing::TestWithParam<Kind> {};

/// Whatever the table says of the partition, and without one.
TEST_P(OfEachKind, is_known_by_its_mark) {
  const Kind& kind = GetParam();
  EXPECT_TRUE(MadeDisk().put(kind.at, kind.mark).may_hold_linux());
  EXPECT_TRUE(MadeDisk().mbr(0, 7, 1, 4).put(kMiB + kind.at, kind.mark).may_hold_linux());
  EXPECT_TRUE(
      MadeDisk().gpt(3, kBasicDataGuid, 2, 4).put(2 * kMiB + kind.at, kind.mark).may_hold_linux());
}

constexpr std::uint64_t kEnd = 4 * kMiB;  // of the partitions above
const Kind kKinds[] = {
    {"ext4", 0x438, "\x53\xEF"sv},        {"xfs", 0, "XFSB"sv},
    {"btrfs", 0x10040, "_BHRfS_M"sv},     {"luks", 0, "LUKS\xba\xbe"sv},
    {"lvm", 0x200, "LABELONE"sv},         {"md12", 0x1000, "\xfc\x4e\x2b\xa9"sv},
    {"swap", 0xff6, "SWAPSPACE2"sv},      {"f2fs", 0x400, "\x10\x20\xf5\xf2"sv},
    {"reiserfs", 0x10034, "ReIsEr2Fs"sv}, {"jfs", 0x8000, "JFS1"sv},
};
INSTANTIATE_TEST_SUITE_P(Kinds, OfEachKind, ::testing::ValuesIn(kKinds),
                         [](const auto& of) { return std::string(of.param.name); });

TEST(LinuxTraces, an_array_with_its_mark_at_its_end_is_found) {
  constexpr std::string_view kMark = "\xfc\x4e\x2b\xa9"sv;
  for (const std::uint64_t from_end : {64 * 1024, 8 * 1024}) {
    EXPECT_TRUE(MadeDisk().mbr(0, 7, 1, 4).put(kMiB + kEnd - from_end, kMark).may_hold_linux());
    EXPECT_TRUE(MadeDisk().put(8 * kMiB - from_end, kMark).may_hold_linux());
  }
}

TEST(LinuxTraces, what_cannot_be_read_is_said) {
  const DiskBytes damaged{
      kMiB, [](std::uint64_t, std::span<std::byte>) -> void { throw Error(EIO, "a bad grain"); }};
  EXPECT_THROW(convert::may_hold_linux(damaged), Error);
}

}  // namespace
}  // namespace v2vfs::convert
