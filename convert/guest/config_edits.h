// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "convert/guest/text_edit.h"

/// Edits of the tables in which a guest names its devices, one kind of text each: words change,
/// nothing else. Pure; a text that has nothing to change comes back as it is, and a second run on
/// the result changes nothing.
namespace v2vfs::convert {

/// How one table's names change: `tag` where UUID= is read, `link` where a path is wanted, `part`
/// for what has no UUID that lasts (swap with a key of its own at each boot).
struct Renames {
  Rename tag;
  Rename link;
  Rename part;
};

/// fstab(5): the first word of each line, and devices in its options (logdev=, device=, ...).
std::string edit_fstab(std::string_view text, const Renames& renames);

/// Filesystems that a hypervisor gives to its guests (vmhgfs, vboxsf, prl_fs): without the
/// hypervisor a systemd guest stops at them. They get "nofail".
std::string let_shared_folders_fail(std::string_view text);

/// crypttab(5), also an initrd's: the second word, a key's device, header=.
std::string edit_crypttab(std::string_view text, const Renames& renames);

/// conf.d/cryptroot in images of old initramfs-tools: "target=x,source=/dev/sda5,...".
std::string edit_cryptroot(std::string_view text, const Rename& rename);

/// device.map of GRUB: the second word of each line.
std::string edit_device_map(std::string_view text, const Rename& rename);

/// What= of a mount unit.
std::string edit_mount_unit(std::string_view text, const Rename& link);

/// NAME=VALUE as a shell reads it: the whole value of each of these names, quoted or not.
std::string edit_assignments(std::string_view text, const std::set<std::string_view>& names,
                             const Rename& rename);

/// dracut's waits ([ -e "/dev/sda2" ]) and nash's mkrootdev and resume: every word that is a
/// device's name.
std::string edit_script_devices(std::string_view text, const Rename& rename);

}  // namespace v2vfs::convert
