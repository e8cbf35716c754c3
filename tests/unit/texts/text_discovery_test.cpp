// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/source/source.h"
#include "inspect/source/source_json.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::small_ovf;
using testing::TarBuilder;
using testing::TempFolder;

constexpr const char* kDescriptor =
    "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n";

FoundSource find(const std::vector<std::string>& paths) { return find_machines(paths, {}); }

std::vector<std::string> folders(const FoundSource& source) {
  std::vector<std::string> names;
  for (const FoundMachine& machine : source.machines) names.push_back(machine.folder);
  return names;
}

std::vector<std::string> codes(const std::vector<Problem>& problems) {
  std::vector<std::string> found;
  for (const Problem& problem : problems) found.push_back(problem.code);
  return found;
}

std::string vmx(const std::string& name, const std::string& file) {
  return fmt::format(
      "config.version = \"8\"\nvirtualHW.version = \"10\"\ndisplayName = \"{}\"\nmemsize = \"64\"\n"
      "floppy0.present = \"FALSE\"\nsata0.present = \"TRUE\"\nsata0:0.present = \"TRUE\"\n"
      "sata0:0.fileName = \"{}\"\n",
      name, file);
}

std::string xen(const std::string& name, const std::string& file) {
  return fmt::format("name = '{}'\nmemory = 64\nbootloader = 'pygrub'\ndisk = ['{},,xvda,w']\n",
                     name, file);
}

std::string domain(const std::string& name, const std::string& file) {
  return fmt::format(
      "<?xml version='1.0'?>\n<!-- x -->\n<domain type='kvm'><name>{}</name><memory>65536</memory>"
      "<devices><disk type='file'><source file='{}'/><target dev='vda' bus='virtio'/></disk>"
      "</devices></domain>",
      name, file);
}

