// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_storage.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/source/ovf.h"

namespace v2vfs::inspect {
namespace {

using ::testing::ElementsAre;

std::string item(unsigned id, unsigned type, const std::string& rest) {
  return fmt::format("<Item><InstanceID>{}</InstanceID><ResourceType>{}</ResourceType>{}</Item>",
                     id, type, rest);
}

std::string disk(unsigned id, unsigned parent, const std::string& unit = "") {
  return item(id, 17,
              fmt::format("<ElementName>{}</ElementName><Parent>{}</Parent>{}"
                          "<VirtualQuantity>1048576</VirtualQuantity>",
                          id, parent,
                          unit.empty() ? "" : "<AddressOnParent>" + unit + "</AddressOnParent>"));
}

std::string controller(unsigned id, unsigned type, unsigned address, const std::string& kind) {
  return item(
      id, type,
      fmt::format("<Address>{}</Address><ResourceSubType>{}</ResourceSubType>", address, kind));
}

MachineSpec parse(const std::string& items) {
  return parse_ovf("<Envelope><VirtualSystem id='vm'><VirtualHardwareSection>" + items +
                       "</VirtualHardwareSection></VirtualSystem></Envelope>",
                   "vm.ovf", {})
      .machines.at(0)
      .spec;
}

std::vector<std::string> ids(const MachineSpec& spec) {
  std::vector<std::string> found;
  for (const DiskSpec& each : spec.disks) found.push_back(each.id);
  return found;
}

std::vector<unsigned> units(const MachineSpec& spec) {
  std::vector<unsigned> found;
  for (const DiskSpec& each : spec.disks) found.push_back(each.unit);
  return found;
}

TEST(OvfStorage, gives_units_to_disks_without_one_and_leaves_scsi_7_to_the_adapter) {
  std::string items = controller(1, 6, 0, "lsilogic");
  for (unsigned id = 10; id < 19; ++id) items += disk(id, 1);
  EXPECT_THAT(units(parse(items)), ElementsAre(0, 1, 2, 3, 4, 5, 6, 8, 9));
  std::string sata = controller(1, 20, 0, "AHCI");
  for (unsigned id = 10; id < 19; ++id) sata += disk(id, 1);
  EXPECT_THAT(units(parse(sata)), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
}

// SEMANTICS: "by controller, then by address on it"
TEST(OvfStorage, units_are_ordered_as_numbers) {
  const MachineSpec spec = parse(controller(1, 6, 0, "VirtualSCSI") + disk(10, 1, "10") +
                                 disk(11, 1, "9") + disk(12, 1, "2"));
  EXPECT_THAT(ids(spec), ElementsAre("12", "11", "10"));
}

// SEMANTICS: "The disks are in the order in which the machine counts them"
TEST(OvfStorage, controllers_of_a_family_are_ordered_by_their_number) {
  const MachineSpec spec = parse(controller(1, 6, 1, "lsilogic") + controller(2, 6, 0, "lsilogic") +
                                 disk(10, 1, "0") + disk(11, 2, "5"));
  EXPECT_THAT(ids(spec), ElementsAre("11", "10"));
}

TEST(OvfStorage, the_family_that_is_named_first_counts_first) {
  const MachineSpec spec = parse(controller(1, 5, 0, "") + controller(2, 6, 0, "lsilogic") +
                                 disk(10, 2, "0") + disk(11, 1, "0") + disk(12, 2, "1"));
  EXPECT_THAT(ids(spec), ElementsAre("10", "12", "11"));
}

TEST(OvfStorage, a_disk_that_names_its_unit_keeps_it) {
  const MachineSpec spec =
      parse(controller(1, 6, 0, "lsilogic") + disk(10, 1) + disk(11, 1, "0") + disk(12, 1, "0"));
  EXPECT_THAT(ids(spec), ElementsAre("11", "10", "12"));
  EXPECT_THAT(units(spec), ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace v2vfs::inspect
