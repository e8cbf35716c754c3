// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/source/source.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::small_ovf;
using testing::TarBuilder;
using testing::TempFolder;

FoundSource find(const std::string& path) { return find_machines({path}, {}); }

std::vector<std::string> folders(const FoundSource& source) {
  std::vector<std::string> names;
  for (const FoundMachine& machine : source.machines) names.push_back(machine.folder);
  return names;
}

std::vector<std::string> codes(const MachineSpec& spec) {
  std::vector<std::string> found;
  for (const Problem& problem : spec.problems) found.push_back(problem.code);
  return found;
}

int errno_of(const std::string& path) {
  try {
    find(path);
    return 0;
  } catch (const Error& error) {
    EXPECT_FALSE(error.sentence().empty());
    return error.error_number();
  }
}

std::string content_of(const FoundMachine& machine) {
  const SourceFile file = machine.files->open(*machine.spec.disks.at(0).file);
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(Discovery, reads_an_ovf_with_its_disk_beside_it) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "web-disk1.vmdk"));
  folder.write("web-disk1.vmdk", "the disk");
  const FoundSource source = find(folder.path("web.ovf"));
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(source.machines[0].descriptor_path, folder.path("web.ovf"));
  EXPECT_TRUE(source.machines[0].spec.problems.empty());
  EXPECT_EQ(content_of(source.machines[0]), "the disk");
}

TEST(Discovery, reads_an_ova_in_place) {
  const TempFolder folder;
  folder.write("web.ova", TarBuilder()
                              .add("web.ovf", small_ovf("web", "web-disk1.vmdk"))
                              .add("web.mf", "SHA256(web.ovf)= 00\n")
                              .add("web-disk1.vmdk", "the disk")
                              .archive());
  const FoundSource source = find(folder.path("web.ova"));
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(content_of(source.machines[0]), "the disk");
  EXPECT_THAT(source.machines[0].files->names(),
              ElementsAre("web-disk1.vmdk", "web.mf", "web.ovf"));
}

// SEMANTICS: "What a file is is told by its content"
TEST(Discovery, tells_the_kind_by_content_not_by_suffix) {
  const TempFolder folder;
  folder.write("export.bin",
               TarBuilder().add("a.ovf", small_ovf("a", "d")).add("d", "x").archive());
  folder.write("text", small_ovf("b", "d"));
  folder.write("d", "y");
  EXPECT_THAT(folders(find(folder.path("export.bin"))), ElementsAre("a"));
  EXPECT_THAT(folders(find(folder.path("text"))), ElementsAre("b"));
}

// SEMANTICS: "a folder of them (searched to a depth of four)"
TEST(Discovery, searches_a_folder_to_a_depth_of_four) {
  const TempFolder folder;
  folder.write("a.ovf", small_ovf("a", "d"));
  folder.write("1/2/3/4/b.ovf", small_ovf("b", "d"));
  folder.write("1/2/3/4/5/c.ovf", small_ovf("c", "d"));
  folder.write(".hidden/d.ovf", small_ovf("d", "d"));
  EXPECT_THAT(folders(find(folder.path())), ElementsAre("a", "b"));
}

// SEMANTICS: "unique, and the same at every mount"
TEST(Discovery, makes_folder_names_unique_and_stable) {
  const TempFolder folder;
  folder.write("1.ovf", small_ovf("web", "d"));
  folder.write("2.ovf", small_ovf("web", "d"));
  folder.write("3.ovf", small_ovf("web-2", "d"));
  folder.write("4.ovf", small_ovf("status.json", "d"));
  folder.write("5.ovf", small_ovf("../x", "d"));
  const FoundSource source = find(folder.path());
  EXPECT_THAT(folders(source), ElementsAre("_._x", "status.json-2", "web", "web-2", "web-2-2"));
  EXPECT_EQ(folders(source), folders(find(folder.path())));
}

// SEMANTICS: "of an .ovf, .ova and .vmx of one name in one folder"
TEST(Discovery, takes_the_ovf_where_an_ova_of_the_same_name_lies_beside_it) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "d"));
  folder.write("d", "of the folder");
  folder.write("web.ova",
               TarBuilder().add("web.ovf", small_ovf("web", "d")).add("d", "of tar").archive());
  const FoundSource source = find(folder.path());
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(content_of(source.machines[0]), "of the folder");
  EXPECT_THAT(source.machines[0].spec.ignored, ElementsAre(HasSubstr("web.ova")));
}

