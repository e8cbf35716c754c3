// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/domain_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"

namespace v2vfs::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDomain = R"(<domain type="qemu">
  <name>web</name>
  <uuid>564d1111-2222-3333-4444-555566667777</uuid>
  <!-- kept -->
  <metadata><x:note xmlns:x="urn:x">/mnt/vapp/web/disk.qcow2</x:note></metadata>
  <devices>
    <disk type="file" device="disk"><source file="/mnt/vapp/web/disk.qcow2"/><target dev="sda"/></disk>
    <disk type="file" device="disk"><source file="/elsewhere/web/disk-2.qcow2"/><target dev="sdb"/></disk>
    <disk type="file" device="cdrom"><source file="/srv/web/install.iso"/><target dev="sdc"/></disk>
    <disk type="file" device="cdrom"><target dev="sdd"/></disk>
  </devices>
</domain>)";

TEST(DomainFile, what_commands_look_up) {
  const DomainFile file = parse_domain(kDomain);
  EXPECT_EQ(file.name, "web");
  EXPECT_EQ(file.uuid, "564d1111-2222-3333-4444-555566667777");
  ASSERT_EQ(file.disks.size(), 3u);
  EXPECT_EQ(file.disks[1].target, "sdb");
  EXPECT_EQ(file.disks[1].file, "/elsewhere/web/disk-2.qcow2");
}

TEST(DomainFile, disks_of_the_vm_move_and_nothing_else_does) {
  const std::string moved =
      with_disk_files(kDomain, moved_to("/srv/a & b/web", "web", {"disk.qcow2", "disk-2.qcow2"}));
  EXPECT_THAT(moved, HasSubstr(R"(file="/srv/a &amp; b/web/disk.qcow2")"));
  EXPECT_THAT(moved, HasSubstr(R"(file="/srv/a &amp; b/web/disk-2.qcow2")"));
  EXPECT_THAT(moved, HasSubstr(R"(file="/srv/web/install.iso")"));
  EXPECT_THAT(moved, HasSubstr(R"(<x:note xmlns:x="urn:x">/mnt/vapp/web/disk.qcow2</x:note>)"));
  EXPECT_THAT(moved, HasSubstr("<!-- kept -->"));
  EXPECT_EQ(parse_domain(moved).disks[0].file, "/srv/a & b/web/disk.qcow2");
}

TEST(DomainFile, of_another_vm_of_that_name_at_the_end_of_its_own_nothing_moves) {
  const std::string other = with_disk_files(kDomain, moved_to("/srv", "eb", {"disk.qcow2"}));
  EXPECT_THAT(other, Not(HasSubstr("\"/srv/disk.qcow2\"")));
}

TEST(DomainFile, what_is_no_domain_is_refused) {
  EXPECT_THROW(parse_domain("hello"), Error);
  EXPECT_THROW(parse_domain("<network/>"), Error);
  EXPECT_THROW(with_disk_files("", moved_to("/x", "y", {})), Error);
}

}  // namespace
}  // namespace v2vfs::ctl
