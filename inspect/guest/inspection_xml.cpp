// SPDX-License-Identifier: MIT
#include "inspect/guest/inspection_xml.h"

#include <algorithm>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kLongestText = 16 << 10;

void add(pugi::xml_node parent, const char* name, const std::string& text) {
  if (text.empty()) return;
  parent.append_child(name).text().set(clean_text(text, kLongestText).c_str());
}

void add_lines(pugi::xml_node parent, const char* name, const std::string& text) {
  if (text.empty()) return;
  parent.append_child(name).text().set(clean_multiline(text).c_str());
}

/// libguestfs names a subvolume with its filesystem: "btrfsvol:/dev/sda2/@".
std::string mountable(const std::string& device, const std::string& subvolume) {
  return subvolume.empty() ? device : "btrfsvol:" + device + "/" + subvolume;
}

void add_mountpoints(pugi::xml_node system, const GuestFacts& guest) {
  pugi::xml_node list = system.append_child("mountpoints");
  for (const MountpointFacts& point : guest.mountpoints) {
    if (point.device.empty()) continue;
    pugi::xml_node node = list.append_child("mountpoint");
    node.append_attribute("dev").set_value(
        clean_text(mountable(point.device, point.subvolume), kLongestText).c_str());
    node.text().set(clean_text(point.path, kLongestText).c_str());
  }
}

void add_filesystem(pugi::xml_node list, const FilesystemFacts& filesystem,
                    const std::string& subvolume) {
  pugi::xml_node node = list.append_child("filesystem");
  node.append_attribute("dev").set_value(
      clean_text(mountable(filesystem.device, subvolume), kLongestText).c_str());
  add(node, "type", filesystem.type);
  add(node, "label", filesystem.label);
  add(node, "uuid", filesystem.uuid);
}

/// A system's filesystems are those that it mounts and its swap: not whatever else its machine has.
bool is_used(const GuestFacts& guest, const std::string& device) {
  const auto is_there = [&](const MountpointFacts& point) { return point.device == device; };
  return device == guest.root || std::ranges::any_of(guest.mountpoints, is_there) ||
         std::ranges::find(guest.swap_devices, device) != guest.swap_devices.end();
}

/// What the guest mounts of it: names of subvolumes, "" for the filesystem as it is; that also
/// where it mounts nothing of it, as of swap.
std::set<std::string> mounted_subvolumes(const GuestFacts& guest, const std::string& device) {
  std::set<std::string> subvolumes;
  for (const MountpointFacts& point : guest.mountpoints) {
    if (point.device == device) subvolumes.insert(point.subvolume);
  }
  if (subvolumes.empty()) subvolumes.insert("");
  return subvolumes;
}

void add_filesystems(pugi::xml_node system, const GuestFacts& guest) {
  pugi::xml_node list = system.append_child("filesystems");
  for (const FilesystemFacts& filesystem : guest.filesystems) {
    if (!is_used(guest, filesystem.device)) continue;
    for (const std::string& subvolume : mounted_subvolumes(guest, filesystem.device)) {
      add_filesystem(list, filesystem, subvolume);
    }
  }
}

void add_drives(pugi::xml_node system, const GuestFacts& guest) {
  if (!guest.windows || guest.windows->drive_mappings.empty()) return;
  pugi::xml_node list = system.append_child("drive_mappings");
  for (const auto& [letter, device] : guest.windows->drive_mappings) {
    pugi::xml_node node = list.append_child("drive_mapping");
    node.append_attribute("name").set_value(letter.c_str());
    node.text().set(clean_text(device, kLongestText).c_str());
  }
}

/// libguestfs takes apk's "-r" for what stands between version and release: "1.2.3-r4" has "4".
std::string schema_release(const GuestFacts& guest, const std::string& release) {
  return guest.package_format == "apk" && release.starts_with('r') ? release.substr(1) : release;
}

void add_applications(pugi::xml_node system, const GuestFacts& guest) {
  if (guest.applications.empty()) return;
  pugi::xml_node list = system.append_child("applications");
  for (const Application& application : guest.applications) {
    pugi::xml_node node = list.append_child("application");
    add(node, "name", application.name);
    add(node, "display_name", application.display_name);
    add(node, "epoch", application.epoch);
    add(node, "version", application.version);
    add(node, "release", schema_release(guest, application.release));
    add(node, "arch", application.arch);
    add(node, "install_path", application.install_path);
    add(node, "publisher", application.publisher);
    add(node, "url", application.url);
    add(node, "source_package", application.source_package);
    add(node, "summary", application.summary);
    add_lines(node, "description", application.description);
  }
}

/// The schema's list of distributions is closed; what was built like RHEL has a word of its own in
/// it. (Rocky's is missing there, but virt-inspector prints it.)
std::string schema_distro(const OsFacts& os) {
  for (const char* const known :
       {"alpinelinux", "altlinux", "archlinux", "buildroot", "centos",          "cirros",
        "coreos",      "debian",   "fedora",    "gentoo",    "kalilinux",       "kylin",
        "linuxmint",   "mageia",   "mandriva",  "neokylin",  "openmandriva",    "opensuse",
        "oraclelinux", "pldlinux", "rhel",      "rocky",     "scientificlinux", "slackware",
        "sles",        "ubuntu",   "voidlinux", "windows"}) {
    if (os.distro == known) return known;
  }
  for (const std::string& like : os.id_like) {
    if (like == "rhel") return "redhat-based";
    if (like == "suse") return "suse-based";
  }
  return os.distro == "redhat-based" ? os.distro : "";
}

std::string number(const std::optional<unsigned>& value) {
  return std::to_string(value.value_or(0));
}

void add_system(pugi::xml_node top, const GuestFacts& guest) {
  pugi::xml_node system = top.append_child("operatingsystem");
  add(system, "root", mountable(guest.root, guest.subvolume));
  add(system, "name", guest.os.type);
  add(system, "arch", guest.arch.empty() ? "unknown" : guest.arch);
  add(system, "distro", schema_distro(guest.os));
  add(system, "product_name", guest.os.product_name);
  add(system, "product_variant", guest.windows ? guest.os.variant : "");
  add(system, "major_version", number(guest.os.major));
  add(system, "minor_version", number(guest.os.minor));
  add(system, "package_format", guest.package_format);
  const bool listed = guest.package_management != "tdnf";
  add(system, "package_management", listed ? guest.package_management : "");
  add(system, "hostname", guest.hostname);
  add(system, "osinfo", guest.osinfo.empty() ? "unknown" : guest.osinfo);
  if (guest.windows) {
    add(system, "windows_systemroot", guest.windows->systemroot);
    add(system, "windows_current_control_set", guest.windows->current_control_set);
  }
  add_mountpoints(system, guest);
  add_filesystems(system, guest);
  add_drives(system, guest);
  add_applications(system, guest);
}

}  // namespace

std::string inspection_xml(const GuestInspection& inspection) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  pugi::xml_node top = document.append_child("operatingsystems");
  if (const GuestFacts* const chosen = inspection.chosen_guest()) add_system(top, *chosen);
  for (std::size_t i = 0; i < inspection.guests.size(); ++i) {
    if (inspection.chosen != i) add_system(top, inspection.guests[i]);
  }
  std::ostringstream out;
  document.save(out, "  ");
  return out.str();
}

}  // namespace v2vfs::inspect
