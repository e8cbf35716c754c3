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

MountpointFacts mounted_at(const std::string& path, const std::string& device,
                           const std::string& subvolume = "") {
  MountpointFacts point;
  point.path = path;
  point.device = device;
  point.subvolume = subvolume;
  return point;
}

TEST(InspectionXml, ASystemHasTheFilesystemsThatItUses) {
  GuestInspection inspection;
  inspection.guests = {guest_on("/dev/sda1"), guest_on("/dev/sda2")};
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda1"), (std::set<std::string>{"/dev/sda1"}));
  inspection.guests[0].swap_devices = {"/dev/sda3"};
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda1"),
            (std::set<std::string>{"/dev/sda1", "/dev/sda3"}));
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda2"), (std::set<std::string>{"/dev/sda2"}));
  inspection.guests[1].mountpoints = {mounted_at("/old", "/dev/sda1")};
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda2"),
            (std::set<std::string>{"/dev/sda1", "/dev/sda2"}));
}

TEST(InspectionXml, ABtrfsIsThereAsOftenAsItIsMounted) {
  GuestInspection inspection;
  inspection.guests = {guest_on("/dev/sda1")};
  inspection.guests[0].mountpoints = {mounted_at("/", "/dev/sda1"),
                                      mounted_at("/home", "/dev/sda1", "@/home")};
  EXPECT_EQ(filesystems_of(inspection, "/dev/sda1"),
            (std::set<std::string>{"/dev/sda1", "btrfsvol:/dev/sda1/@/home"}));
}

TEST(InspectionXml, WhatTheSchemaHasOtherWordsFor) {
  GuestInspection inspection;
  inspection.guests = {guest_on("/dev/sda1")};
  inspection.guests[0].package_format = "apk";
  inspection.guests[0].os.distro = "rocky";
  Application musl;
  musl.name = "musl";
  musl.release = "r4";
  inspection.guests[0].applications = {musl};
  const std::string xml = inspection_xml(inspection);
  EXPECT_NE(xml.find("<release>4</release>"), std::string::npos) << xml;
  EXPECT_NE(xml.find("<distro>rocky</distro>"), std::string::npos) << xml;
}

}  // namespace
}  // namespace v2vfs::inspect
