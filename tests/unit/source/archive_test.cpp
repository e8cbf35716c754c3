// SPDX-License-Identifier: MIT
//
// zip archives and compressed tar archives: members are read from anywhere, lies are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cerrno>
#include <random>
#include <set>

#include "inspect/base/error.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/source.h"
#include "inspect/source/xz_file.h"
#include "inspect/source/zip_files.h"
#include "tests/unit/source/source_fixture.h"
#include "tests/unit/source/zip_builder.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::gzip_of;
using ::testing::HasSubstr;
using testing::read_all;
using testing::small_ovf;
using testing::TarBuilder;
using testing::TempFolder;
using testing::xz_of;
using testing::ZipBuilder;
using Member = ZipBuilder::Member;

std::string words(std::size_t bytes) {
  std::mt19937 random(5);
  std::string text;
  while (text.size() < bytes) text += "word " + std::to_string(random() % 5000) + "\n";
  text.resize(bytes);
  return text;
}

class Archives : public ::testing::Test {
 protected:
  SourceFile stored(const std::string& bytes) {
    folder_.write("archive", bytes);
    return FolderFiles(std::make_shared<SourceRoot>(folder_.path()), "").open("archive");
  }
  ZipFiles zip(const std::string& bytes) {
    folder_.write("archive", bytes);
    const FolderFiles folder(std::make_shared<SourceRoot>(folder_.path()), "");
    return {[folder] { return folder.open("archive"); },
            std::make_shared<AccessPointCache>("", nullptr)};
  }
  static std::string why(const std::function<void()>& does, int error_number) {
    try {
      does();
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), error_number) << error.sentence();
      return error.sentence();
    }
    ADD_FAILURE() << "not refused";
    return "";
  }
  FoundMachine only(const std::string& name, const std::string& bytes) {
    folder_.write(name, bytes);
    FoundSource source = find_machines({folder_.path(name)}, {});
    EXPECT_EQ(source.machines.size(), 1u);
    EXPECT_TRUE(source.machines.at(0).spec.usable())
        << source.machines.at(0).spec.problems.at(0).what;
    return std::move(source.machines.at(0));
  }

  TempFolder folder_;
};

Member member(std::string name, std::string content, bool is_deflated = true) {
  Member made;
  made.name = std::move(name);
  made.content = std::move(content);
  made.is_deflated = is_deflated;
  return made;
}

TEST_F(Archives, zip_members_are_read_in_place_or_inflated) {
  const std::string content = words(10 << 20);
  Member in_zip64 = member("big.vmdk", content);
  in_zip64.is_zip64 = true;
  const ZipFiles files = zip(ZipBuilder()
                                 .add("vm/a.ovf", "descriptor")
                                 .add(member("vm/stored.img", content, false))
                                 .add(in_zip64)
                                 .add(member("vm/", "", false))
                                 .add("vm/empty", "")
                                 .archive("a comment with PK\x05\x06 in it, of forty bytes"));
  EXPECT_EQ(files.archive_names().descriptor(), "a.ovf");
  EXPECT_THAT(files.names(), ElementsAre("a.ovf", "empty", "stored.img"));
  EXPECT_EQ(read_all(files.open("a.ovf")), "descriptor");
  EXPECT_TRUE(files.open("stored.img").host_range());
  EXPECT_TRUE(read_all(files.open("stored.img")) == content);
  EXPECT_EQ(read_all(files.open("empty")), "");
  EXPECT_EQ(why([&] { files.open("big.vmdk"); }, ENOENT),
            "vm/big.vmdk in " + folder_.path("archive") + " is not there");
}

TEST_F(Archives, zip64_members_are_found) {
  const std::string content = words(3 << 20);
  Member big = member("big.vmdk", content);
  big.is_zip64 = true;
  const ZipFiles files = zip(ZipBuilder().add("a.ovf", "x").add(big).archive());
  EXPECT_EQ(files.open("big.vmdk").length(), content.size());
  EXPECT_TRUE(read_all(files.open("big.vmdk")) == content);
}

