// SPDX-License-Identifier: MIT
// What golden files and virt-inspector's guests of one root do not show.
#include "inspect/guest/inspection_xml.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <set>
#include <string>

namespace v2vfs::inspect {
namespace {

GuestFacts guest_on(const std::string& root) {
  GuestFacts guest;
  guest.root = root;
  for (const char* const device : {"/dev/sda1", "/dev/sda2", "/dev/sda3"}) {
    FilesystemFacts filesystem;
    filesystem.device = device;
    guest.filesystems.push_back(filesystem);
  }
  return guest;
}

std::set<std::string> filesystems_of(const GuestInspection& inspection, const std::string& root) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(inspection_xml(inspection).c_str()));
  std::set<std::string> devices;
  for (const pugi::xml_node system : document.first_child().children()) {
    if (root != system.child_value("root")) continue;
    for (const pugi::xml_node each : system.child("filesystems").children()) {
      devices.insert(each.attribute("dev").value());
    }
  }
  return devices;
}

TEST(InspectionXml, ANeighboursRootIsNotThisSystems) {
  GuestInspection inspection;
  inspection.guests = {guest_on("/dev/sda1"), guest_on("/dev/sda2")};
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda1"),
            (std::set<std::string>{"/dev/sda1", "/dev/sda3"}));
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda2"),
            (std::set<std::string>{"/dev/sda2", "/dev/sda3"}));
}

TEST(InspectionXml, ANeighboursRootIsListedWhereItIsMounted) {
  GuestInspection inspection;
  inspection.guests = {guest_on("/dev/sda1"), guest_on("/dev/sda2")};
  MountpointFacts old;
  old.path = "/old";
  old.device = "/dev/sda1";
  inspection.guests[1].mountpoints.push_back(old);
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda2").count("/dev/sda1"), 1U);
}

}  // namespace
}  // namespace v2vfs::inspect
