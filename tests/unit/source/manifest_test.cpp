// SPDX-License-Identifier: MIT
#include "inspect/source/manifest.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/source/folder_files.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::HasSubstr;

const std::string kSha256OfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kSha1OfAbc = "a9993e364706816aba3e25717850c26c9cd0d89d";

bool always(std::uint64_t) { return true; }

class ManifestFiles : public ::testing::Test {
 protected:
  FolderFiles files() { return {std::make_shared<SourceRoot>(folder_.path()), ""}; }
  testing::TempFolder folder_;
};

TEST(Manifest, every_spelling_of_exporters) {
  for (const std::string& line :
       {"SHA256(a (1).vmdk)= " + kSha256OfAbc, "SHA256 (a (1).vmdk) = " + kSha256OfAbc + "\r",
        "SHA-256(./a (1).vmdk)=" + kSha256OfAbc, "sha2-256(a (1).vmdk)= " + kSha256OfAbc}) {
    const Manifest manifest = parse_manifest("# note\n\n" + line + "\n");
    ASSERT_EQ(manifest.entries.size(), 1u) << line;
    EXPECT_EQ(manifest.entries[0].file, "a (1).vmdk");
    EXPECT_EQ(manifest.entries[0].kind, DigestKind::sha256);
    EXPECT_EQ(manifest.entries[0].hex, kSha256OfAbc);
  }
  EXPECT_EQ(parse_manifest("SHA1(a)= " + kSha1OfAbc).entries.at(0).kind, DigestKind::sha1);
}

TEST(Manifest, lines_that_say_nothing_are_named_not_believed) {
  const Manifest manifest = parse_manifest("MD5(a)= 00\nSHA1(a)= 12\nSHA1 a\n)(=\nSHA256(a= x)\n");
  EXPECT_TRUE(manifest.entries.empty());
  EXPECT_EQ(manifest.ignored.size(), 5u);
  EXPECT_THAT(manifest.ignored[0], HasSubstr("MD5(a)= 00"));
}

TEST_F(ManifestFiles, the_one_of_the_descriptors_name_counts) {
  folder_.write("vm.mf", "SHA1(a)= " + kSha1OfAbc);
  folder_.write("other.mf", "");
  EXPECT_EQ(read_manifest(files(), "/srv/vm.ovf")->entries.size(), 1u);
  EXPECT_FALSE(read_manifest(files(), "/srv/third.ovf"));
}

TEST_F(ManifestFiles, a_changed_file_is_said_with_both_digests) {
  folder_.write("a", "abc");
  folder_.write("b", "abd");
  EXPECT_EQ(check_digest(files(), {"a", DigestKind::sha256, kSha256OfAbc}, always), "");
  const auto wrong = check_digest(files(), {"b", DigestKind::sha256, kSha256OfAbc}, always);
  EXPECT_THAT(*wrong, HasSubstr(kSha256OfAbc));
  EXPECT_FALSE(check_digest(files(), {"a", DigestKind::sha256, kSha256OfAbc},
                            [](std::uint64_t) { return false; }));
}

TEST_F(ManifestFiles, a_name_outside_is_not_read) {
  EXPECT_THROW(check_digest(files(), {"../x", DigestKind::sha1, kSha1OfAbc}, always), Error);
}

}  // namespace
}  // namespace v2vfs::inspect