TEST_F(Archives, odd_zip_members_are_left_out) {
  Member encrypted = member("e", "x");
  encrypted.flags = 1;
  Member link = member("l", "a.ovf", false);
  link.mode = 0120777;
  Member fifo = member("f", "", false);
  fifo.mode = 0010644;
  Member other = member("m", "x");
  other.method = 9;
  const ZipFiles files = zip(ZipBuilder()
                                 .add(encrypted)
                                 .add(link)
                                 .add(fifo)
                                 .add(other)
                                 .add("../outside", "x")
                                 .add("/etc/passwd", "x")
                                 .add("a.ovf", "x")
                                 .archive());
  EXPECT_THAT(files.names(), ElementsAre("a.ovf"));
  const auto& ignored = files.archive_names().ignored();
  EXPECT_EQ(ignored.size(), 6u);
  EXPECT_THAT(ignored, Contains(HasSubstr("\"e\" is left out: it is encrypted")));
  EXPECT_THAT(ignored, Contains(HasSubstr("compressed in another way")));
}

// SEMANTICS: "Damage of what is compressed"
TEST_F(Archives, lying_zip_archives_are_refused) {
  const std::string good = ZipBuilder().add("a.ovf", words(5000)).archive();
  EXPECT_THAT(why([&] { zip(good.substr(0, good.size() - 1)); }, EIO), HasSubstr("no directory"));
  EXPECT_THAT(why([&] { zip(good.substr(0, good.size() / 2)); }, EIO), HasSubstr("no directory"));
  EXPECT_THAT(why([&] { zip(ZipBuilder().add("a", "1").add("./a", "2").archive()); }, EIO),
              HasSubstr("two members \"a\""));
  Member crc = member("a", "content");
  crc.crc_lie = 1;
  EXPECT_THAT(why([&] { read_all(zip(ZipBuilder().add(crc).archive()).open("a")); }, EIO),
              HasSubstr("not hold what the archive's directory says"));
  for (const std::int64_t lie : {-1, 1, 1 << 20}) {
    Member length = member("a", "content");
    length.bytes_lie = lie;
    EXPECT_THAT(why([&] { read_all(zip(ZipBuilder().add(length).archive()).open("a")); }, EIO),
                HasSubstr("not hold what the archive's directory says"));
  }
  Member local = member("a", "content");
  local.local_name = "other";
  EXPECT_THAT(why([&] { zip(ZipBuilder().add(local).archive()).open("a"); }, EIO),
              HasSubstr("not as the archive's directory says"));
}

TEST_F(Archives, every_cut_and_every_flipped_bit_of_a_zip_is_an_error_or_right) {
  const std::string content = words(3000);
  const std::string good =
      ZipBuilder().add("a.ovf", content).add(member("b", content, false)).archive();
  const auto is_right_or_refused = [&](const std::string& bytes) {
    try {
      const ZipFiles files = zip(bytes);
      for (const std::string& name : files.names()) {
        const SourceFile file = files.open(name);
        if (name != "a.ovf") continue;
        EXPECT_TRUE(read_all(file) == content);
      }
    } catch (const Error&) {
    }
  };
  for (std::size_t i = 0; i < good.size(); i += 7) {
    is_right_or_refused(good.substr(0, i));
    std::string flipped = good;
    flipped[i] ^= static_cast<char>(1 << i % 8);
    is_right_or_refused(flipped);
  }
}

