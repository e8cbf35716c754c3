// SPDX-License-Identifier: MIT
//
// The first byte chooses the editor, the rest is its text; the last choice plans a whole guest
// whose files are all that text. What is promised of all of them: a second run changes nothing, and
// a diff of what they changed can be made.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "convert/guest/cmdline_edits.h"
#include "convert/guest/config_edits.h"
#include "convert/guest/conversion_json.h"
#include "convert/guest/conversion_plan.h"
#include "convert/guest/nic_names.h"
#include "convert/guest/system_edits.h"
#include "convert/guest/text_diff.h"
#include "convert/guest/volume_edits.h"
#include "inspect/guest/network_files.h"

namespace {

using namespace v2vfs::convert;
using namespace v2vfs::inspect;
using Edit = std::function<std::string(std::string_view)>;

std::optional<std::string> tag(std::string_view name) {
  if (!name.starts_with("/dev/sd")) return std::nullopt;
  return "UUID=1234-" + std::string(name.substr(7));
}
std::optional<std::string> other_bus(std::string_view name) {
  const std::string start = name.starts_with("/dev/") ? "/dev/" : "";
  name.remove_prefix(start.size());
  if (!name.starts_with("sd")) return std::nullopt;
  return start + "vd" + std::string(name.substr(2));
}
const Renames kRenames{tag, tag, tag};

WordEdit words() {
  return device_words([](std::string_view name, std::string_view) { return tag(name); });
}

const std::vector<Edit>& editors() {
  static const std::vector<Edit> all = {
      [](std::string_view t) { return edit_fstab(t, kRenames); },
      let_shared_folders_fail,
      [](std::string_view t) { return edit_crypttab(t, kRenames); },
      [](std::string_view t) { return edit_cryptroot(t, tag); },
      [](std::string_view t) { return edit_mdadm(t, other_bus); },
      [](std::string_view t) { return edit_lvm_filters(t, "vd"); },
      [](std::string_view t) { return edit_device_map(t, other_bus); },
      [](std::string_view t) { return edit_mount_unit(t, tag); },
      [](std::string_view t) {
        return edit_assignments(t, {"RESUME", "boot"}, tag);
      },
      [](std::string_view t) { return edit_script_devices(t, tag); },
      [](std::string_view t) { return edit_cmdline(t, words()); },
      [](std::string_view t) { return edit_grub2(t, words()); },
      [](std::string_view t) { return edit_grub_legacy(t, words()); },
      [](std::string_view t) { return edit_loader_entry(t, words()); },
      [](std::string_view t) { return edit_syslinux(t, words()); },
      [](std::string_view t) { return edit_grubenv(t, words()).value_or(std::string(t)); },
      [](std::string_view t) {
        return edit_cmdline_assignments(
            t, [](std::string_view name) { return name.starts_with("GRUB_"); }, words());
      },
      [](std::string_view t) { return set_legacy_default(t, 3); },
      edit_inittab_console,
      restore_inittab_logins,
      edit_securetty,
      [](std::string_view t) { return edit_xorg(t, "vesa"); },
      [](std::string_view t) {
        return edit_modprobe_aliases(t, "n", {"a", "b"});
      },
      disable_vmware_repositories,
      disable_vmware_sources,
      [](std::string_view t) {
        return add_words(t, "MODULES", {"a", "b"}, {"c"});
      },
  };
  return all;
}

void check(const Edit& edit, const std::string& text) {
  const std::string once = edit(text);
  if (edit(once) != once) std::abort();
  unified_diff("a", text, "b", once);
}

KernelFacts a_kernel(const std::string& text) {
  KernelFacts kernel;
  kernel.version = "6.1.0";
  kernel.path = "/boot/vmlinuz-6.1.0";
  kernel.is_default = kernel.in_bootloader = true;
  for (const char* const name : {"virtio_pci", "virtio_blk", "virtio_net"}) {
    kernel.drivers.push_back({name, DriverState::module, "x.ko", false});
  }
  kernel.initrd.emplace();
  kernel.initrd->path = kernel.initrd->real_path = "/boot/initrd.img-6.1.0";
  kernel.initrd->segments.push_back({0, 1, 0, "gzip", 1, true});
  kernel.initrd->generator = "initramfs-tools";
  for (const char* const name : {"conf/conf.d/resume", "cryptroot/crypttab", "etc/fstab",
                                 "etc/lvm/lvm.conf", "etc/cmdline.d/x", "devexists-x"}) {
    kernel.initrd->files[name] = text;
  }
  return kernel;
}

/// One disk, two partitions, every file the same.
void plan_whole(const std::string& text) {
  GuestInspection found;
  found.disks.storage.devices = {
      {"/dev/sda", BlockKind::disk, {}, 1, "", "", ""},
      {"/dev/sda1", BlockKind::partition, {"/dev/sda"}, 1, "ext4", "u", ""},
      {"/dev/sda2", BlockKind::partition, {"/dev/sda"}, 1, "swap", "", ""}};
  found.disks.storage.tables = {{"/dev/sda", 0, "msdos", ""}};
  for (unsigned number : {1u, 2u}) {
    PartitionEntry entry;
    entry.device = "/dev/sda" + std::to_string(number);
    entry.disk = "/dev/sda";
    entry.number = number;
    found.disks.storage.partitions.push_back(entry);
  }
  GuestFacts guest;
  guest.root = "/dev/sda1";
  guest.os.type = "linux";
  guest.os.id = "debian";
  guest.os.major = 12;
  guest.init = "systemd";
  guest.kernels.push_back(a_kernel(text));
  for (const char* const path :
       {"/etc/fstab", "/etc/crypttab", "/boot/grub/grub.cfg", "/boot/grub/menu.lst",
        "/boot/grub/grubenv", "/etc/default/grub", "/etc/kernel/cmdline", "/etc/lvm/lvm.conf",
        "/etc/mdadm.conf", "/etc/inittab", "/etc/X11/xorg.conf", "/etc/modprobe.conf"}) {
    guest.config[path] = {path, text};
  }
  guest.found.push_back({"/etc/udev/rules.d", FileKind::directory, ""});
  guest.network = parse_interfaces(text, "/etc/network/interfaces").nics;
  found.guests.push_back(guest);
  found.chosen = 0;
  MachineSpec spec;
  spec.nics.emplace_back();
  spec.nics[0].mac = "00:50:56:00:00:01";
  conversion_json(plan_conversion(found, spec));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t which = data[0] % (editors().size() + 2);
  if (which < editors().size()) check(editors()[which], text);
  if (which == editors().size()) plan_whole(text);
  if (which == editors().size() + 1) {
    is_card_name(text);
    card_order(text);
  }
  return 0;
}
