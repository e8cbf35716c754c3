// SPDX-License-Identifier: MIT
#include "convert/guest/initrd_supplement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "tests/support/compressors.h"
#include "tests/unit/initrd/made_up_initrd.h"

namespace v2vfs::convert {
namespace {

using namespace std::string_literals;
using test::guest_module;
using test::InitrdMaker;
using test::MadeUpGuest;
using test::padded;

const std::string kFolder = "usr/lib/modules/"s + test::kRelease;

/// Debian 12: merged /usr, modules decompressed, kmod's index.
InitrdMaker debian() {
  return InitrdMaker()
      .folder("conf/conf.d")
      .file("conf/conf.d/resume", "RESUME=/dev/sda2\n")
      .file("conf/initramfs.conf", "MODULES=list\n")
      .file("conf/modules", "mptspi\n")
      .file("init", "#!/bin/sh\n", 0100755)
      .file("scripts/functions", "")
      .merged_usr()
      .file("usr/lib/systemd/systemd-udevd", "", 0100755)
      .modules(kFolder,
               {"kernel/drivers/message/fusion/mptspi.ko", "kernel/drivers/scsi/scsi_mod.ko",
                "kernel/fs/ext4/ext4.ko", "kernel/fs/jbd2/jbd2.ko"});
}

std::string early_microcode() {
  return padded(InitrdMaker().file("kernel/x86/microcode/GenuineIntel.bin", "micro").archive(),
                512);
}

bool resolves(const inspect::InitrdArchive& image, const std::string& path) {
  const auto dep = image.files.find(kFolder + "/modules.dep");
  return dep != image.files.end() && dep->second.find(path + ":") != std::string::npos &&
         image.files.count(kFolder + "/" + path) > 0;
}

// SEMANTICS: "an archive with drivers is appended to initrds"
TEST(Supplement, brings_drivers_an_index_and_nothing_else) {
  MadeUpGuest guest;
  const std::string image = early_microcode() + test::gzip(debian().archive());
  const Supplement made = guest.apply(image);
  EXPECT_EQ(made.refusal, "");
  EXPECT_TRUE(made.absent.empty());
  EXPECT_EQ(made.entries,
            (std::vector<std::string>{"conf/modules",
                                      kFolder + "/kernel/crypto",
                                      kFolder + "/kernel/crypto/crct10dif_generic.ko",
                                      kFolder + "/kernel/drivers/block",
                                      kFolder + "/kernel/drivers/block/virtio_blk.ko",
                                      kFolder + "/kernel/drivers/net",
                                      kFolder + "/kernel/drivers/net/net_failover.ko",
                                      kFolder + "/kernel/drivers/net/virtio_net.ko",
                                      kFolder + "/kernel/drivers/scsi/sd_mod.ko",
                                      kFolder + "/kernel/drivers/scsi/virtio_scsi.ko",
                                      kFolder + "/kernel/drivers/virtio",
                                      kFolder + "/kernel/drivers/virtio/virtio.ko",
                                      kFolder + "/kernel/drivers/virtio/virtio_pci.ko",
                                      kFolder + "/kernel/drivers/virtio/virtio_pci_modern_dev.ko",
                                      kFolder + "/kernel/drivers/virtio/virtio_ring.ko",
                                      kFolder + "/kernel/net",
                                      kFolder + "/kernel/net/core",
                                      kFolder + "/kernel/net/core/failover.ko",
                                      kFolder + "/modules.alias",
                                      kFolder + "/modules.alias.bin",
                                      kFolder + "/modules.dep",
                                      kFolder + "/modules.dep.bin",
                                      kFolder + "/modules.devname",
                                      kFolder + "/modules.softdep",
                                      kFolder + "/modules.symbols",
                                      kFolder + "/modules.symbols.bin"}));
  const inspect::InitrdArchive found = guest.image();
  EXPECT_EQ(found.problem + found.tail, "");
  EXPECT_EQ(guest.read(guest.request.image).substr(0, image.size()), image);
  EXPECT_TRUE(resolves(found, "kernel/drivers/block/virtio_blk.ko"));
  EXPECT_TRUE(resolves(found, "kernel/fs/ext4/ext4.ko"));
  EXPECT_EQ(found.files.at("conf/modules"),
            "mptspi\nvirtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\nvirtio_net\n");
}

TEST(Supplement, done_twice_is_done_once_and_the_same_image_gives_the_same_bytes) {
  MadeUpGuest guest;
  const std::string image = test::zstd(debian().archive());
  const Supplement first = guest.make(image);
  EXPECT_EQ(guest.make(image).bytes, first.bytes);
  guest.apply(image);
  const std::string once = guest.read(guest.request.image);
  const Supplement second = guest.apply(once);
  EXPECT_EQ(second.refusal, "");
  EXPECT_FALSE(second.needed());
  EXPECT_EQ(second.growth(), 0u);
  EXPECT_EQ(guest.read(guest.request.image), once);
}

class OfEachKind
    : public ::testing::TestWithParam<std::pair<const char*, std::string (*)(const std::string&)>> {
};

TEST_P(OfEachKind, is_appended_as_the_kernel_reads_it) {
  MadeUpGuest guest;
  const std::string image = GetParam().second(debian().archive());
  for (const std::size_t zeros : {0u, 4u, 515u}) {
    const Supplement made = guest.apply(early_microcode() + image + std::string(zeros, '\0'));
    ASSERT_EQ(made.refusal, "");
    const inspect::InitrdArchive found = guest.image();
    EXPECT_EQ(found.problem + found.tail, "") << zeros;
    EXPECT_TRUE(resolves(found, "kernel/drivers/net/virtio_net.ko"));
    if (GetParam().first == "lz4"s) {  // no zero anywhere
      EXPECT_EQ(made.kept_bytes, early_microcode().size() + image.size());
      EXPECT_TRUE(made.bytes.starts_with("\x02\x21\x4c\x18"s));
      EXPECT_EQ(found.segments.back().padding, 0u);
    } else {
      EXPECT_EQ(found.segments.back().offset % 4, 0u);
      EXPECT_EQ(found.segments.back().compression, "gzip");
    }
  }
}

std::string plain(const std::string& archive) { return archive; }

INSTANTIATE_TEST_SUITE_P(
    All, OfEachKind,
    ::testing::Values(std::pair("plain", &plain), std::pair("gzip", &test::gzip),
                      std::pair("bzip2", &test::bzip2), std::pair("xz", &test::xz),
                      std::pair("lzma", &test::lzma), std::pair("zstd", &test::zstd),
                      std::pair("lz4", &test::lz4)),
    [](const auto& param_info) { return std::string(param_info.param.first); });

TEST(Supplement, is_stored_plain_for_a_kernel_without_gzip) {
  MadeUpGuest guest;
  guest.request.codecs = {"zstd"};
  guest.apply(test::zstd(debian().archive()));
  EXPECT_EQ(guest.image().segments.back().compression, "none");
  EXPECT_TRUE(resolves(guest.image(), "kernel/drivers/block/virtio_blk.ko"));
}

TEST(Supplement, goes_before_a_bootconfig) {
  for (const auto pack : {&test::gzip, &test::lz4}) {
    MadeUpGuest guest;
    const std::string tail = padded("kernel.x = 1\n", 4) + "\x10\0\0\0sum!#BOOTCONFIG\n"s;
    const Supplement made = guest.apply(pack(debian().archive()) + std::string(3, '\0') + tail);
    EXPECT_EQ(made.refusal, "");
    EXPECT_EQ(guest.image().tail, "bootconfig");
    EXPECT_TRUE(guest.read(guest.request.image).ends_with(tail));
    EXPECT_TRUE(resolves(guest.image(), "kernel/drivers/block/virtio_blk.ko"));
  }
}

TEST(Supplement, is_refused_where_it_would_not_be_unpacked) {
  MadeUpGuest guest;
  const std::string good = padded(test::gzip(debian().archive()), 4);
  for (const std::string& image :
       {good + "signature", "MZ a unified kernel image"s, ""s,
        "\x89LZO\0\r\n\x1a\n"s + std::string(99, 'x'), good.substr(0, good.size() / 2)}) {
    const Supplement made = guest.apply(image);
    EXPECT_NE(made.refusal, "");
    EXPECT_FALSE(made.needed());
    EXPECT_EQ(guest.read(guest.request.image), image);
  }
  guest.request.image = "/boot/nothing";
  EXPECT_NE(make_supplement(guest.guest, guest.request, guest.work.path()).refusal, "");
}

TEST(Supplement, is_refused_for_an_image_of_another_kernel) {
  MadeUpGuest guest;
  guest.request.kernel = "6.1.0-99-amd64";
  EXPECT_NE(guest.make(test::gzip(debian().archive())).refusal.find("another kernel"),
            std::string::npos);
  guest.request.kernel = "../../../etc";
  EXPECT_NE(guest.make(test::gzip(debian().archive())).refusal, "");
}

TEST(Supplement, is_nothing_where_drivers_are_built_in) {
  MadeUpGuest guest;
  std::string builtin;
  for (const auto& [path, spec] : test::guest_modules()) builtin += path + "\n";
  guest.write(guest.request.modules_dir + "/modules.builtin", builtin);
  const Supplement made = guest.apply(test::gzip(debian().archive()));
  EXPECT_EQ(made.refusal, "");
  EXPECT_FALSE(made.needed());
}

TEST(Supplement, tells_drivers_that_the_kernel_does_not_have) {
  MadeUpGuest guest;
  guest.request.drivers = {"virtio_blk", "virtio_fs"};
  const Supplement made = guest.make(test::gzip(debian().archive()));
  EXPECT_EQ(made.absent, (std::vector<std::string>{"virtio_fs"}));
  EXPECT_EQ(made.modules, (std::vector<std::string>{"virtio", "virtio_ring", "virtio_blk"}));
}

TEST(Supplement, decompresses_modules_and_keeps_their_bytes) {
  for (const char* const suffix : {".xz", ".zst", ".gz"}) {
    MadeUpGuest guest(suffix);
    const Supplement made = guest.apply(test::gzip(debian().archive()));
    EXPECT_EQ(made.refusal, "") << suffix;
    EXPECT_EQ(guest.image().files.at(kFolder + "/kernel/drivers/block/virtio_blk.ko"),
              guest_module("kernel/drivers/block/virtio_blk.ko"));
    EXPECT_TRUE(resolves(guest.image(), "kernel/fs/ext4/ext4.ko")) << "as it lies in the image";
  }
}

TEST(Supplement, is_refused_with_a_damaged_or_missing_module) {
  MadeUpGuest guest(".xz");
  const std::string path = guest.request.modules_dir + "/kernel/drivers/block/virtio_blk.ko.xz";
  const std::string whole = guest.read(path);
  for (const std::string& bad : {whole.substr(0, whole.size() / 2), "text"s, ""s}) {
    guest.write(path, bad);
    const Supplement made = guest.make(test::gzip(debian().archive()));
    EXPECT_NE(made.refusal.find("virtio_blk"), std::string::npos) << made.refusal;
  }
  guest.guest.remove(path);
  EXPECT_NE(guest.make(test::gzip(debian().archive())).refusal.find("virtio_blk"),
            std::string::npos);
}

TEST(Supplement, replaces_files_in_their_place_and_no_link) {
  MadeUpGuest guest;
  guest.request.drivers.clear();
  guest.request.files = {{"conf/conf.d/resume", "RESUME=UUID=1\n"},
                         {"etc/crypttab", "x UUID=2 none luks\n"},
                         {"new/folder/file", "text"}};
  InitrdMaker image = debian();
  image.file("cryptroot/crypttab", "x /dev/sda3 none luks\n", 0100600)
      .link("etc", "usr/etc")
      .file("usr/etc/crypttab", "y\n", 0100600);
  const Supplement made = guest.apply(test::gzip(image.archive()));
  EXPECT_EQ(made.refusal, "");
  EXPECT_EQ(made.entries, (std::vector<std::string>{"conf/conf.d/resume", "new", "new/folder",
                                                    "new/folder/file", "usr/etc/crypttab"}));
  const inspect::InitrdArchive found = guest.image();
  EXPECT_EQ(found.entries.back().mode, 0100600u);
  EXPECT_EQ(found.files.at("usr/etc/crypttab"), "x UUID=2 none luks\n");
  EXPECT_FALSE(guest.make(guest.read(guest.request.image)).needed());
}

TEST(Supplement, refuses_names_that_lead_out) {
  MadeUpGuest guest;
  for (const char* const name : {"../x", "/etc/x", "a/../../x", "", "a//b", "conf/modules/x"}) {
    guest.request.files = {{name, "text"}};
    EXPECT_NE(guest.make(test::gzip(debian().archive())).refusal, "") << name;
  }
}

TEST(Supplement, keeps_debians_checksum_true) {
  MadeUpGuest guest;
  const std::string image = test::gzip(debian().archive());
  const std::string path = "/var/lib/initramfs-tools/"s + test::kRelease;
  const std::string rest = "  /boot/initrd.img-"s + test::kRelease + "\n";
  for (const DigestKind kind : {DigestKind::md5, DigestKind::sha1, DigestKind::sha256}) {
    guest.write(path, Digest(kind).add(image).hex() + rest);
    guest.apply(image);
    EXPECT_EQ(guest.read(path), Digest(kind).add(guest.read(guest.request.image)).hex() + rest);
  }
  for (const std::string& other :
       {Digest(DigestKind::sha1).add("x").hex() + rest, "text\n"s, ""s}) {
    guest.write(path, other);
    guest.apply(image);
    EXPECT_EQ(guest.read(path), other) << "another image's line is left alone";
  }
}

TEST(Supplement, needs_room_before_anything_is_changed) {
  MadeUpGuest guest;
  const std::string image = test::lz4(debian().archive()) + std::string(100, '\0');
  const Supplement made = guest.make(image);
  guest.guest.says.space["/boot"] = {1 << 20, made.growth() - 1, 0, 0};
  try {
    write_supplement(guest.guest, made);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOSPC);
  }
  EXPECT_EQ(guest.read(guest.request.image), image);
  guest.guest.says.space["/boot"].free_bytes = made.growth();
  write_supplement(guest.guest, made);
}

TEST(Supplement, is_not_written_to_another_image) {
  MadeUpGuest guest;
  const Supplement made = guest.make(test::gzip(debian().archive()));
  guest.write(guest.request.image, "another");
  EXPECT_THROW(write_supplement(guest.guest, made), Error);
}

TEST(Supplement, verification_sees_every_change) {
  MadeUpGuest guest;
  guest.request.codecs = {"zstd"};  // plain: each byte counts
  const Supplement made = guest.apply(test::gzip(debian().archive()));
  const std::string good = guest.read(guest.request.image);
  const std::size_t content = good.find(
      "\x7f"
      "ELF",
      made.kept_bytes);
  ASSERT_NE(content, std::string::npos);
  std::string flipped = good;
  flipped[content + 9] = 'x';
  for (const std::string& bad :
       {flipped, good.substr(0, good.size() - 4), good + "more",
        good.substr(0, made.kept_bytes) + std::string(made.bytes.size(), '\0')}) {
    guest.write(guest.request.image, bad);
    EXPECT_THROW(verify_supplement(guest.guest, made), Error);
  }
  guest.write(guest.request.image, good);
  verify_supplement(guest.guest, made);
}

TEST(Supplement, follows_links_to_the_image) {
  MadeUpGuest guest;
  guest.write("/boot/real", test::gzip(debian().archive()));
  guest.guest.make_symlink("real", "/boot/link");
  guest.request.image = "/boot/link";
  const Supplement made = make_supplement(guest.guest, guest.request, guest.work.path());
  EXPECT_EQ(made.image, "/boot/real");
  write_supplement(guest.guest, made);
  verify_supplement(guest.guest, made);
  EXPECT_EQ(guest.guest.readlink("/boot/link"), "real");
}

}  // namespace
}  // namespace v2vfs::convert