TEST_F(Archives, xz_files_of_several_blocks_are_read_from_anywhere) {
  const std::string content = words(9 << 20);
  const SourceFile file = xz_file(stored(xz_of(content, 1 << 20) + xz_of("tail", 0)), "inside");
  EXPECT_EQ(file.length(), content.size() + 4);
  std::mt19937 random(9);
  for (int i = 0; i < 200; ++i) {
    const std::size_t offset = random() % content.size();
    std::string part(std::min<std::size_t>(random() % 50'000, content.size() - offset), '\0');
    file.read(offset, std::as_writable_bytes(std::span(part)));
    ASSERT_TRUE(part == content.substr(offset, part.size())) << offset;
  }
  EXPECT_TRUE(read_all(file) == content + "tail");
  EXPECT_EQ(file.head(10), content.substr(0, 10));
}

TEST_F(Archives, damaged_xz_files_are_refused) {
  const std::string content = words(4 << 20);
  const std::string good = xz_of(content, 1 << 20);
  EXPECT_THAT(why([&] { xz_file(stored(good.substr(0, good.size() - 4)), "x"); }, EIO),
              HasSubstr("cut short"));
  EXPECT_THAT(why([&] { xz_file(stored(good + "abcd"), "x"); }, EIO), HasSubstr("index"));
  std::string flipped = good;
  flipped[good.size() / 2] ^= 4;
  EXPECT_THAT(why([&] { read_all(xz_file(stored(flipped), "x")); }, EIO), HasSubstr("damaged"));
}

// SEMANTICS: "it is refused, or with `-o unpack` unpacked once"
TEST_F(Archives, an_xz_file_of_one_large_block_is_refused_with_the_way_out) {
  const std::string bytes = xz_of(std::string(200 << 20, '\0'), 0);
  EXPECT_THAT(why([&] { xz_file(stored(bytes), "x"); }, EOPNOTSUPP),
              AllOf(HasSubstr("one xz stream of 209715200 bytes"), HasSubstr("-o unpack")));
}

/// 200 MiB with something to find at both ends.
std::string large_content() {
  std::string content(200 << 20, '\0');
  content.replace(0, 5, "first");
  content.replace(content.size() - 4, 4, "last");
  return content;
}

TEST_F(Archives, an_xz_file_of_one_large_block_is_unpacked_once_where_that_was_asked_for) {
  const std::string content = large_content();
  const SourceFile archive = stored(xz_of(content, 0));
  const TempFolder kept;
  std::set<std::string> keys;
  const auto folder = [&](const std::string& key, const std::string&) {
    keys.insert(key);
    return kept.path();
  };
  EXPECT_TRUE(read_all(xz_file(archive, "x", folder)) == content);
  const auto made = fs::last_write_time(kept.path("content"));
  struct stat st {};
  ASSERT_EQ(::stat(kept.path("content").c_str(), &st), 0);
  EXPECT_LT(st.st_blocks * 512, 8 << 20);  // its zeros are holes
  const SourceFile again = xz_file(archive, "x", folder);
  EXPECT_EQ(fs::last_write_time(kept.path("content")), made);
  EXPECT_EQ(keys.size(), 1u);
  EXPECT_EQ(again.length(), content.size());
  // A change of the archive is noticed by its own file, and another archive is another key.
  EXPECT_EQ(again.stored_files().at(0).host_stat(), archive.host_stat());
  const TempFolder other;
  other.write("archive", xz_of(content, 0));
  const FolderFiles files(std::make_shared<SourceRoot>(other.path()), "");
  xz_file(files.open("archive"), "x", folder);
  EXPECT_EQ(keys.size(), 2u);
}

TEST_F(Archives, what_was_unpacked_in_part_is_unpacked_again) {
  const std::string content = large_content();
  const SourceFile archive = stored(xz_of(content, 0));
  const TempFolder kept;
  const auto folder = [&](const std::string&, const std::string&) { return kept.path(); };
  int asked = 0;
  const auto stop = [&] { return ++asked > 3; };
  EXPECT_THAT(why([&] { xz_file(archive, "x", folder, stop); }, EINTR), HasSubstr("interrupted"));
  EXPECT_TRUE(fs::is_empty(kept.path()));
  kept.write("content.new", "of a daemon that was killed");
  EXPECT_TRUE(read_all(xz_file(archive, "x", folder)) == content);
  fs::resize_file(kept.path("content"), 1000);
  EXPECT_THAT(why([&] { xz_file(archive, "x", folder); }, EIO), HasSubstr("content"));
}

TEST_F(Archives, damage_is_not_unpacked) {
  std::string bytes = xz_of(large_content(), 0);
  bytes[bytes.size() / 2] ^= 4;
  const SourceFile archive = stored(bytes);
  const TempFolder kept;
  const auto folder = [&](const std::string&, const std::string&) { return kept.path(); };
  EXPECT_THAT(why([&] { xz_file(archive, "x", folder); }, EIO), HasSubstr("damaged"));
  EXPECT_TRUE(fs::is_empty(kept.path()));
}

// SEMANTICS: "an OVA that is a tar.gz, a zip (stored or deflated members), or a tar.xz"
// SEMANTICS: "given as SOURCE it may have any name"
TEST_F(Archives, machines_are_found_in_each_kind) {
  const std::string ovf = small_ovf("web", "web.vmdk");
  const std::string disk = words(2 << 20);
  const std::string tar = TarBuilder().add("web.ovf", ovf).add("web.vmdk", disk).archive();
  const std::string zip = ZipBuilder().add("x/web.ovf", ovf).add("x/web.vmdk", disk).archive();
  for (const auto& [name, bytes] : {std::pair<std::string, std::string>{"a.tgz", gzip_of(tar)},
                                    {"b.ova", gzip_of(tar)},
                                    {"c.ova.gz", gzip_of(tar)},
                                    {"d.tar.xz", xz_of(tar, 1 << 20)},
                                    {"e.zip", zip},
                                    {"f.ova", zip}}) {
    SCOPED_TRACE(name);
    const FoundMachine machine = only(name, bytes);
    EXPECT_EQ(machine.spec.name, "web");
    EXPECT_TRUE(read_all(machine.files->open("web.vmdk")) == disk);
  }
}

// SEMANTICS: "In a folder an archive counts if it is called .ova or .ova.gz"
TEST_F(Archives, in_a_folder_archives_count_by_their_names) {
  const std::string ovf = small_ovf("web", "web.vmdk");
  const std::string tar = TarBuilder().add("web.ovf", ovf).add("web.vmdk", "disk").archive();
  folder_.write("one.ova", gzip_of(tar));
  folder_.write("two.ova.gz", gzip_of(tar));
  folder_.write("backup.tgz", gzip_of(tar));
  EXPECT_EQ(find_machines({folder_.path()}, {}).machines.size(), 2u);
}

TEST_F(Archives, compressed_members_and_disks_are_inflated) {
  const std::string disk = words(1 << 20);
  const std::string ovf = small_ovf("web", "web.vmdk.gz");
  const FoundMachine machine =
      only("a.ova", TarBuilder().add("web.ovf", ovf).add("web.vmdk.gz", gzip_of(disk)).archive());
  EXPECT_TRUE(read_all(machine.files->open(*machine.spec.disks.at(0).file)) == disk);
}

TEST_F(Archives, a_disk_that_is_compressed_is_a_machine) {
  std::string disk = words(1 << 20);
  disk.replace(510, 2, "\x55\xaa");
  const FoundMachine alone = only("srv.img.gz", gzip_of(disk));
  EXPECT_EQ(alone.spec.name, "srv");
  EXPECT_TRUE(read_all(alone.files->open(*alone.spec.disks.at(0).file)) == disk);
  folder_.write("notes.txt.gz", gzip_of("notes"));
  const FoundSource all = find_machines({folder_.path()}, {});
  ASSERT_EQ(all.machines.size(), 1u);
  EXPECT_EQ(all.machines[0].spec.source_kind, "disk");
}

TEST_F(Archives, a_disk_that_was_compressed_beside_its_description_is_found) {
  const std::string disk = words(1 << 20);
  folder_.write("web.ovf", small_ovf("web", "web.vmdk"));
  folder_.write("web.vmdk.gz", gzip_of(disk));
  const FoundSource source = find_machines({folder_.path()}, {});
  ASSERT_EQ(source.machines.size(), 1u);
  EXPECT_EQ(source.machines[0].spec.disks.at(0).file, "web.vmdk.gz");
  EXPECT_THAT(source.machines[0].spec.assumptions, Contains(HasSubstr("web.vmdk.gz")));
}

TEST_F(Archives, what_is_compressed_and_no_machine_is_refused) {
  folder_.write("a.gz", gzip_of("text"));
  EXPECT_THAT(why([&] { find_machines({folder_.path("a.gz")}, {}); }, EOPNOTSUPP),
              HasSubstr("neither a tar archive nor a disk"));
  folder_.write("cut.tgz",
                gzip_of(TarBuilder().add("a.ovf", words(100'000)).archive()).substr(0, 9000));
  EXPECT_THAT(why([&] { find_machines({folder_.path("cut.tgz")}, {}); }, EIO),
              HasSubstr("cut short"));
}

}  // namespace
}  // namespace v2vfs::inspect
