// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_descriptor.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

std::string descriptor(const std::string& extents, const std::string& type = "twoGbMaxExtentFlat") {
  return "# Disk DescriptorFile\r\nversion=1\r\n\r\nCID=fd88f2e4\nparentCID=FFFFFFFF\n createType "
         "= \"" +
         type + "\"\n# Extents\n" + extents + "\nddb.uuid = \"60 00 C2\"\n";
}

int refusal(const std::string& text) {
  try {
    parse_descriptor(text, "x.vmdk");
  } catch (const Error& error) {
    EXPECT_NE(error.sentence().find("x.vmdk"), std::string::npos) << error.sentence();
    return error.error_number();
  }
  return 0;
}

TEST(VmdkDescriptor, reads_extents_of_every_kind) {
  const VmdkDescriptor d = parse_descriptor(
      descriptor(
          "RW 100 FLAT \"a b.vmdk\" 7\nRDONLY 20 SPARSE \"s.vmdk\"\nRW 3 ZERO\nrw 5 VMFS f.vmdk\n"
          "RW 6 VMFSSPARSE \"d.vmdk\"\nRW 7 SESPARSE \"e.vmdk\"\nNOACCESS 8 FLAT \"/dev/sda\" 3\n"
          "NOACCESS 9 ZERO"),
      "x.vmdk");
  ASSERT_EQ(d.extents.size(), 8u);
  EXPECT_EQ(d.extents[0].file, "a b.vmdk");
  EXPECT_EQ(d.extents[0].start_sector, 7u);
  EXPECT_EQ(d.extents[1].type, ExtentType::sparse);
  EXPECT_EQ(d.extents[2].type, ExtentType::zero);
  EXPECT_EQ(d.extents[3].type, ExtentType::flat);
  EXPECT_EQ(d.extents[4].type, ExtentType::cowd);
  EXPECT_EQ(d.extents[5].type, ExtentType::se_sparse);
  EXPECT_EQ(d.extents[6].type, ExtentType::barred);
  EXPECT_EQ(d.extents[7].type, ExtentType::barred);
  EXPECT_EQ(d.sectors(), 158u);
  EXPECT_EQ(d.cid, 0xfd88f2e4u);
  EXPECT_EQ(d.parent_cid, kNoParent);
  EXPECT_EQ(d.create_type, "twogbmaxextentflat");
  EXPECT_EQ(d.ddb.at("ddb.uuid"), "60 00 C2");
}

TEST(VmdkDescriptor, ends_at_the_first_nul) {
  EXPECT_EQ(refusal(descriptor("RW 1 ZERO") + std::string("\0garbage", 8)), 0);
}

TEST(VmdkDescriptor, refuses_what_is_malformed) {
  for (const char* line :
       {"RW", "RW x FLAT \"a\"", "RW -1 FLAT \"a\"", "RW 99999999999999999999 ZERO",
        "RW 17592186044417 ZERO", "RW 1 FLAT", "RW 1 FLAT \"a", "RW 1 FLAT \"a\" b",
        "RW 1 FLAT \"a\" 1 more", "nonsense", "RW 1 ZERO\nCID=xyz",
        "RW 1 ZERO\ncreateType=\"vmfs\"", ""}) {
    EXPECT_EQ(refusal(descriptor(line)), EIO) << line;
  }
}

TEST(VmdkDescriptor, refuses_what_is_not_served) {
  for (const char* line : {"RW 1 VMFSRDM \"a\"", "RW 1 SPARSE \"a\" 5", "RW 1 VMFSSPARSE \"a\" 5",
                           "RW 1 VSANSPARSE \"a\"", "RW 1 NEW \"a\"", "RW 1 ZERO\nversion=9"}) {
    EXPECT_EQ(refusal(descriptor(line)), EOPNOTSUPP) << line;
  }
}

