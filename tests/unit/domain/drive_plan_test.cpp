// SPDX-License-Identifier: MIT
#include "convert/domain/drive_plan.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/domain/domain_specs.h"

namespace v2vfs::convert {
namespace {

using inspect::ControllerKind;
using inspect::MachineSpec;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

/// "sda sata 0:0:0:0" for each drive: controller, bus, target, unit.
std::vector<std::string> places(const DrivePlan& plan) {
  constexpr const char* kBuses[] = {"ide", "sata", "scsi", "virtio", "fdc"};
  std::vector<std::string> out;
  for (const DomainDrive& drive : plan.drives) {
    std::string line = drive.name + " " + kBuses[static_cast<int>(drive.bus)];
    if (const auto& a = drive.address) {
      line += fmt::format(" {}:{}:{}:{}", a->controller, a->bus, a->target, a->unit);
    }
    out.push_back(line);
  }
  return out;
}

DrivePlan plan_of(const MachineSpec& spec) {
  return plan_drives(spec, choose_machine(spec), paths_for(spec));
}

TEST(DrivePlan, units_of_the_source_are_kept) {
  MachineSpec spec = bare_machine();
  const std::size_t scsi = add_controller(spec, ControllerKind::scsi_pvscsi);
  for (const unsigned unit : {0u, 1u, 15u}) add_disk(spec, scsi, unit);
  EXPECT_THAT(places(plan_of(spec)),
              ElementsAre("sda scsi 0:0:0:0", "sdb scsi 0:0:1:0", "sdc scsi 0:0:15:0"));
}

TEST(DrivePlan, controllers_stand_in_the_order_of_their_first_disk) {
  MachineSpec spec = bare_machine();
  const std::size_t late = add_controller(spec, ControllerKind::scsi_pvscsi, 1);
  const std::size_t early = add_controller(spec, ControllerKind::scsi_pvscsi, 0);
  add_disk(spec, early, 0);
  add_disk(spec, late, 0);
  EXPECT_THAT(places(plan_of(spec)), ElementsAre("sda scsi 0:0:0:0", "sdb scsi 1:0:0:0"));
}

TEST(DrivePlan, units_that_collide_are_numbered_anew_in_order) {
  MachineSpec spec = bare_machine();
  const std::size_t sata = add_controller(spec, ControllerKind::sata);
  for (const unsigned unit : {3u, 3u, 4u}) add_disk(spec, sata, unit);
  const DrivePlan plan = plan_of(spec);
  EXPECT_THAT(places(plan),
              ElementsAre("sda sata 0:0:0:0", "sdb sata 0:0:0:1", "sdc sata 0:0:0:2"));
  EXPECT_THAT(plan.changes, Contains(HasSubstr("numbered from 0")));
}

TEST(DrivePlan, a_first_disk_that_firmware_cannot_reach_is_moved_to_the_front) {
  MachineSpec spec = bare_machine();
  add_disk(spec, add_controller(spec, ControllerKind::scsi_pvscsi), 12);
  EXPECT_THAT(places(plan_of(spec)), ElementsAre("sda scsi 0:0:0:0"));
}

TEST(DrivePlan, a_seventh_sata_disk_opens_a_second_controller) {
  MachineSpec spec = bare_machine();
  const std::size_t sata = add_controller(spec, ControllerKind::sata);
  for (unsigned unit = 0; unit < 7; ++unit) add_disk(spec, sata, unit);
  const DrivePlan plan = plan_of(spec);
  EXPECT_EQ(places(plan).back(), "sdg sata 1:0:0:0");
  EXPECT_EQ(plan.controllers.size(), 2u);
}

TEST(DrivePlan, both_ide_channels_are_one_controller_and_a_fifth_drive_is_sata) {
  MachineSpec spec = bare_machine();
  const std::size_t first = add_controller(spec, ControllerKind::ide, 0);
  const std::size_t second = add_controller(spec, ControllerKind::ide, 1);
  add_disk(spec, first, 0);
  add_disk(spec, first, 1);
  add_disk(spec, second, 0);
  add_disk(spec, second, 1);
  EXPECT_THAT(places(plan_of(spec)), ElementsAre("hda ide 0:0:0:0", "hdb ide 0:0:0:1",
                                                 "hdc ide 0:1:0:0", "hdd ide 0:1:0:1"));
  add_disk(spec, second, 2);
  EXPECT_EQ(places(plan_of(spec)).back(), "sda sata 0:0:0:0");
}

TEST(DrivePlan, machine_follows_ide_and_firmware) {
  MachineSpec spec = bare_machine();
  add_disk(spec, add_controller(spec, ControllerKind::scsi_pvscsi), 0);
  const std::size_t ide = add_controller(spec, ControllerKind::ide);
  EXPECT_EQ(choose_machine(spec), MachineType::q35) << "an IDE controller that nothing uses";
  add_cdrom(spec, ide, 0);
  EXPECT_EQ(choose_machine(spec), MachineType::pc);
  spec.firmware = inspect::Firmware::uefi;
  EXPECT_EQ(choose_machine(spec), MachineType::q35) << "a CD-ROM alone";
  add_disk(spec, ide, 1);
  EXPECT_EQ(choose_machine(spec), MachineType::pc);
  spec.secure_boot = true;
  EXPECT_EQ(choose_machine(spec), MachineType::q35);
}

TEST(DrivePlan, boot_order_is_the_sources_then_that_of_the_disks) {
  MachineSpec spec = bare_machine();
  for (int i = 0; i < 3; ++i) add_disk(spec, std::nullopt, 0);
  spec.disks[2].boot_order = 7;
  std::vector<unsigned> order;
  for (const DomainDrive& drive : plan_of(spec).drives) order.push_back(*drive.boot_order);
  EXPECT_THAT(order, ElementsAre(2, 3, 1));
}

// SEMANTICS: "Under UEFI the disks of the boot disk's controller are on SATA"
TEST(DrivePlan, uefi_boots_from_sata_and_leaves_other_controllers_alone) {
  MachineSpec spec = bare_machine();
  spec.firmware = inspect::Firmware::uefi;
  const std::size_t data = add_controller(spec, ControllerKind::scsi_pvscsi, 0);
  const std::size_t boot = add_controller(spec, ControllerKind::scsi_lsisas1068, 1);
  add_disk(spec, data, 0);
  add_disk(spec, boot, 0);
  spec.disks[1].boot_order = 1;
  const DrivePlan plan = plan_of(spec);
  EXPECT_THAT(places(plan), ElementsAre("sda scsi 1:0:0:0", "sdb sata 0:0:0:0"));
  EXPECT_THAT(plan.changes, Contains(HasSubstr("the guest needs AHCI")));
  ASSERT_EQ(plan.controllers.size(), 3u);
  EXPECT_EQ(plan.controllers[0].model, ScsiModel::lsisas1068) << "it stays, without disks";
}

TEST(DrivePlan, a_third_floppy_is_left_out) {
  MachineSpec spec = bare_machine();
  for (int i = 0; i < 3; ++i) add_cdrom(spec, std::nullopt, 0);
  for (auto& removable : spec.removables) removable.kind = inspect::RemovableKind::floppy;
  const DrivePlan plan = plan_of(spec);
  EXPECT_THAT(places(plan), ElementsAre("fda fdc 0:0:0:0", "fdb fdc 0:0:0:1"));
  EXPECT_THAT(plan.changes, Contains(HasSubstr("floppy")));
}

TEST(DrivePlan, names_go_on_behind_z_and_places_are_unique) {
  MachineSpec spec = bare_machine();
  for (unsigned i = 0; i < 300; ++i) add_disk(spec, std::nullopt, i);
  const DrivePlan plan = plan_of(spec);
  ASSERT_EQ(plan.drives.size(), 128u);
  EXPECT_EQ(plan.drives[25].name, "sdz");
  EXPECT_EQ(plan.drives[26].name, "sdaa");
  EXPECT_EQ(plan.drives[52].name, "sdba");
  const std::vector<std::string> all = places(plan);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
  EXPECT_THAT(plan.changes, Contains(HasSubstr("Left out: 172 disk drives")));
}

}  // namespace
}  // namespace v2vfs::convert
