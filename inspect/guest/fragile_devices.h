// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/device_names.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// Lines of fstab and crypttab that name a device by a name that hardware decides. Pure.
std::vector<FragileDevice> fragile_devices(const std::vector<FstabEntry>& fstab,
                                           const std::vector<CrypttabEntry>& crypttab,
                                           const DeviceNames& names);

/// The same of a text that has kernel command lines in it, or parts of them: a boot menu, an entry,
/// /etc/default/grub, initramfs-tools' conf.d. Words are root=, resume= (in capitals too) and
/// cryptdevice= (see bootparam(7) and the initramfs's own manuals), wherever they stand but in a
/// comment. At most kBootEntries of them. Pure.
std::vector<FragileDevice> fragile_words(const std::string& file, std::string_view text,
                                         const DeviceNames& names);

}  // namespace v2vfs::inspect