std::string sentence(const std::string& type) {
  try {
    parse_descriptor(descriptor("RW 1 FLAT \"/dev/sda\" 0", type), "x.vmdk");
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EOPNOTSUPP);
    return error.sentence();
  }
  return "";
}

// SEMANTICS: "a raw device mapping or an object of vSAN is refused with that reason"
TEST(VmdkDescriptor, says_why_a_type_is_not_served) {
  for (const char* type : {"fullDevice", "partitionedDevice"}) {
    EXPECT_NE(sentence(type).find("a device of the host"), std::string::npos) << sentence(type);
  }
  for (const char* type : {"vmfsRaw", "vmfsRawDeviceMap", "vmfsPassthroughRawDeviceMap"}) {
    EXPECT_NE(sentence(type).find("(RDM)"), std::string::npos) << sentence(type);
  }
  EXPECT_NE(sentence("vsanSparse").find("vSAN"), std::string::npos);
  EXPECT_NE(sentence("newType").find("not served"), std::string::npos);
}

// SEMANTICS: "`changeTrackPath`) is nothing to a reader"
TEST(VmdkDescriptor, knows_its_parent_and_not_its_change_tracking) {
  const VmdkDescriptor d = parse_descriptor(
      "# Disk DescriptorFile\nversion=3\nCID=11111111\nparentCID=22222222\n"
      "createType=\"seSparse\"\nparentFileNameHint=\"/vmfs/volumes/a b/x.vmdk\"\n"
      "RW 8 SESPARSE \"x-sesparse.vmdk\"\n# Change Tracking File\n"
      "changeTrackPath=\"x-ctk.vmdk\"\n",
      "x.vmdk");
  EXPECT_EQ(d.parent_cid, 0x22222222u);
  EXPECT_EQ(d.parent_hint, "/vmfs/volumes/a b/x.vmdk");
  EXPECT_EQ(d.create_type, "sesparse");
}

TEST(VmdkDescriptor, is_bounded) {
  std::string extents;
  for (std::size_t i = 0; i < kExtentLimit; ++i) extents += "RW 1 ZERO\n";
  EXPECT_EQ(refusal(descriptor(extents)), 0);
  EXPECT_EQ(refusal(descriptor(extents + "RW 1 ZERO\n")), EIO);
  EXPECT_EQ(refusal(descriptor("RW 1 ZERO\n#" + std::string(kDescriptorLimit, 'x'))), EIO);
}

TEST(VmdkDescriptor, extent_names_are_bare) {
  const auto refused = [](std::string_view name) {
    try {
      check_extent_name(name, "x.vmdk");
    } catch (const Error& error) {
      return error.error_number() == EACCES;
    }
    return false;
  };
  for (std::string_view name : {"/etc/shadow", "../x", "a/b", "a\\b", "c:x", "nbd://h", "json:{}",
                                ".", "..", "", "a\nb", "a\x7f"}) {
    EXPECT_TRUE(refused(name)) << name;
  }
  EXPECT_TRUE(refused(std::string("x\0y", 3)));
  EXPECT_TRUE(refused(std::string(256, 'x')));
  EXPECT_FALSE(refused(std::string(255, 'x')));
  EXPECT_FALSE(refused("W\xc3\xbcrfel (1) $(id).vmdk"));
}

TEST(VmdkDescriptor, extents_in_a_store_are_said_by_name) {
  try {
    check_extent_name("vsan://5e0d4a2f-12ab", "x.vmdk");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EOPNOTSUPP);
  }
}

TEST(VmdkDescriptor, is_recognised_by_its_first_line) {
  EXPECT_TRUE(is_descriptor_file("# Disk DescriptorFile\n"));
  EXPECT_TRUE(is_descriptor_file("# disk descriptorfile\r\n"));
  EXPECT_FALSE(is_descriptor_file("# Disk"));
  EXPECT_FALSE(is_descriptor_file(""));
}

}  // namespace
}  // namespace v2vfs::convert
