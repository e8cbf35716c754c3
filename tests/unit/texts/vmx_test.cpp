// SPDX-License-Identifier: MIT
#include "inspect/source/vmx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/source/vmx_dictionary.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kHead =
    "config.version = \"8\"\nvirtualHW.version = \"10\"\ndisplayName = \"vm\"\n";

MachineSpec vmx(const std::string& rest) { return parse_vmx(kHead + rest, "vm.vmx").spec; }

NicSpec nic(const std::string& rest) {
  return vmx("ethernet0.present = \"TRUE\"\n" + rest).nics.at(0);
}

TEST(VmxDictionary, first_of_a_key_counts_and_case_does_not) {
  const vmx::Dictionary keys("A.b = \"1\"\na.B = \"2\"\n", "x");
  EXPECT_EQ(keys.text("a.b"), "1");
  EXPECT_THAT(keys.assumptions(), ElementsAre(HasSubstr("more than once")));
}

TEST(VmxDictionary, takes_escapes_quotes_comments_and_line_ends) {
  const vmx::Dictionary keys(
      "# c = \"0\"\r\na = \"x|22y|0A|7C\"\r\nb=bare word\nc = \"in # quotes\" # behind\nd = \"\"\n",
      "x");
  EXPECT_EQ(keys.text("a"), "x\"y\n|");
  EXPECT_EQ(keys.text("b"), "bare word");
  EXPECT_EQ(keys.text("c"), "in # quotes");
  EXPECT_EQ(keys.find("d"), "");
  EXPECT_EQ(keys.find("e"), std::nullopt);
}

TEST(VmxDictionary, a_windows_path_is_no_continued_line) {
  const vmx::Dictionary keys("a = \"C:\\vms\\\"\nb = \"1\"\nc = \"one \\\ntwo\"\n", "x");
  EXPECT_EQ(keys.text("a"), "C:\\vms\\");
  EXPECT_EQ(keys.text("b"), "1");
  EXPECT_EQ(keys.text("c"), "one two");
}

TEST(VmxDictionary, names_what_nobody_asked_for) {
  const vmx::Dictionary keys("a.x = \"1\"\na.y = \"1\"\nb1:2.c = \"1\"\n", "x");
  keys.find("a.x");
  EXPECT_THAT(keys.unused(), ElementsAre("a", "b1"));
  keys.use_all("b1:");
  EXPECT_THAT(keys.unused(), ElementsAre("a"));
}

TEST(VmxDictionary, finds_numbers_and_places) {
  const vmx::Dictionary keys("s0:1.a = 1\ns10:2.a = 1\ns2.a = 1\nsx.a = 1\ns5000:1.a = 1\n", "x");
  EXPECT_THAT(keys.numbers_of("s"), ElementsAre(0u, 2u, 10u));
  EXPECT_THAT(keys.places_of("s"), ElementsAre(std::pair(0u, 1u), std::pair(10u, 2u)));
}

TEST(Vmx, genid_is_the_guid_of_two_decimals) {
  EXPECT_EQ(vmx("vm.genid = \"81985529216486895\"\nvm.genidX = \"-81985529216486896\"\n").genid,
            "89abcdef-4567-0123-1032-547698badcfe");
  EXPECT_EQ(vmx("vm.genid = \"5\"\n").genid, std::nullopt);
}

TEST(Vmx, encodings_become_utf8) {
  EXPECT_EQ(vmx(".encoding = \"windows-1252\"\nannotation = \"Stra\xdf"
                "e\"\n")
                .description,
            "Straße");
  EXPECT_EQ(vmx(".encoding = \"GBK\"\nannotation = \"\xb2\xe2\"\n").description, "测");
  EXPECT_EQ(vmx(".encoding = \"Shift_JIS\"\nannotation = \"\x93\xfa\"\n").description, "日");
  EXPECT_EQ(vmx("annotation = \"\xfc\"\n").description, "ü");
}

TEST(Vmx, static_and_generated_addresses_come_from_their_keys) {
  const std::string both =
      "ethernet0.address = \"00:50:56:00:00:01\"\n"
      "ethernet0.generatedAddress = \"00:0c:29:00:00:02\"\n";
  EXPECT_EQ(nic(both + "ethernet0.addressType = \"static\"\n").mac, "00:50:56:00:00:01");
  EXPECT_EQ(nic(both + "ethernet0.addressType = \"generated\"\n").mac, "00:0c:29:00:00:02");
  EXPECT_EQ(nic(both + "ethernet0.addressType = \"vpx\"\n").mac, "00:0c:29:00:00:02");
  EXPECT_EQ(nic(both).mac, "00:0c:29:00:00:02");
  EXPECT_EQ(nic("ethernet0.address = \"00:50:56:00:00:01\"\n").mac, "00:50:56:00:00:01");
  EXPECT_EQ(nic("").mac, std::nullopt);
}

TEST(Vmx, a_network_adapter_without_present_is_absent_and_said) {
  const MachineSpec spec = vmx("ethernet0.virtualDev = \"e1000\"\n");
  EXPECT_THAT(spec.nics, IsEmpty());
  EXPECT_THAT(spec.ignored, Contains(HasSubstr("ethernet0 is left out")));
  EXPECT_THAT(vmx("ethernet0.present = \"FALSE\"\n").ignored, IsEmpty());
}

TEST(Vmx, network_is_the_name_else_the_kind) {
  EXPECT_EQ(nic("ethernet0.networkName = \"LAN\"\nethernet0.connectionType = \"nat\"\n").network,
            "LAN");
  EXPECT_EQ(nic("ethernet0.connectionType = \"nat\"\n").network, "nat");
  EXPECT_EQ(nic("ethernet0.connectionType = \"custom\"\nethernet0.vnet = \"VMnet2\"\n").network,
            "VMnet2");
  EXPECT_EQ(nic("").network, std::nullopt);
}