TEST(Discovery, takes_the_ova_if_the_ovf_beside_it_has_lost_its_disks) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "d"));
  folder.write("web.ova",
               TarBuilder().add("web.ovf", small_ovf("web", "d")).add("d", "of tar").archive());
  const FoundSource source = find(folder.path());
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(content_of(source.machines[0]), "of tar");
}

TEST(Discovery, describes_a_machine_whose_disk_is_missing) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "gone.vmdk"));
  const FoundSource source = find(folder.path());
  ASSERT_THAT(folders(source), ElementsAre("web"));
  const MachineSpec& spec = source.machines[0].spec;
  EXPECT_THAT(codes(spec), ElementsAre("disk-missing"));
  EXPECT_FALSE(spec.usable());
  EXPECT_EQ(spec.memory_bytes, 512u << 20);
  EXPECT_EQ(spec.disks[0].file, "gone.vmdk");
}

// SEMANTICS: "A machine that cannot be used is a folder"
TEST(Discovery, shows_a_bad_descriptor_beside_good_ones) {
  const TempFolder folder;
  folder.write("bad.ovf", "<Envelope><not closed");
  folder.write("empty.ova", "");
  folder.write("good.ovf", small_ovf("good", "d"));
  folder.write("d", "x");
  const FoundSource source = find(folder.path());
  ASSERT_THAT(folders(source), ElementsAre("bad", "empty", "good"));
  EXPECT_FALSE(source.machines[0].spec.usable());
  EXPECT_THAT(codes(source.machines[1].spec), ElementsAre("descriptor-unreadable"));
  EXPECT_TRUE(source.machines[2].spec.usable());
}

TEST(Discovery, throws_where_nothing_can_be_read) {
  const TempFolder folder;
  EXPECT_EQ(errno_of(folder.path("gone")), ENOENT);
  EXPECT_EQ(errno_of(folder.path()), ENOENT);
  folder.write("bad.ovf", "no xml");
  EXPECT_EQ(errno_of(folder.path()), EINVAL);
  folder.write("zipped.ova", "PK\x03\x04....");
  EXPECT_EQ(errno_of(folder.path("zipped.ova")), EIO);
}

TEST(Discovery, says_that_one_of_several_folders_is_empty) {
  const TempFolder folder;
  folder.write("web/web.ovf", small_ovf("web", "d"));
  folder.write("web/d", "x");
  fs::create_directories(folder.path("empty/folder"));
  const std::string web = folder.path("web");
  const FoundSource source = find_machines({web, folder.path("empty"), web}, {});
  EXPECT_THAT(folders(source), ElementsAre("web"));
  ASSERT_EQ(source.problems.size(), 1u);
  EXPECT_EQ(source.problems[0].code, "folder-empty");
  EXPECT_THAT(source.problems[0].what, HasSubstr("empty\" holds no file."));
}

// SEMANTICS: "Links below the folder are not followed"
TEST(Discovery, follows_links_to_the_source_but_none_in_it) {
  const TempFolder folder;
  folder.write("real/web.ovf", small_ovf("web", "d"));
  folder.write("real/d", "x");
  fs::create_symlink("real/web.ovf", folder.path("link.ovf"));
  EXPECT_THAT(folders(find(folder.path("link.ovf"))), ElementsAre("web"));
  fs::create_directory(folder.path("other"));
  folder.write("other/a.ovf", small_ovf("a", "d"));
  fs::create_symlink("../real", folder.path("other/folder"));
  fs::create_symlink("../real/web.ovf", folder.path("other/web.ovf"));
  const FoundSource source = find(folder.path("other"));
  EXPECT_THAT(folders(source), ElementsAre("a"));
  ASSERT_EQ(source.problems.size(), 1u);
  EXPECT_EQ(source.problems[0].code, "link-left-out");
}

// SEMANTICS: "Nothing outside the source's folder (or archive) is opened"
TEST(Discovery, opens_nothing_outside_the_source) {
  const TempFolder folder;
  folder.write("secret", "secret");
  folder.write("vm/good", "x");
  fs::create_symlink("../secret", folder.path("vm/link"));
  fs::create_symlink("..", folder.path("vm/up"));
  ASSERT_EQ(::mkfifo(folder.path("vm/fifo").c_str(), 0600), 0);
  folder.write("vm/folder/inside", "x");
  fs::create_symlink("folder", folder.path("vm/alias"));
  for (const std::string& href :
       {std::string("../secret"), folder.path("secret"), std::string("link"), std::string("fifo"),
        std::string("up/secret"), std::string("folder"), std::string("file:///etc/passwd"),
        std::string("http://example.com/disk.vmdk"), std::string("%2e%2e/secret"),
        std::string("/proc/self/fd/0"), std::string("./../secret"), std::string("a/../../secret"),
        std::string(5000, 'a'), std::string("folder/../good"), std::string("alias/inside")}) {
    folder.write("vm/a.ovf", small_ovf("a", href));
    const FoundSource source = find(folder.path("vm/a.ovf"));
    ASSERT_EQ(source.machines.size(), 1u) << href;
    const MachineSpec& spec = source.machines[0].spec;
    EXPECT_FALSE(spec.usable()) << href;
    EXPECT_THROW(source.machines[0].files->open(*spec.disks[0].file), Error) << href;
  }
}

