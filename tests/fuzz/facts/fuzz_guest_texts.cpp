// SPDX-License-Identifier: MIT
//
// The first byte chooses the parser, the rest is its text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "inspect/base/error.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/device_names.h"
#include "inspect/guest/fragile_devices.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/mount_plan.h"
#include "inspect/guest/network_files.h"
#include "inspect/guest/os_release.h"
#include "inspect/guest/osinfo.h"
#include "inspect/guest/packages.h"
#include "inspect/guest/rpm_ndb.h"
#include "inspect/guest/text_lines.h"
#include "inspect/guest/windows_facts.h"
#include "inspect/guest/yaml_scalars.h"

namespace {

using namespace v2vfs::inspect;

Storage some_storage() {
  Storage storage;
  storage.devices = {
      {"/dev/sda", BlockKind::disk, {}, 1, "", "", ""},
      {"/dev/sda1", BlockKind::partition, {"/dev/sda"}, 1, "ext4", "u", "l"},
      {"/dev/mapper/luks-u", BlockKind::luks_mapping, {"/dev/sda1"}, 1, "xfs", "v", ""}};
  storage.tables = {{"/dev/sda", 0, "gpt", ""}};
  storage.volumes = {{"/dev/vg/lv", "vg", "lv", "uuid"}};
  return storage;
}

void devices(const std::string& text) {
  DiskFacts disks;
  disks.storage = some_storage();
  DeviceNames names(disks.storage);
  names.set_crypttab(parse_crypttab(text));
  names.set_arrays(parse_mdadm_conf(text));
  const auto fstab = parse_fstab(text);
  plan_mounts("/dev/sda1", "", fstab, names, disks);
  fragile_devices(fstab, parse_crypttab(text), names);
  fragile_words("/boot/grub/grub.cfg", text, names);
  names.resolve(text);
}

void menu(const BootMenu& found) { find_default(found); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 17) {
    case 0:
      devices(text);
      break;
    case 1:
      menu(parse_grub2(text, parse_grubenv(text)));
      break;
    case 2:
      menu(parse_grub_legacy(text));
      break;
    case 3:
      menu(parse_syslinux(text));
      break;
    case 4:
      menu(parse_lilo(text));
      break;
    case 5:
      parse_bls_entry("x", text, {{"a", "b"}});
      break;
    case 6:
      parse_dpkg_status(text);
      break;
    case 7:
      parse_apk_installed(text);
      parse_pacman_desc(text);
      break;
    case 8:
      parse_interfaces(text, "f");
      parse_networkd(text, "f");
      break;
    case 9:
      parse_netplan(text, "f");
      yaml_scalars(text);
      break;
    case 10:
      parse_nm_keyfile(text, "f");
      parse_ifcfg(text, "/ifcfg-x");
      break;
    case 11:
      parse_udev_net_rules(text, "f");
      parse_link_file(text, "f");
      break;
    case 12:
      find_drivers({text, text, text, {text}});
      version_of_image(text);
      elf_arch(text);
      break;
    case 13:
      for (const std::string& path : release_file_paths())
        osinfo_id(identify_linux({{path, text}}), nullptr);
      break;
    case 14:
      registry_strings({7, text});
      pe_arch(text);
      short_id_of_file("suse.com", text);
      break;
    case 16:
      parse_rpm_header(text);
      try {
        read_rpm_ndb(text.size(), [&](std::uint64_t offset, std::size_t length) {
          return offset >= text.size() ? std::string() : text.substr(offset, length);
        });
      } catch (const v2vfs::Error&) {
      }
      break;
    case 15:
      compare_versions(text.substr(0, size / 2), text.substr(size / 2));
      break;
  }
  return 0;
}
