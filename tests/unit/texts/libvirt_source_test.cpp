// SPDX-License-Identifier: MIT
//
// libvirt's own test driver, with domains and pools of a file of ours.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/source/libvirt_snapshots.h"
#include "inspect/source/source.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

/// A host with the domains "off" and "on", both with a disk in `images`, which is
/// the folder of a pool if `has_pool`.
std::string host(const TempFolder& folder, bool has_pool) {
  const auto domain = [&](const char* name, int state) {
    return fmt::format(
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
        "<name>{0}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='{1}/{0}.raw'/><target dev='vda' bus='virtio'/></disk></devices>"
        "<test:runstate>{2}</test:runstate></domain>",
        name, folder.path("images"), state);
  };
  const std::string pool =
      fmt::format("<pool type='dir'><name>p</name><target><path>{}</path></target></pool>",
                  folder.path("images"));
  folder.write("images/off.raw", std::string(1024, 'o'));
  folder.write("images/on.raw", std::string(1024, 'n'));
  folder.write("host.xml",
               "<node>" + domain("off", 5) + domain("on", 1) + (has_pool ? pool : "") + "</node>");
  return "libvirt+test://" + folder.path("host.xml");
}

std::vector<std::string> codes(const MachineSpec& spec) {
  std::vector<std::string> found;
  for (const Problem& problem : spec.problems) found.push_back(problem.code);
  return found;
}

// SEMANTICS: "A running libvirt domain is described, and `unusable`"
TEST(LibvirtSource, each_domain_is_a_machine_and_a_running_one_is_not_usable) {
  const TempFolder folder;
  const FoundSource source = find_machines({host(folder, true)}, {});
  ASSERT_EQ(source.machines.size(), 2u);
  const FoundMachine& off = source.machines[0];
  EXPECT_EQ(off.folder, "off");
  EXPECT_THAT(off.descriptor_path, HasSubstr("host.xml#off"));
  EXPECT_EQ(off.spec.memory_bytes, 64u << 20);
  EXPECT_THAT(codes(off.spec), ElementsAre());
  EXPECT_EQ(off.files->open(*off.spec.disks.at(0).file).length(), 1024u);
  EXPECT_EQ(source.machines[1].folder, "on");
  EXPECT_THAT(codes(source.machines[1].spec), ElementsAre("machine-running"));
  EXPECT_FALSE(source.machines[1].spec.usable());
}

// SEMANTICS: "from a URI also those in a storage pool that is a folder of this host"
TEST(LibvirtSource, disks_outside_pools_need_a_folder_that_is_given) {
  const TempFolder folder;
  const std::string uri = host(folder, false);
  const FoundSource alone = find_machines({uri}, {});
  EXPECT_THAT(codes(alone.machines.at(0).spec), ElementsAre("disk-outside"));
  const FoundSource with = find_machines({uri, folder.path("images")}, {});
  ASSERT_EQ(with.machines.size(), 2u);
  EXPECT_TRUE(with.machines[0].spec.usable());
}

TEST(LibvirtSource, one_that_does_not_answer_is_an_error) {
  try {
    find_machines({"libvirt+test:///nowhere/host.xml"}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.sentence(), HasSubstr("libvirt does not open test:///nowhere"));
  }
  EXPECT_THROW(find_machines({"libvirt+"}, {}), Error);
  EXPECT_THROW(find_machines({"libvirt+nonsense://x"}, {}), Error);
}

// SEMANTICS: "the disks of a VMX or libvirt machine as they were at each snapshot"
TEST(LibvirtSnapshots, external_ones_have_the_files_of_their_time) {
  MachineSpec spec;
  spec.disks.resize(2);
  spec.disks[0].id = "vda";
  spec.disks[1].id = "vdb";
  const std::string external =
      "<domainsnapshot><name>one</name><creationTime>1700000000</creationTime><disks>"
      "<disk name='vdb' snapshot='external'><source file='/i/b.snap'/></disk>"
      "<disk name='vda' snapshot='no'/></disks><domain><devices>"
      "<disk><source file='/i/b.qcow2'/><target dev='vdb'/></disk></devices></domain>"
      "</domainsnapshot>";
  const std::string internal =
      "<domainsnapshot><name>two</name><parent><name>one</name></parent><disks>"
      "<disk name='vda' snapshot='internal'/></disks></domainsnapshot>";
  read_domain_snapshots({external, internal, "<!DOCTYPE x>", "rubbish"}, "two", spec);
  ASSERT_EQ(spec.snapshots.size(), 2u);
  EXPECT_EQ(spec.snapshots[0].created_unix, 1700000000);
  ASSERT_EQ(spec.snapshots[0].disks.size(), 1u);
  EXPECT_EQ(spec.snapshots[0].disks[0].file, "/i/b.qcow2");
  EXPECT_EQ(spec.snapshots[0].disks[0].disk, 1u);
  EXPECT_EQ(spec.snapshots[1].parent, "one");
  EXPECT_TRUE(spec.snapshots[1].is_current);
  EXPECT_THAT(spec.ignored, Contains(HasSubstr("\"two\" lies within")));
  EXPECT_EQ(spec.ignored.size(), 3u);
}

}  // namespace
}  // namespace v2vfs::inspect
