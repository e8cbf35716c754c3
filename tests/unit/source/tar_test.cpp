// SPDX-License-Identifier: MIT
//
// Archives that lie. Each is refused with EIO, or its odd members are left out and named.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/tar_files.h"
#include "inspect/source/tar_header.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TarBuilder;
using testing::TempFolder;
using Member = TarBuilder::Member;

class Tar : public ::testing::Test {
 protected:
  TarFiles open(const std::string& bytes) {
    folder_.write("a.ova", bytes);
    const FolderFiles folder(std::make_shared<SourceRoot>(folder_.path()), "");
    return TarFiles([folder] { return folder.open("a.ova"); });
  }

  std::string content(const TarFiles& files, std::string_view name) {
    const SourceFile file = files.open(name);
    std::string text(file.length(), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    return text;
  }

  void expect_refused(const std::string& bytes, std::string_view sentence) {
    try {
      open(bytes);
      ADD_FAILURE() << "not refused: " << sentence;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EIO);
      EXPECT_THAT(error.sentence(), HasSubstr(std::string(sentence)));
      EXPECT_THAT(error.sentence(), HasSubstr("byte"));
    }
  }

  int errno_of(const TarFiles& files, std::string_view name) {
    try {
      files.open(name);
      return 0;
    } catch (const Error& error) {
      return error.error_number();
    }
  }

  static Member member(std::string name, char type, std::string content = "") {
    Member made;
    made.name = std::move(name);
    made.type = type;
    made.content = std::move(content);
    return made;
  }

  static Member sized(std::string name, std::string size_field) {
    Member made = member(std::move(name), '0');
    made.size_field = std::move(size_field);
    made.size_field.resize(12, '\0');
    return made;
  }

  TempFolder folder_;
};

std::string base256(std::initializer_list<unsigned> bytes) {
  std::string field(12, '\0');
  field[0] = '\x80';
  std::size_t at = 12 - bytes.size();
  for (const unsigned byte : bytes) field[at++] = static_cast<char>(byte);
  return field;
}

TEST_F(Tar, members_are_ranges_of_the_archive) {
  const TarFiles files = open(TarBuilder()
                                  .add("vm.ovf", "descriptor")
                                  .add("disk.vmdk", std::string(1000, 'd'))
                                  .add("empty", "")
                                  .archive());
  EXPECT_EQ(files.archive_names().descriptor(), "vm.ovf");
  EXPECT_THAT(files.names(), ElementsAre("disk.vmdk", "empty", "vm.ovf"));
  EXPECT_EQ(content(files, "vm.ovf"), "descriptor");
  EXPECT_EQ(content(files, "./disk.vmdk"), std::string(1000, 'd'));
  EXPECT_EQ(content(files, "empty"), "");
  EXPECT_EQ(errno_of(files, "gone"), ENOENT);
  EXPECT_EQ(errno_of(files, "../vm.ovf"), EACCES);
}

TEST_F(Tar, a_member_is_read_within_its_bounds_only) {
  const TarFiles files = open(TarBuilder().add("a.ovf", "one").add("b", "two").archive());
  std::byte beyond[4];
  EXPECT_THROW(files.open("a.ovf").read(0, beyond), Error);
}

TEST_F(Tar, takes_long_names_of_pax_gnu_and_ustar) {
  const std::string folder(90, 'f');
  const std::string file = std::string(95, 'n') + ".vmdk";
  Member with_prefix = member(file, '0', "three");
  with_prefix.prefix = folder;
  const TarFiles files =
      open(TarBuilder()
               .add_pax({"path=" + folder + "/pax.vmdk", "mtime=1"})
               .add(member("short", '0', "one"))
               .add(member("././@LongLink", 'L', folder + "/gnu.vmdk" + std::string(1, '\0')))
               .add(member("short", '0', "two"))
               .add(with_prefix)
               .add(member("short", '0', "four"))
               .archive());
  EXPECT_EQ(content(files, folder + "/pax.vmdk"), "one");
  EXPECT_EQ(content(files, folder + "/gnu.vmdk"), "two");
  EXPECT_EQ(content(files, folder + "/" + file), "three");
  EXPECT_EQ(content(files, "short"), "four");
}

TEST_F(Tar, takes_sizes_of_pax_and_base_256) {
  Member with_pax = sized("pax", "00000000000");
  with_pax.content = "12345";
  Member with_base = sized("base", base256({0, 0, 3}));
  with_base.content = "abc";
  const TarFiles files =
      open(TarBuilder().add_pax({"size=5"}).add(with_pax).add(with_base).archive());
  EXPECT_EQ(content(files, "pax"), "12345");
  EXPECT_EQ(content(files, "base"), "abc");
}

TEST_F(Tar, gnu_headers_have_no_prefix) {
  Member gnu = member("a.ovf", '0', "x");
  gnu.magic = std::string("ustar  \0", 8);
  gnu.prefix = "00000000000";
  EXPECT_THAT(open(TarBuilder().add(gnu).archive()).names(), ElementsAre("a.ovf"));
}