std::string content_of(const FoundMachine& machine) {
  const SourceFile file = machine.files->open(*machine.spec.disks.at(0).file);
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

// SEMANTICS: "a configuration file of xl or xm, a libvirt domain's XML"
TEST(TextDiscovery, reads_each_kind_alone_and_in_a_folder) {
  const TempFolder folder;
  folder.write("v/a.vmx", vmx("a", "a.vmdk"));
  folder.write("v/a.vmdk", "A");
  folder.write("x/b", xen("b", "b.img"));
  folder.write("x/b.img", "B");
  folder.write("l/c.xml", domain("c", "c.qcow2"));
  folder.write("l/c.qcow2", "C");
  EXPECT_THAT(folders(find({folder.path()})), ElementsAre("a", "b", "c"));
  for (const char* const file : {"v/a.vmx", "x/b", "l/c.xml"}) {
    const FoundSource source = find({folder.path(file)});
    ASSERT_EQ(source.machines.size(), 1u) << file;
    EXPECT_TRUE(source.machines[0].spec.problems.empty()) << file;
    EXPECT_EQ(content_of(source.machines[0]).size(), 1u) << file;
  }
  EXPECT_EQ(find({folder.path("v")}).machines[0].spec.source_kind, "vmx");
  EXPECT_EQ(find({folder.path("x")}).machines[0].spec.source_kind, "xen");
  EXPECT_EQ(find({folder.path("l")}).machines[0].spec.source_kind, "libvirt");
}

TEST(TextDiscovery, a_datastore_is_one_mount) {
  const TempFolder folder;
  for (const char* const name : {"one", "two", "three"}) {
    const std::string path = fmt::format("{0}/{0}", name);
    folder.write(path + ".vmx", vmx(name, fmt::format("{}.vmdk", name)));
    folder.write(path + ".vmdk",
                 std::string(kDescriptor) + "RW 8 VMFS \"" + name + "-flat.vmdk\"\n");
    folder.write(path + "-flat.vmdk", std::string(4096, 'x'));
    folder.write(path + ".nvram", "x");
    folder.write(path + ".vmsd", "");
    folder.write(path + ".log", "displayName");
    folder.write(fmt::format("{}/vmware.log", name), "config.version = 1");
  }
  const FoundSource source = find({folder.path()});
  EXPECT_THAT(folders(source), ElementsAre("one", "three", "two"));
  EXPECT_THAT(source.problems, IsEmpty());
}

// SEMANTICS: "A file that is not there is looked for by its name beside the description"
TEST(TextDiscovery, paths_of_esx_are_looked_for_beside_the_vmx_and_its_folder) {
  const TempFolder folder;
  folder.write("a/a.vmx", vmx("a", "/vmfs/volumes/5f0e/a/a.vmdk"));
  folder.write("a/a.vmdk", "own folder");
  folder.write("b/b.vmx", vmx("b", "/vmfs/volumes/5f0e/data/b.vmdk"));
  folder.write("b/b.vmdk", "wrong");
  folder.write("data/b.vmdk", "folder of that name");
  folder.write("c/c.vmx", vmx("c", "[store] c-old/c.vmdk"));
  folder.write("c/c.vmdk", "datastore path");
  folder.write("d/d.vmx", vmx("d", "D:\\\\VMs\\\\x\\\\D.VMDK"));
  folder.write("d/d.vmdk", "of windows");
  folder.write("e/e.vmx", vmx("e", "sub\\\\e.vmdk"));
  folder.write("e/sub/e.vmdk", "slashes");
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(content_of(source.machines[0]), "own folder");
  EXPECT_EQ(content_of(source.machines[1]), "folder of that name");
  EXPECT_EQ(content_of(source.machines[2]), "datastore path");
  EXPECT_EQ(content_of(source.machines[3]), "of windows");
  EXPECT_EQ(content_of(source.machines[4]), "slashes");
  for (const FoundMachine& machine : source.machines) {
    EXPECT_THAT(machine.spec.assumptions, Contains(HasSubstr("is used for it")));
  }
}

// SEMANTICS: "also in neighbouring folders below SOURCE"
TEST(TextDiscovery, a_neighbour_folder_is_inside_the_source_or_not) {
  const TempFolder folder;
  folder.write("store/clone/clone.vmx", vmx("clone", "../base/base.vmdk"));
  folder.write("store/base/base.vmdk", "base");
  EXPECT_EQ(content_of(find({folder.path("store")}).machines.at(0)), "base");
  const FoundSource alone = find({folder.path("store/clone")});
  EXPECT_THAT(codes(alone.machines.at(0).spec.problems), ElementsAre("disk-outside"));
  EXPECT_FALSE(alone.machines[0].spec.usable());
}

// SEMANTICS: "by absolute paths below a folder that is given as SOURCE too"
TEST(TextDiscovery, absolute_paths_are_used_below_a_folder_that_is_given) {
  const TempFolder folder;
  folder.write("images/web.qcow2", "disk");
  folder.write("images/spare.txt", "");
  folder.write("etc/web.xml", domain("web", folder.path("images/web.qcow2")));
  const FoundSource without = find({folder.path("etc/web.xml")});
  EXPECT_THAT(codes(without.machines.at(0).spec.problems), ElementsAre("disk-outside"));
  const FoundSource with = find({folder.path("etc/web.xml"), folder.path("images")});
  ASSERT_THAT(folders(with), ElementsAre("web"));
  EXPECT_EQ(content_of(with.machines[0]), "disk");
  folder.write("images-2/other.qcow2", "other");
  folder.write("etc/web.xml", domain("web", folder.path("images-2/other.qcow2")));
  const FoundSource other = find({folder.path("etc/web.xml"), folder.path("images")});
  EXPECT_THAT(codes(other.machines.at(0).spec.problems), ElementsAre("disk-outside"));
}

TEST(TextDiscovery, absolute_paths_with_dots_do_not_leave_the_folder) {
  const TempFolder folder;
  folder.write("secret", "secret");
  folder.write("images/x", "x");
  folder.write("etc/web.xml", domain("web", folder.path("images") + "/../secret"));
  const FoundSource source = find({folder.path("etc/web.xml"), folder.path("images")});
  EXPECT_FALSE(source.machines.at(0).spec.usable());
  EXPECT_THROW(source.machines[0].files->open(folder.path("images") + "/../secret"), Error);
}

// SEMANTICS: "descriptions of different kinds that name the same disk files"
TEST(TextDiscovery, one_machine_that_three_descriptors_describe_is_one) {
  const TempFolder folder;
  folder.write("web.vmx", vmx("web", "web.vmdk"));
  folder.write("web.vmdk", "disk");
  folder.write("web.ovf", small_ovf("web", "web.vmdk"));
  folder.write("web.ova",
               TarBuilder().add("web.ovf", small_ovf("web", "d")).add("d", "x").archive());
  folder.write("web.xml", domain("web", "web.vmdk"));
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(source.machines[0].spec.source_kind, "vmx");
  EXPECT_THAT(source.machines[0].spec.ignored, Contains(HasSubstr("web.ova")));
  EXPECT_THAT(source.machines[0].spec.ignored, Contains(HasSubstr("web.ovf")));
  EXPECT_THAT(source.machines[0].spec.ignored, Contains(HasSubstr("web.xml")));
  EXPECT_THAT(source.appliances, IsEmpty());
}

// SEMANTICS: "the best that is usable is taken"
TEST(TextDiscovery, the_usable_descriptor_of_a_machine_wins) {
  const TempFolder folder;
  folder.write("web.vmx", vmx("web", "gone.vmdk"));
  folder.write("web.ovf", small_ovf("web", "web-disk1.vmdk"));
  folder.write("web-disk1.vmdk", "disk");
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_EQ(source.machines[0].spec.source_kind, "ovf");
}

TEST(TextDiscovery, two_of_one_kind_are_two_machines) {
  const TempFolder folder;
  folder.write("a.vmx", vmx("a", "disk.vmdk"));
  folder.write("b.vmx", vmx("b", "disk.vmdk"));
  folder.write("disk.vmdk", "x");
  EXPECT_THAT(folders(find({folder.path()})), ElementsAre("a", "b"));
}

// SEMANTICS: "becomes a machine of its own"
TEST(TextDiscovery, disks_of_no_machine_become_machines) {
  const TempFolder folder;
  folder.write("web.vmx", vmx("web", "web.vmdk"));
  folder.write("web.vmdk", "x");
  folder.write("spare.qcow2", "QFI\xfb" + std::string(600, '\0'));
  folder.write("plain.raw", std::string(1024, 'x'));
  folder.write("boot.img", std::string(510, '\0') + "\x55\xaa" + std::string(512, '\0'));
  folder.write("notes.img", "no disk");
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("boot", "plain", "spare", "web"));
  EXPECT_EQ(source.machines[1].spec.disks.at(0).format, DiskFormat::raw);
  EXPECT_EQ(source.machines[2].spec.disks.at(0).format, DiskFormat::qcow2);
  EXPECT_EQ(source.machines[2].spec.source_kind, "disk");
  EXPECT_THAT(source.machines[2].spec.assumptions, Contains(HasSubstr("Only a disk is there")));
  EXPECT_THAT(codes(source.problems), ElementsAre("disk-left-out"));
  EXPECT_EQ(find({folder.path("spare.qcow2")}).machines.at(0).folder, "spare");
  EXPECT_EQ(find({folder.path("plain.raw")}).machines.at(0).folder, "plain");
}

