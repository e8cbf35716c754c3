// SPDX-License-Identifier: MIT
//
// Files that an OVF has in chunks or compressed, as the disks read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "inspect/base/error.h"
#include "inspect/source/folder_files.h"
#include "inspect/source/manifest.h"
#include "inspect/source/packed_files.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::ElementsAre;
using testing::gzip_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::read_all;
using testing::TempFolder;

class Packed : public ::testing::Test {
 protected:
  PackedFiles files(const std::vector<PackedFile>& packed) {
    return {std::make_shared<FolderFiles>(std::make_shared<SourceRoot>(folder_.path()), ""), packed,
            std::make_shared<AccessPointCache>("", nullptr), assumptions_};
  }
  void expect_refused(const PackedFile& file, const std::string& sentence) {
    try {
      files({file}).open(file.href);
      ADD_FAILURE() << "not refused: " << sentence;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_number(), EIO);
      EXPECT_THAT(error.sentence(), HasSubstr(sentence));
    }
  }

  TempFolder folder_;
  std::vector<std::string> assumptions_;
};

TEST_F(Packed, chunks_are_joined) {
  folder_.write("d.000000000", "abcd");
  folder_.write("d.000000001", "efgh");
  folder_.write("d.000000002", "ij");
  folder_.write("d.0000000003", "no chunk");
  folder_.write("d.00000000x", "no chunk");
  const PackedFiles packed = files({{"d", false, 4, 10}});
  const SourceFile file = packed.open("d");
  EXPECT_EQ(read_all(file), "abcdefghij");
  EXPECT_EQ(file.stored_files().size(), 3u);
  EXPECT_FALSE(file.host_range());
  EXPECT_EQ(file.part(3, 3, "p").length(), 3u);
  EXPECT_EQ(read_all(file.part(3, 3, "p")), "def");
  EXPECT_EQ(read_all(packed.open("d.000000001")), "efgh");
  EXPECT_THAT(packed.stored_names("d"), ElementsAre("d.000000000", "d.000000001", "d.000000002"));
  EXPECT_THAT(assumptions_, IsEmpty());
}

TEST_F(Packed, chunks_that_are_missing_or_odd_are_refused) {
  folder_.write("gap.000000000", "abcd");
  folder_.write("gap.000000002", "ef");
  expect_refused({"gap", false, 4, {}}, "gap.000000001 is not there");
  folder_.write("late.000000001", "ef");
  expect_refused({"late", false, 4, {}}, "late.000000000 is not there");
  folder_.write("odd.000000000", "abc");
  folder_.write("odd.000000001", "ef");
  expect_refused({"odd", false, 4, {}}, "has 3 bytes, but a chunk of it has 4");
  folder_.write("long.000000000", "abcde");
  expect_refused({"long", false, 4, {}}, "has 5 bytes, but a chunk of it has 4");
  folder_.write("less.000000000", "abcd");
  expect_refused({"less", false, 4, 8}, "have 4 bytes, the descriptor says 8");
}

TEST_F(Packed, a_file_that_is_whole_although_chunks_are_said_is_taken) {
  folder_.write("d", "abcdef");
  EXPECT_EQ(read_all(files({{"d", false, 4, {}}}).open("d")), "abcdef");
  EXPECT_THAT(assumptions_, ElementsAre(HasSubstr("in chunks and is whole")));
}

// SEMANTICS: "`ovf:chunkSize`, files called .gz"
TEST_F(Packed, compressed_chunks_are_joined_first) {
  const std::string bytes = gzip_of("what the disk holds");
  folder_.write("d.gz.000000000", bytes.substr(0, 20));
  folder_.write("d.gz.000000001", bytes.substr(20));
  EXPECT_EQ(read_all(files({{"d.gz", true, 20, 19}}).open("d.gz")), "what the disk holds");
}

TEST_F(Packed, compressed_files_are_inflated_whatever_they_are_called) {
  folder_.write("d.vmdk", gzip_of("one"));
  folder_.write("e.vmdk.GZ", gzip_of("two"));
  folder_.write("plain.gz", "three");
  folder_.write("f.img", gzip_of("four"));
  const PackedFiles packed = files({{"./d.vmdk", true, {}, {}}, {"plain.gz", true, {}, {}}});
  EXPECT_EQ(read_all(packed.open("d.vmdk")), "one");
  EXPECT_EQ(read_all(packed.open("./e.vmdk.GZ")), "two");
  EXPECT_EQ(read_all(packed.open("plain.gz")), "three");
  EXPECT_EQ(read_all(packed.open("f.img")), gzip_of("four"));
  EXPECT_EQ(read_all(packed.open_stored("d.vmdk")), gzip_of("one"));
  EXPECT_THAT(assumptions_, ElementsAre(HasSubstr("\"plain.gz\" should be compressed and is not")));
}

TEST_F(Packed, the_manifest_is_of_what_is_stored) {
  folder_.write("d.vmdk.gz", gzip_of("one"));
  Digest digest;
  digest.add(gzip_of("one"));
  const ManifestEntry entry{"d.vmdk.gz", DigestKind::sha256, digest.hex()};
  EXPECT_EQ(check_digest(files({}), entry, [](std::uint64_t) { return true; }), "");
}

TEST_F(Packed, holes_of_chunks_are_holes) {
  const std::uint64_t chunk = 1 << 20;
  for (const char* const name : {"d.000000000", "d.000000001", "d.000000002"}) {
    folder_.write(name, "");
    std::filesystem::resize_file(folder_.path(name), chunk);
  }
  std::fstream(folder_.path("d.000000001")) << std::string(4096, 'x');
  const SourceFile file = files({{"d", false, chunk, {}}}).open("d");
  const std::uint64_t data = file.next_data(0);
  if (data == 0) GTEST_SKIP() << "the file system has no holes";
  EXPECT_EQ(data, chunk);
  EXPECT_EQ(file.next_hole(chunk), chunk + 4096);
  EXPECT_EQ(file.next_data(chunk + 4096), 3 * chunk);
  EXPECT_EQ(file.next_hole(0), 0u);
}

}  // namespace
}  // namespace v2vfs::inspect
