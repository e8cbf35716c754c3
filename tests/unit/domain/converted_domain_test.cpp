// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "convert/domain/domain_xml.h"
#include "tests/unit/domain/domain_specs.h"

namespace v2vfs::convert {
namespace {

using inspect::ControllerKind;
using inspect::Firmware;
using inspect::MachineSpec;
using inspect::NicModel;
using testing::HasSubstr;
using testing::Not;

/// Two disks on pvscsi, a CD-ROM on IDE, a floppy, two cards.
MachineSpec vmware_machine() {
  MachineSpec spec = bare_machine();
  const std::size_t scsi = add_controller(spec, ControllerKind::scsi_pvscsi);
  const std::size_t ide = add_controller(spec, ControllerKind::ide);
  add_disk(spec, scsi, 0);
  add_disk(spec, scsi, 3);
  spec.disks[0].serial = "root-0001";
  add_cdrom(spec, ide, 0);
  spec.removables.push_back({inspect::RemovableKind::floppy, std::nullopt, std::nullopt, 0});
  add_nic(spec, NicModel::vmxnet3, "VmxNet3", "00:50:56:aa:00:01");
  add_nic(spec, NicModel::e1000, "E1000");
  return spec;
}

Capabilities modern() {
  Capabilities can;
  can.block_bus = BlockBus::virtio_blk;
  can.nic = GuestNic::virtio;
  can.rng = can.balloon = can.virtio_serial = true;
  return can;
}

struct ConvertedCase {
  std::string name;
  MachineSpec spec;
  Capabilities can;
  DomainOptions options;
};

std::vector<ConvertedCase> cases() {
  std::vector<ConvertedCase> all;
  all.push_back({"converted-virtio", vmware_machine(), modern(), {}});
  all.push_back({"converted-virtio-scsi", vmware_machine(), modern(), {}});
  all.back().can.block_bus = BlockBus::virtio_scsi;
  all.push_back({"converted-el6", vmware_machine(), modern(), {}});
  all.back().can.transitional = true;
  all.push_back({"converted-el6-scsi", vmware_machine(), modern(), {}});
  all.back().can.transitional = true;
  all.back().can.block_bus = BlockBus::virtio_scsi;
  all.push_back({"converted-pc", vmware_machine(), modern(), {}});
  all.back().can.q35 = all.back().can.rng = false;
  all.push_back({"converted-sata", vmware_machine(), {}, {}});
  all.back().can.block_bus = BlockBus::sata;
  all.back().can.nic = GuestNic::e1000;
  all.push_back({"converted-uefi-tpm", vmware_machine(), modern(), {}});
  all.back().spec.firmware = Firmware::uefi;
  all.back().spec.secure_boot = all.back().spec.tpm = all.back().can.uefi = true;
  all.back().options.host = {true, "x86_64", true, true};
  return all;
}

std::string xml_of(const ConvertedCase& made) {
  return converted_domain(made.spec, made.can, made.spec.name, kTestUuid, paths_for(made.spec),
                          made.options)
      .xml;
}

class ConvertedDomain : public testing::TestWithParam<ConvertedCase> {};

/// V2VFS_WRITE_GOLDEN=1 writes the files anew; tests/integration/domain-validate.sh checks them.
TEST_P(ConvertedDomain, domain_is_what_it_was) {
  const std::string path = std::string(V2VFS_GOLDEN) + "/" + GetParam().name + ".xml";
  const std::string xml = xml_of(GetParam());
  if (std::getenv("V2VFS_WRITE_GOLDEN") != nullptr) std::ofstream(path) << xml;
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(xml, text.str());
  EXPECT_TRUE(is_domain_document(xml));
}

INSTANTIATE_TEST_SUITE_P(DomainXml, ConvertedDomain, testing::ValuesIn(cases()),
                         [](const auto& param_info) {
                           std::string name = param_info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// SEMANTICS: "else unchanged, on hardware as the source has it where QEMU has it"
TEST(ConvertedMachine, that_cannot_change_is_the_compatible_one) {
  const MachineSpec spec = vmware_machine();
  const DomainText text =
      converted_domain(spec, {}, spec.name, kTestUuid, paths_for(spec), DomainOptions{});
  EXPECT_EQ(text.xml, domain_of(spec).xml);
}

/// What the plan ties to a MAC address has to meet that address in the domain.
// SEMANTICS: "MACs and uuid are kept"
TEST(ConvertedMachine, has_the_macs_that_the_plan_was_told) {
  const MachineSpec spec = vmware_machine();
  const std::vector<std::string> macs = domain_macs(spec, kTestUuid);
  ASSERT_EQ(macs.size(), 2u);
  EXPECT_EQ(macs[0], "00:50:56:aa:00:01");
  const std::string xml = xml_of(cases().front());
  for (const std::string& mac : macs) {
    EXPECT_THAT(xml, HasSubstr("<mac address=\"" + mac + "\""));
    EXPECT_THAT(domain_of(spec).xml, HasSubstr("<mac address=\"" + mac + "\""));
  }
}

TEST(ConvertedMachine, keeps_the_order_of_many_disks) {
  MachineSpec spec = bare_machine();
  const std::size_t scsi = add_controller(spec, ControllerKind::scsi_lsilogic);
  for (unsigned unit = 0; unit < 30; ++unit) add_disk(spec, scsi, unit);
  const std::string xml = xml_of({"", spec, modern(), {}});
  EXPECT_LT(xml.find("/disks/disk-2.qcow2"), xml.find("/disks/disk-30.qcow2"));
  EXPECT_THAT(xml, HasSubstr("dev=\"vdad\""));
  EXPECT_THAT(xml, Not(HasSubstr("bus=\"sata\"")));
}

}  // namespace
}  // namespace v2vfs::convert