TEST(Vmx, pci_slots_are_kept_and_minus_one_is_none) {
  EXPECT_EQ(nic("ethernet0.pciSlotNumber = \"2208\"\n").pci_slot, 2208u);
  EXPECT_EQ(nic("ethernet0.pciSlotNumber = \"-1\"\n").pci_slot, std::nullopt);
}

TEST(Vmx, default_model_depends_on_the_guest) {
  EXPECT_EQ(nic("guestOS = \"debian12-64\"\n").model, NicModel::e1000);
  EXPECT_EQ(nic("guestOS = \"winxppro\"\n").model, NicModel::pcnet32);
}

TEST(Vmx, drives_are_what_their_type_or_file_says) {
  const auto with = [](const std::string& rest) {
    return vmx(
        "sata0.present = \"TRUE\"\nsata0:0.present = \"TRUE\"\nfloppy0.present = \"FALSE\"\n" +
        rest);
  };
  EXPECT_EQ(with("sata0:0.fileName = \"a.ISO\"\n").removables.size(), 1u);
  EXPECT_EQ(with("sata0:0.fileName = \"a.vmdk\"\n").disks.size(), 1u);
  const MachineSpec raw =
      with("sata0:0.deviceType = \"cdrom-raw\"\nsata0:0.fileName = \"/dev/sr0\"\n");
  EXPECT_EQ(raw.removables.at(0).file, std::nullopt);
  EXPECT_THAT(raw.ignored, Contains(HasSubstr("/dev/sr0")));
  const MachineSpec image =
      with("sata0:0.deviceType = \"cdrom-image\"\nsata0:0.fileName = \"a.iso\"\n");
  EXPECT_EQ(image.removables.at(0).file, "a.iso");
}

TEST(Vmx, floppy0_is_there_unless_it_is_said_not_to_be) {
  EXPECT_EQ(vmx("").removables.size(), 1u);
  EXPECT_EQ(vmx("floppy0.present = \"FALSE\"\n").removables.size(), 0u);
  EXPECT_EQ(vmx("floppy0.present = \"FALSE\"\nfloppy1.present = \"TRUE\"\n").removables.size(), 1u);
}

// SEMANTICS: "by controller, then by address on it"
TEST(Vmx, disks_count_scsi_nvme_sata_ide_by_number) {
  std::string text;
  for (const char* const place :
       {"ide0:0", "sata0:0", "nvme0:0", "scsi0:10", "scsi0:2", "scsi1:0"}) {
    const std::string name = place;
    text += name + ".present = \"TRUE\"\n" + name + ".fileName = \"a.vmdk\"\n";
    text += name.substr(0, name.find(':')) + ".present = \"TRUE\"\n";
  }
  std::vector<std::string> ids;
  for (const DiskSpec& disk : vmx(text).disks) ids.push_back(disk.id);
  EXPECT_THAT(ids, ElementsAre("scsi0:2", "scsi0:10", "scsi1:0", "nvme0:0", "sata0:0", "ide0:0"));
}

TEST(Vmx, what_is_not_understood_is_listed_once) {
  const MachineSpec spec = vmx("foo.a = \"1\"\nfoo.b = \"2\"\nbar = \"3\"\n");
  EXPECT_THAT(spec.ignored, Contains("Settings that are left out: bar, foo."));
}

// SEMANTICS: "a suspended VMX and a VMX with a lock are warned about"
TEST(Vmx, encrypted_and_suspended_machines_are_said) {
  EXPECT_FALSE(vmx("encryption.keySafe = \"x\"\n").usable());
  EXPECT_EQ(vmx("checkpoint.vmState = \"a.vmss\"\n").problems.at(0).code, "machine-suspended");
  EXPECT_TRUE(vmx("checkpoint.vmState = \"\"\n").problems.empty());
}

TEST(Vmsd, snapshots_have_parents_times_and_disks) {
  MachineSpec spec =
      vmx("scsi0.present = \"TRUE\"\nscsi0:3.present = \"TRUE\"\nscsi0:3.fileName = "
          "\"a-000001.vmdk\"\n");
  read_vmsd(
      "snapshot.numSnapshots = \"2\"\nsnapshot.current = \"7\"\n"
      "snapshot0.uid = \"5\"\nsnapshot0.displayName = \"one\"\nsnapshot0.createTimeHigh = "
      "\"370000\"\n"
      "snapshot0.createTimeLow = \"-1\"\nsnapshot0.disk0.fileName = \"a.vmdk\"\n"
      "snapshot0.disk0.node = \"SCSI0:3\"\nsnapshot4.uid = \"7\"\nsnapshot4.parent = \"5\"\n",
      "a.vmsd", spec);
  ASSERT_EQ(spec.snapshots.size(), 2u);
  EXPECT_EQ(spec.snapshots[0].name, "one");
  EXPECT_EQ(spec.snapshots[0].disks.at(0).disk, 0u);
  EXPECT_EQ(spec.snapshots[0].created_unix,
            static_cast<std::int64_t>(((370000ULL << 32) | 0xffffffff) / 1000000));
  EXPECT_EQ(spec.snapshots[1].parent, "5");
  EXPECT_TRUE(spec.snapshots[1].is_current);
}

TEST(Vmsd, an_empty_one_has_no_snapshots) {
  MachineSpec spec;
  read_vmsd("", "a.vmsd", spec);
  read_vmsd("\n", "a.vmsd", spec);
  EXPECT_TRUE(spec.snapshots.empty());
  EXPECT_THROW(read_vmsd("rubbish", "a.vmsd", spec), Error);
}

}  // namespace
}  // namespace v2vfs::inspect