TEST(Discovery, says_of_a_url_that_it_is_no_file_here) {
  const TempFolder folder;
  folder.write("a.ovf", small_ovf("a", "http://example.com/disk.vmdk"));
  const FoundSource source = find(folder.path());
  ASSERT_EQ(source.machines.at(0).spec.problems.size(), 1u);
  EXPECT_THAT(source.machines[0].spec.problems[0].what,
              HasSubstr("\"http://example.com/disk.vmdk\" is no file beside the descriptor"));
}

TEST(Discovery, finds_a_file_under_its_other_spelling) {
  const TempFolder folder;
  folder.write("a.ovf", small_ovf("a", "my%20disk.vmdk"));
  folder.write("my disk.vmdk", "blank");
  folder.write("b.ovf", small_ovf("b", "b.vmdk"));
  folder.write("b.vmdk.001", "old");
  folder.write("b.vmdk.002", "new");
  folder.write("c.ovf", small_ovf("c", "./c.vmdk"));
  folder.write("c.vmdk", "dot");
  const FoundSource source = find(folder.path());
  ASSERT_THAT(folders(source), ElementsAre("a", "b", "c"));
  EXPECT_EQ(content_of(source.machines[0]), "blank");
  EXPECT_EQ(content_of(source.machines[1]), "new");
  EXPECT_EQ(content_of(source.machines[2]), "dot");
  EXPECT_THAT(source.machines[1].spec.assumptions, ::testing::Contains(HasSubstr("b.vmdk.002")));
}

TEST(Discovery, a_truncated_archive_still_describes_its_machine) {
  const TempFolder folder;
  const std::string archive =
      TarBuilder().add("a.ovf", small_ovf("a", "d")).add("d", std::string(5000, 'x')).bytes();
  folder.write("a.ova", archive.substr(0, archive.size() - 2048));
  const FoundSource source = find(folder.path("a.ova"));
  ASSERT_THAT(folders(source), ElementsAre("a"));
  EXPECT_THAT(codes(source.machines[0].spec), ElementsAre("disk-unreadable"));
  EXPECT_THAT(source.machines[0].spec.problems[0].what, HasSubstr("cut short"));
}

TEST(Discovery, an_archive_that_was_replaced_is_stale) {
  const TempFolder folder;
  const auto build = [](const std::string& disk) {
    return TarBuilder().add("a.ovf", small_ovf("a", "d")).add("d", disk).archive();
  };
  folder.write("a.ova", build("one"));
  const FoundSource source = find(folder.path("a.ova"));
  folder.write("b.ova", build(std::string(2000, 'x')));
  fs::rename(folder.path("b.ova"), folder.path("a.ova"));
  try {
    source.machines.at(0).files->open("d");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ESTALE);
  }
}

TEST(Discovery, two_thousand_machines_without_disks_in_one_folder_take_little_time) {
  const TempFolder folder;
  for (int i = 0; i < 2000; ++i) {
    folder.write(fmt::format("{}.ovf", i), small_ovf("vm", fmt::format("{}.vmdk", i)));
  }
  const testing::CpuTimer timer;
  EXPECT_EQ(find(folder.path()).machines.size(), 2000u);
  EXPECT_LT(timer.seconds(), 2);
}

TEST(Discovery, keeps_no_descriptor_open_for_each_machine) {
  const TempFolder folder;
  for (int i = 0; i < 300; ++i) {
    folder.write(fmt::format("{0}/{0}.ovf", i), small_ovf("vm", "d"));
    folder.write(fmt::format("{0}/d", i), "x");
    folder.write(fmt::format("{0}/x.ova", i),
                 TarBuilder().add("a.ovf", small_ovf("a", "d")).add("d", "x").archive());
  }
  const auto open_now = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_now();
  const FoundSource source = find(folder.path());
  EXPECT_EQ(source.machines.size(), 600u);
  EXPECT_LE(open_now(), before + 2);
}

}  // namespace
}  // namespace v2vfs::inspect