TEST_F(Tar, names_are_relative_to_the_descriptor) {
  const TarFiles files = open(TarBuilder()
                                  .add(member("vm/", '5'))
                                  .add("vm/a.ovf", "x")
                                  .add("vm/d", "y")
                                  .add("d", "z")
                                  .archive());
  EXPECT_EQ(files.archive_names().descriptor(), "a.ovf");
  EXPECT_EQ(content(files, "d"), "y");
  EXPECT_THAT(files.names(), ElementsAre("a.ovf", "d"));
}

TEST_F(Tar, the_first_descriptor_wins) {
  const TarFiles files = open(
      TarBuilder().add("._a.ovf", "mac").add("b.OVF", "first").add("a.ovf", "second").archive());
  EXPECT_EQ(files.archive_names().descriptor(), "b.OVF");
  EXPECT_THAT(files.archive_names().ignored(), ElementsAre(HasSubstr("a.ovf")));
}

TEST_F(Tar, leaves_out_what_is_no_plain_file) {
  Member sparse = member("sparse", 'S', "x");
  const TarFiles files = open(TarBuilder()
                                  .add(member("a.ovf", '2'))
                                  .add(member("hard", '1'))
                                  .add(member("char", '3'))
                                  .add(member("block", '4'))
                                  .add(member("fifo", '6'))
                                  .add(sparse)
                                  .add_pax({"GNU.sparse.major=1", "GNU.sparse.minor=0"})
                                  .add("sparse1", "0\n")
                                  .add(member("volume", 'V'))
                                  .add(member("odd", 'Z', "content"))
                                  .add(member("seven", '7', "kept"))
                                  .archive());
  EXPECT_EQ(files.archive_names().descriptor(), "");
  EXPECT_THAT(files.names(), ElementsAre("seven"));
  EXPECT_EQ(content(files, "seven"), "kept");
  EXPECT_EQ(files.archive_names().ignored().size(), 8u);
  EXPECT_THAT(files.archive_names().ignored(),
              Contains(HasSubstr("\"a.ovf\" is left out: it is a symbolic link")));
}

TEST_F(Tar, leaves_out_names_that_lead_outside) {
  const TarFiles files = open(TarBuilder()
                                  .add("../x", "1")
                                  .add("/etc/passwd", "2")
                                  .add("a/../../b", "3")
                                  .add("a//b", "4")
                                  .add("", "5")
                                  .add("good", "6")
                                  .archive());
  EXPECT_THAT(files.names(), ElementsAre("good"));
  EXPECT_EQ(files.archive_names().ignored().size(), 5u);
}

TEST_F(Tar, a_name_may_hold_anything_and_is_cleaned_in_sentences) {
  const TarFiles files =
      open(TarBuilder().add("$(id)\x1b.vmdk", "1").add(member("x\n\x1by", '2')).archive());
  EXPECT_EQ(content(files, "$(id)\x1b.vmdk"), "1");
  EXPECT_THAT(files.archive_names().ignored(), ElementsAre(HasSubstr("x\\x0a\\x1by")));
}

TEST_F(Tar, a_member_past_the_end_is_refused_when_it_is_opened) {
  const TarFiles files =
      open(TarBuilder().add("a.ovf", "x").add(sized("d", "00000100000")).archive());
  EXPECT_EQ(content(files, "a.ovf"), "x");
  EXPECT_EQ(errno_of(files, "d"), EIO);
}

TEST_F(Tar, a_wrong_checksum_is_refused) {
  std::string bytes = TarBuilder().add("a.ovf", "x").add("b", "y").archive();
  bytes[1024] = 'c';
  expect_refused(bytes, "checksum");
  expect_refused(std::string(600, 'x'), "checksum");
}

TEST_F(Tar, signed_checksums_of_old_programs_are_taken) {
  std::string bytes = TarBuilder()
                          .add(
                              "gr\xc3\xb6\xc3\x9f"
                              "e",
                              "x")
                          .bytes();
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<signed char>(bytes[i]);
  }
  bytes.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  EXPECT_EQ(open(bytes).names().size(), 1u);
}

TEST_F(Tar, sizes_that_are_none_are_refused) {
  for (const std::string& field :
       {std::string("xyz"), std::string("-1"), std::string("00000000008"),
        std::string(12, '\xff'),                  // -1 in base 256
        std::string("\xc0", 1),                   // a large negative number
        base256({0x80, 0, 0, 0, 0, 0, 0, 0}),     // 2^63
        base256({1, 0, 0, 0, 0, 0, 0, 0, 0})}) {  // 2^64
    expect_refused(TarBuilder().add(sized("a.ovf", field)).archive(), "size");
  }
  expect_refused(TarBuilder().add_pax({"size=99999999999999999999"}).add("a", "x").archive(),
                 "size");
  expect_refused(TarBuilder().add_pax({"size=-1"}).add("a", "x").archive(), "size");
}

