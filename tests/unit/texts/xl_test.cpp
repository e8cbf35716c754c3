// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/source/drive_places.h"
#include "inspect/source/libvirt_xml.h"
#include "inspect/source/xl_config.h"
#include "inspect/source/xl_disk.h"
#include "inspect/source/xl_syntax.h"

namespace v2vfs::inspect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct DiskRow {
  const char* text;
  const char* target;
  const char* format;
  const char* vdev;
  bool is_cdrom;
  bool is_read_only;
  bool is_device;
};

class XlDisk : public ::testing::TestWithParam<DiskRow> {};

TEST_P(XlDisk, is_read_as_xl_does) {
  const DiskRow& row = GetParam();
  const xl::DiskEntry disk = xl::parse_disk(row.text);
  EXPECT_EQ(disk.target, row.target) << row.text;
  EXPECT_EQ(disk.format, row.format) << row.text;
  EXPECT_EQ(disk.vdev, row.vdev) << row.text;
  EXPECT_EQ(disk.is_cdrom, row.is_cdrom) << row.text;
  EXPECT_EQ(disk.is_read_only, row.is_read_only) << row.text;
  EXPECT_EQ(disk.is_device, row.is_device) << row.text;
}

INSTANTIATE_TEST_SUITE_P(
    Spellings, XlDisk,
    ::testing::Values(
        DiskRow{"/dev/vg/v,,hda", "/dev/vg/v", "", "hda", false, false, true},
        DiskRow{"/dev/vg/v,raw,hda,rw", "/dev/vg/v", "raw", "hda", false, false, true},
        DiskRow{"format=raw, vdev=hda, access=rw, target=/v.img", "/v.img", "raw", "hda", false,
                false, false},
        DiskRow{"raw:/v.img,hda,w", "/v.img", "raw", "hda", false, false, false},
        DiskRow{"/i.iso,,hdc,cdrom", "/i.iso", "", "hdc", true, true, false},
        DiskRow{"/i.iso,,hdc,,cdrom", "/i.iso", "", "hdc", true, true, false},
        DiskRow{"/i.iso,raw,hdc,devtype=cdrom", "/i.iso", "raw", "hdc", true, true, false},
        DiskRow{"raw:/i.iso,hdc:cdrom,ro", "/i.iso", "raw", "hdc", true, true, false},
        DiskRow{"format=qcow2,vdev=xvdb,target=/a,b=c,d", "/a,b=c,d", "qcow2", "xvdb", false, false,
                false},
        DiskRow{"vdev=xvda,/a.img", "/a.img", "", "xvda", false, false, false},
        DiskRow{"phy:vg/v,xvda,w", "/dev/vg/v", "raw", "xvda", false, false, true},
        DiskRow{"phy:/dev/sda1,sda1,r", "/dev/sda1", "raw", "sda1", false, true, true},
        DiskRow{"file:/a.img,ioemu:hda,w", "/a.img", "raw", "hda", false, false, false},
        DiskRow{"tap:aio:/a.img,xvda,w", "/a.img", "raw", "xvda", false, false, false},
        DiskRow{"tap2:tapdisk:qcow2:/a,xvda,w!", "/a", "qcow2", "xvda", false, false, false},
        DiskRow{",hdc:cdrom,r", "", "", "hdc", true, true, false},
        DiskRow{",,hdd,,devtype=cdrom", "", "", "hdd", true, true, false},
        DiskRow{"/a.vhd,vhd,/dev/xvda,r", "/a.vhd", "vhd", "xvda", false, true, false},
        DiskRow{"", "", "", "", false, false, false},
        DiskRow{"target=", "", "", "", false, false, false},
        DiskRow{",,,,,,,,", "", "", "", false, false, false}));

TEST(XlDiskScript, is_what_makes_the_device) {
  EXPECT_EQ(xl::parse_disk("rbd:pool/image:id=admin,xvda,w").script, "rbd");
  EXPECT_EQ(xl::parse_disk("nbd:host 10809,xvda,w").script, "nbd");
  EXPECT_EQ(xl::parse_disk("vdev=xvda,script=block-x,target=y").script, "block-x");
  EXPECT_THAT(xl::parse_disk("/a,raw,xvda,w,color=red").unknown, ElementsAre("color=red"));
}

xl::Config config(const std::string& text) { return xl::parse_config(text, "x"); }