// SEMANTICS: "(and is no part, parent or backing file of one that does)"
TEST(TextDiscovery, parts_parents_and_backing_files_are_no_machines) {
  const TempFolder folder;
  const auto vmdk = [&](const std::string& name, const std::string& rest) {
    folder.write(name, kDescriptor + rest);
  };
  // A machine whose disk has a parent, which has extents.
  folder.write("vm/vm.vmx", vmx("vm", "vm-000001.vmdk"));
  vmdk("vm/vm-000001.vmdk",
       "parentFileNameHint=\"/vmfs/volumes/x/vm/vm.vmdk\"\nRW 8 SPARSE \"odd.vmdk\"\n");
  vmdk("vm/vm.vmdk", "RW 8 FLAT \"vm-flat.vmdk\" 0\n");
  folder.write("vm/vm-flat.vmdk", std::string(4096, 'x'));
  folder.write("vm/odd.vmdk", "KDMV" + std::string(600, '\0'));
  // A chain without a machine.
  vmdk("chain/top.vmdk", "parentFileNameHint=\"base.vmdk\"\n");
  vmdk("chain/base.vmdk", "RW 8 FLAT \"base-f001.vmdk\" 0\n");
  folder.write("chain/base-f001.vmdk", std::string(4096, 'x'));
  std::string qcow2("QFI\xfb\0\0\0\3\0\0\0\0\0\0\1\0\0\0\0\x0a", 20);
  qcow2.resize(256, '\0');
  folder.write("chain/over.qcow2", qcow2 + "back.qcow2");
  folder.write("chain/back.qcow2", "QFI\xfb" + std::string(600, '\0'));
  // A part whose descriptor is lost, and one that is nobody's snapshot.
  folder.write("lost/x-s001.vmdk", "KDMV" + std::string(600, '\0'));
  vmdk("vm/left.vmdk", "parentFileNameHint=\"vm.vmdk\"\n");
  const FoundSource source = find({folder.path()});
  EXPECT_THAT(folders(source), ElementsAre("over", "top", "vm"));
  EXPECT_THAT(codes(source.problems), ElementsAre("disk-left-out", "disk-left-out"))
      << check_json(source);
}