TEST_F(Tar, the_largest_size_does_not_wrap) {
  const std::string largest = base256({0x7f, 255, 255, 255, 255, 255, 255, 255});
  const TarFiles files = open(TarBuilder().add("a.ovf", "x").add(sized("d", largest)).archive());
  EXPECT_EQ(errno_of(files, "d"), EIO);
  const TarFiles by_pax =
      open(TarBuilder().add_pax({"size=9223372036854775807"}).add("d", "x").archive());
  EXPECT_EQ(errno_of(by_pax, "d"), EIO);
}

TEST_F(Tar, malformed_pax_headers_are_refused) {
  for (const std::string& records :
       {std::string("5 a=b\n"), std::string("99 a=b\n"), std::string("x a=b\n"),
        std::string("6 ab\n\n"), std::string("6 =bc\n"), std::string("99999999999999999999 a=b\n"),
        std::string("0 a=b\n"), std::string("6")}) {
    expect_refused(TarBuilder().add(member("p", 'x', records)).add("a", "x").archive(),
                   "malformed");
  }
}

TEST_F(Tar, headers_of_headers_are_bounded) {
  Member long_name = sized("l", base256({1, 0, 0, 0, 0}));  // 4 GiB
  long_name.type = 'L';
  expect_refused(TarBuilder().add(long_name).archive(), "too long");
  long_name.type = 'x';
  expect_refused(TarBuilder().add(long_name).archive(), "too long");
  Member cut = sized("l", "00000001000");
  cut.type = 'L';
  expect_refused(TarBuilder().add(cut).bytes(), "ends within");
  TarBuilder endless;
  for (int i = 0; i < 41'000; ++i) endless.add(member("l", 'L', "n"));
  expect_refused(endless.archive(), "too many headers");
}

TEST_F(Tar, a_global_pax_header_gives_no_size_and_no_path) {
  expect_refused(TarBuilder().add_pax({"size=1"}, 'g').add("a", "x").archive(), "global");
  expect_refused(TarBuilder().add_pax({"path=b"}, 'g').add("a", "x").archive(), "global");
  EXPECT_THAT(open(TarBuilder().add_pax({"comment=c"}, 'g').add("a", "x").archive()).names(),
              ElementsAre("a"));
}

TEST_F(Tar, two_members_of_one_name_are_refused) {
  expect_refused(TarBuilder().add("a", "1").add("a", "2").archive(), "two members");
  expect_refused(TarBuilder().add("a", "1").add("./a", "2").archive(), "two members");
  expect_refused(TarBuilder().add("a", "1").add_pax({"path=a"}).add("b", "2").archive(),
                 "two members");
}

TEST_F(Tar, a_link_with_content_is_refused) {
  expect_refused(TarBuilder().add(member("link", '2', "content")).archive(), "link");
  expect_refused(TarBuilder().add(member("link", '1', "content")).archive(), "link");
}

TEST_F(Tar, more_than_ten_thousand_members_are_refused) {
  TarBuilder many;
  for (int i = 0; i < 10'000; ++i) many.add(fmt::format("{}", i), "");
  EXPECT_EQ(open(many.archive()).names().size(), 10'000u);
  expect_refused(many.add("one more", "").archive(), "10,000");
}

TEST_F(Tar, a_sparse_map_that_does_not_end_is_refused) {
  std::string bytes = TarBuilder().add(member("s", 'S', "")).bytes();
  bytes[482] = 1;
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(bytes[i]);
  }
  bytes.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  expect_refused(bytes + std::string(512, 'x'), "sparse");
  EXPECT_THAT(open(bytes + std::string(512, '\0') + TarBuilder().add("a", "x").bytes()).names(),
              ElementsAre("a"));
}

TEST_F(Tar, what_stands_behind_the_end_mark_does_not_count) {
  const std::string first = TarBuilder().add("a.ovf", "one").archive();
  const std::string second = TarBuilder().add("a.ovf", "two").add("b", "x").archive();
  const TarFiles files = open(first + second);
  EXPECT_EQ(content(files, "a.ovf"), "one");
  EXPECT_THAT(files.names(), ElementsAre("a.ovf"));
}

TEST_F(Tar, ends_without_a_mark_and_in_odd_places_are_ends) {
  EXPECT_THAT(open(TarBuilder().add("a", "x").bytes()).names(), ElementsAre("a"));
  EXPECT_THAT(open(TarBuilder().add("a", "x").bytes() + "rest").names(), ElementsAre("a"));
  EXPECT_THAT(open(TarBuilder().add("a", "x").bytes().substr(0, 513)).names(), ElementsAre("a"));
  EXPECT_THAT(open("").names(), IsEmpty());
  EXPECT_THAT(open(std::string(1024, '\0')).names(), IsEmpty());
}

}  // namespace
}  // namespace v2vfs::inspect
