// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "inspect/guest/initrd_archive.h"
#include "inspect/guest/initrd_facts.h"
#include "inspect/guest/limits.h"
#include "tests/support/compressors.h"

namespace v2vfs::inspect {
namespace {

using namespace std::string_literals;
using test::bzip2;
using test::gzip;
using test::lz4;
using test::lzma;
using test::xz;
using test::zstd;

std::string padded(std::string text, std::size_t unit) {
  text.resize((text.size() + unit - 1) / unit * unit);
  return text;
}

std::string entry(const std::string& name, const std::string& content, unsigned mode = 0100644) {
  std::string header = "070701";
  for (const std::size_t field :
       {std::size_t{1}, std::size_t{mode}, std::size_t{0}, std::size_t{0}, std::size_t{1},
        std::size_t{0}, content.size(), std::size_t{0}, std::size_t{0}, std::size_t{0},
        std::size_t{0}, name.size() + 1, std::size_t{0}}) {
    header += fmt::format("{:08x}", field);
  }
  return padded(header + name + '\0', 4) + padded(content, 4);
}

std::string archive(const std::string& entries) { return entries + entry("TRAILER!!!", "", 0); }

InitrdArchive read(const std::string& image) {
  const auto read_at = [&](std::uint64_t offset, std::size_t length) {
    return offset >= image.size() ? "" : image.substr(offset, length);
  };
  return read_initrd(image.size(), read_at, is_initrd_config);
}

std::vector<std::string> names(const InitrdArchive& found) {
  std::vector<std::string> all;
  for (const InitrdEntry& each : found.entries) all.push_back(each.name);
  return all;
}

const std::string kMain =
    archive(entry("conf", "", 040755) + entry("./conf/conf.d/resume", "RESUME=x\n") +
            entry("/lib/modules/6.1/kernel/a.ko", std::string(100'000, 'm')));
const std::string kEarly =
    padded(archive(entry("kernel/x86/microcode/GenuineIntel.bin", "micro")), 512);

class EachCompression
    : public ::testing::TestWithParam<std::pair<const char*, std::string (*)(const std::string&)>> {
};

TEST_P(EachCompression, is_opened_behind_microcode) {
  const auto& [name, compress] = GetParam();
  const std::string packed = compress(kMain);
  const InitrdArchive found = read(kEarly + packed);
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.tail, "");
  ASSERT_EQ(found.segments.size(), 2u);
  EXPECT_EQ(found.segments[0].compression, "none");
  EXPECT_EQ(found.segments[0].bytes + found.segments[0].padding, kEarly.size());
  EXPECT_TRUE(found.segments[0].has_trailer);
  EXPECT_EQ(found.segments[1].compression, name);
  EXPECT_EQ(found.segments[1].offset, kEarly.size());
  EXPECT_EQ(found.segments[1].bytes, packed.size());
  EXPECT_EQ(found.segments[1].entries, 3u);
  EXPECT_EQ(found.files.at("conf/conf.d/resume"), "RESUME=x\n");
  EXPECT_EQ(names(found).back(), "lib/modules/6.1/kernel/a.ko");
}

TEST_P(EachCompression, tells_damage_and_a_cut) {
  const auto& [name, compress] = GetParam();
  const std::string packed = compress(kMain);
  EXPECT_NE(read(packed.substr(0, packed.size() / 2)).problem +
                read(packed.substr(0, packed.size() / 2)).tail,
            "");
  std::string flipped = packed;
  for (std::size_t at = 20; at < flipped.size(); at += 7)
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
  const InitrdArchive found = read(flipped);
  EXPECT_TRUE(!found.problem.empty() || !found.tail.empty());
}

TEST_P(EachCompression, is_followed_by_another_archive_after_zeros) {
  const auto& [name, compress] = GetParam();
  const std::string first = compress(kMain);
  const std::string image =
      padded(first, 512) + gzip(archive(entry("conf/conf.d/resume", "RESUME=none\n")));
  const InitrdArchive found = read(image);
  if (std::string(name) == "lz4") {
    // The kernel takes what follows for one more block: such an image does not boot.
    EXPECT_EQ(found.tail, "unknown");
    EXPECT_EQ(found.tail_offset, padded(first, 512).size());
    return;
  }
  EXPECT_EQ(found.problem, "");
  ASSERT_EQ(found.segments.size(), 2u);
  EXPECT_EQ(found.segments[0].bytes, first.size());
  EXPECT_EQ(found.segments[0].padding, padded(first, 512).size() - first.size());
  EXPECT_EQ(found.files.at("conf/conf.d/resume"), "RESUME=none\n");
}

INSTANTIATE_TEST_SUITE_P(All, EachCompression,
                         ::testing::Values(std::pair("gzip", &gzip), std::pair("bzip2", &bzip2),
                                           std::pair("xz", &xz), std::pair("lzma", &lzma),
                                           std::pair("zstd", &zstd), std::pair("lz4", &lz4)),
                         [](const auto& param_info) {
                           return std::string(param_info.param.first);
                         });

TEST(Initrd, may_be_plain) {
  const InitrdArchive found = read(kMain);
  EXPECT_EQ(found.problem, "");
  ASSERT_EQ(found.segments.size(), 1u);
  EXPECT_EQ(found.segments[0].bytes, kMain.size());
}

TEST(Initrd, lz4_without_padding_may_be_followed_by_lz4) {
  const InitrdArchive found = read(lz4(kMain) + lz4(archive(entry("init", "x"))));
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.tail, "");
  EXPECT_EQ(found.entries.size(), 4u);
}

TEST(Initrd, lz4_that_is_cut_ends_before_its_last_block) {
  const std::string packed = lz4(kMain) + lz4(archive(entry("init", std::string(5000, 'x'))));
  const InitrdArchive found = read(packed.substr(0, packed.size() - 3));
  EXPECT_EQ(found.tail, "unknown");
  EXPECT_EQ(found.tail_offset, lz4(kMain).size() + 4);
}

TEST(Initrd, zeros_behind_lz4_are_told) {
  const std::string packed = lz4(kMain);
  const InitrdArchive found = read(packed + std::string(100, '\0'));
  EXPECT_EQ(found.tail, "");
  EXPECT_EQ(found.segments.back().bytes, packed.size());
  EXPECT_EQ(found.segments.back().padding, 100u);
}

TEST(Initrd, bootconfig_is_a_known_tail) {
  const std::string text = padded("kernel.x = 1\n", 4);
  const std::string footer = "\x10\0\0\0sum!#BOOTCONFIG\n"s;
  const std::string packed = padded(gzip(kMain), 4);
  const InitrdArchive found = read(packed + text + footer);
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.tail, "bootconfig");
  EXPECT_EQ(found.tail_offset, packed.size());
}

TEST(Initrd, anything_else_behind_is_unknown) {
  const std::string packed = padded(gzip(kMain), 4);
  const InitrdArchive found = read(packed + "signature");
  EXPECT_EQ(found.tail, "unknown");
  EXPECT_EQ(found.tail_offset, packed.size());
  EXPECT_EQ(read(padded(kMain, 4) + "\0\0"s + kMain).tail, "unknown");  // not at a multiple of four
}

TEST(Initrd, lzo_is_told_and_not_opened) {
  const InitrdArchive found = read("\x89LZO\0\r\n\x1a\n"s + std::string(100, 'x'));
  EXPECT_EQ(found.segments.at(0).compression, "lzo");
  EXPECT_NE(found.problem, "");
}

TEST(Initrd, rubbish_is_told) {
  EXPECT_EQ(read("").segments.size(), 0u);
  EXPECT_EQ(read(std::string(5000, '\0')).segments.size(), 0u);
  EXPECT_EQ(read("MZ what is this").tail, "unknown");
  EXPECT_NE(read("070701").problem, "");
  EXPECT_NE(read("070707000000").problem, "");
  std::string bad = kMain;
  bad.replace(6 + 11 * 8, 8, "00002000");  // the length of a name
  EXPECT_NE(read(bad).problem.find("a name of 8192 bytes"), std::string::npos);
  bad = kMain;
  bad.replace(6 + 6 * 8, 8, "ffffffff");  // of a file
  EXPECT_NE(read(bad).problem, "");
  bad.replace(6 + 6 * 8, 8, "zzzzzzzz");
  EXPECT_NE(read(bad).problem, "");
}

// SEMANTICS: "an initrd that unpacks to 1 GiB, ...) are not read"
TEST(Initrd, a_bomb_ends_at_the_bound) {
  // 1.25 GiB of zeros, a thousandth of it stored.
  std::string zeros(64 << 20, '\0');
  std::string image;
  const std::string piece = gzip(zeros);
  for (int i = 0; i < 20; ++i) image += piece;
  const InitrdArchive found = read(image);
  EXPECT_NE(found.problem, "");
  EXPECT_LE(found.unpacked_bytes, kInitrdUnpackedBytes + (2 << 20));
}

TEST(Initrd, keeps_files_within_its_bounds) {
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += entry(fmt::format("etc/cmdline.d/{}", i), std::string(255 << 10, 'x'));
  many += entry("etc/cmdline.d/large", std::string(257 << 10, 'x'));
  const InitrdArchive found = read(archive(many));
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.entries.size(), 41u);
  std::size_t kept = 0;
  for (const auto& [name, text] : found.files) kept += text.size();
  EXPECT_LE(kept, kInitrdKeptBytes);
  EXPECT_EQ(found.files.count("etc/cmdline.d/large"), 0u);
}

TEST(Initrd, facts_name_modules_as_they_lie) {
  const InitrdFacts facts = initrd_facts(read(archive(
      entry("scripts/functions", "") + entry("usr/lib/modules/6.1/kernel/b/virtio-blk.ko.xz", "") +
      entry("lib/mptspi.ko", ""))));
  EXPECT_EQ(facts.generator, "initramfs-tools");
  EXPECT_EQ(facts.modules_folder, "usr/lib/modules/6.1");
  EXPECT_EQ(facts.modules,
            (std::vector<std::string>{"kernel/b/virtio-blk.ko.xz", "lib/mptspi.ko"}));
}

}  // namespace
}  // namespace v2vfs::inspect