TEST(TextDiscovery, snapshots_come_with_the_machine) {
  const TempFolder folder;
  folder.write("vm.vmx", vmx("vm", "vm-000001.vmdk"));
  folder.write("vm-000001.vmdk", "delta");
  folder.write("vm.vmdk", "base");
  folder.write(
      "vm.vmsd",
      "snapshot0.uid = \"1\"\nsnapshot0.displayName = \"first\"\n"
      "snapshot0.disk0.fileName = \"/vmfs/volumes/x/vm.vmdk\"\nsnapshot0.disk0.node = \"sata0:0\"\n"
      "snapshot1.uid = \"2\"\nsnapshot1.disk0.fileName = \"gone.vmdk\"\n");
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("vm"));
  const MachineSpec& spec = source.machines[0].spec;
  ASSERT_EQ(spec.snapshots.size(), 2u);
  EXPECT_EQ(spec.snapshots[0].disks.at(0).file, "vm.vmdk");
  EXPECT_EQ(spec.snapshots[0].disks.at(0).disk, 0u);
  EXPECT_THAT(codes(spec.problems), ElementsAre("snapshot-incomplete"));
  EXPECT_TRUE(spec.usable());
  folder.write("vm.vmsd", "rubbish");
  EXPECT_THAT(codes(find({folder.path()}).machines.at(0).spec.problems),
              ElementsAre("snapshots-unreadable"));
}

// SEMANTICS: "a VMX with a lock are warned about"
TEST(TextDiscovery, a_machine_that_vmware_holds_is_said) {
  const TempFolder folder;
  folder.write("vm.vmx", vmx("vm", "vm.vmdk"));
  folder.write("vm.vmdk", "x");
  folder.write("vm.vmx.lck/M1.lck", "x");
  EXPECT_THAT(codes(find({folder.path("vm.vmx")}).machines.at(0).spec.problems),
              ElementsAre("machine-running"));
}

TEST(TextDiscovery, a_bad_vmx_is_shown_beside_good_ones) {
  const TempFolder folder;
  folder.write("bad.vmx", "rubbish");
  folder.write("good.vmx", vmx("good", "d.vmdk"));
  folder.write("d.vmdk", "x");
  folder.write("python", "import os\nname = 'x'\nmemory = 5\ndisk = []\n");
  const FoundSource source = find({folder.path()});
  ASSERT_THAT(folders(source), ElementsAre("bad", "good", "python"));
  EXPECT_THAT(codes(source.machines[0].spec.problems), ElementsAre("descriptor-unreadable"));
  EXPECT_THAT(source.machines[2].spec.problems.at(0).what, HasSubstr("Python"));
}

TEST(TextDiscovery, other_texts_are_no_machines) {
  const TempFolder folder;
  folder.write("a.conf", "name = x\ncolor = y\n");
  folder.write("b.xml", "<network><name>x</name></network>");
  folder.write("c.ini", "[disk]\nmemory = 5\nname = 6\n");
  folder.write("d.xml", "<domains/>");
  folder.write("e.properties", "name = x\nmemory = 5\ntype = small\n");
  EXPECT_THROW(find({folder.path()}), Error);
}

// Sanitizers and busy machines take their share; what was quadratic took minutes.
constexpr double kTenTimesTheGoal = 50;

TEST(TextDiscovery, ten_thousand_machines_in_one_folder_take_little_time) {
  const TempFolder folder;
  for (int i = 0; i < 10'000; ++i) {
    folder.write(fmt::format("vm{}.vmx", i),
                 vmx(fmt::format("vm{}", i), fmt::format("vm{}.vmdk", i)));
    folder.write(fmt::format("vm{}.vmdk", i),
                 fmt::format("{}RW 8 FLAT \"vm{}-flat.vmdk\" 0\n", kDescriptor, i));
    folder.write(fmt::format("vm{}-flat.vmdk", i), "");
  }
  const testing::CpuTimer timer;
  const FoundSource source = find({folder.path()});
  EXPECT_LT(timer.seconds(), kTenTimesTheGoal);
  EXPECT_EQ(source.machines.size(), 10'000u);
  EXPECT_THAT(source.problems, IsEmpty());
}

TEST(TextDiscovery, ten_thousand_machines_without_disks_take_little_time) {
  const TempFolder folder;
  for (int i = 0; i < 10'000; ++i) {
    folder.write(fmt::format("vm{}.vmx", i),
                 vmx("vm", fmt::format("/vmfs/volumes/x/gone{}.vmdk", i)));
  }
  const testing::CpuTimer timer;
  EXPECT_EQ(find({folder.path()}).machines.size(), 10'000u);
  EXPECT_LT(timer.seconds(), kTenTimesTheGoal);
}

}  // namespace
}  // namespace v2vfs::inspect