std::string refusal(const std::string& text) {
  try {
    config(text);
    return "";
  } catch (const Error& error) {
    return error.sentence();
  }
}

TEST(XlSyntax, has_texts_numbers_and_lists) {
  const xl::Config read = config(
      "a = 'x' ; b=\"y\\n\\x41\\101\\\"\"\nc = [ 1, 'two', [ 3 ], ] # comment\nd = 0x10\ne = -1\n"
      "f = '''triple 'q'\nline'''\ng = 'a' \"b\"\nh = \\\n 5\ni = '\\d'\n");
  EXPECT_EQ(read.values.at("a").text, "x");
  EXPECT_EQ(read.values.at("b").text, "y\nAA\"");
  ASSERT_EQ(read.values.at("c").items.size(), 3u);
  EXPECT_EQ(read.values.at("c").items[2].items[0].text, "3");
  EXPECT_EQ(read.values.at("d").text, "16");
  EXPECT_EQ(read.values.at("e").text, "-1");
  EXPECT_EQ(read.values.at("f").text, "triple 'q'\nline");
  EXPECT_EQ(read.values.at("g").text, "ab");
  EXPECT_EQ(read.values.at("h").text, "5");
  EXPECT_EQ(read.values.at("i").text, "\\d");
}

// SEMANTICS: "the machine's folder says in which line it stands"
TEST(XlSyntax, says_line_and_code_of_python) {
  EXPECT_THAT(refusal("a = 1\n\nimport os\n"), HasSubstr("x, line 3: it is Python code"));
  EXPECT_THAT(refusal("a = 'VM%d' % vmid\n"), HasSubstr("a = 'VM%d' % vmid"));
  EXPECT_THAT(refusal("a = f(1)\n"), HasSubstr("Python code"));
  EXPECT_THAT(refusal("a.b = 1\n"), HasSubstr("Python code"));
}

TEST(DeviceName, has_letters_and_partitions) {
  EXPECT_EQ(parse_device_name("xvda")->index, 0u);
  EXPECT_EQ(parse_device_name("sdab")->index, 27u);
  EXPECT_EQ(parse_device_name("xvda15")->partition, 15u);
  EXPECT_EQ(parse_device_name("hdc")->prefix, "hd");
  for (const char* const none :
       {"", "hd", "xvd1", "sdA", "sda0", "sdzzz", "sda-1", "foo", "sda999"}) {
    EXPECT_FALSE(parse_device_name(none)) << none;
  }
}

TEST(XenConfig, types_are_told_as_xl_does) {
  const auto type = [](const std::string& rest) {
    return parse_xen_config("name = 'a'\nmemory = 64\n" + rest, "a").spec.guest_type;
  };
  EXPECT_EQ(type(""), GuestType::pv);
  EXPECT_EQ(type("type = 'pv'\nbuilder = 'hvm'\n"), GuestType::pv);
  EXPECT_EQ(type("type = 'hvm'\n"), GuestType::hvm);
  EXPECT_EQ(type("builder = 'hvm'\n"), GuestType::hvm);
  EXPECT_EQ(type("type = 'pvh'\n"), GuestType::pvh);
}

TEST(DomainXml, memory_has_all_units) {
  const auto memory = [](const std::string& unit, const std::string& value) {
    return parse_domain_xml(
               "<domain><name>a</name><memory unit='" + unit + "'>" + value + "</memory></domain>",
               "a.xml")
        .spec.memory_bytes;
  };
  EXPECT_EQ(memory("b", "1048576"), 1u << 20);
  EXPECT_EQ(memory("bytes", "1048576"), 1u << 20);
  EXPECT_EQ(memory("KB", "1000"), 1'000'000u);
  EXPECT_EQ(memory("k", "1024"), 1u << 20);
  EXPECT_EQ(memory("KiB", "1024"), 1u << 20);
  EXPECT_EQ(memory("MB", "5"), 5'000'000u);
  EXPECT_EQ(memory("M", "5"), 5u << 20);
  EXPECT_EQ(memory("GB", "2"), 2'000'000'000u);
  EXPECT_EQ(memory("GiB", "2"), 2ULL << 30);
  EXPECT_EQ(memory("TiB", "1"), 1ULL << 40);
}

}  // namespace
}  // namespace v2vfs::inspect
