// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Edits of files that say what runs in a guest. As config_edits.h: words or whole lines change,
/// nothing else; twice is the same as once.
namespace v2vfs::convert {

/// inittab(5): the login on Xen's console (hvc0, xvc0) goes to the first serial port; where there
/// is one already it is commented out.
std::string edit_inittab_console(std::string_view text);

/// Citrix's tools comment out the logins on the screen: they come back.
std::string restore_inittab_logins(std::string_view text);

/// securetty(5): hvc0 or xvc0 becomes ttyS0, unless that is there.
std::string edit_securetty(std::string_view text);

/// xorg.conf: a display driver of a hypervisor's becomes `driver`, and its card's place (BusID) a
/// comment.
std::string edit_xorg(std::string_view text, std::string_view driver);

/// "alias eth0 vmxnet" and "alias scsi_hostadapter mptspi" of modprobe.conf(5): `nic` and the
/// `disks`, first of them first; aliases beyond them go. A text without one gets none.
std::string edit_modprobe_aliases(std::string_view text, std::string_view nic,
                                  const std::vector<std::string>& disks);
bool has_disk_alias(std::string_view text);

/// Sections of a yum or zypp repository at packages.vmware.com: enabled=0.
std::string disable_vmware_repositories(std::string_view text);
/// The same of sources.list(5): its lines become comments.
std::string disable_vmware_sources(std::string_view text);

/// NAME="a b" or NAME=(a b): words that are missing behind those that are there, and without those
/// in `not_wanted`. A text without such a line stays.
std::string add_words(std::string_view text, std::string_view name,
                      const std::vector<std::string>& wanted,
                      const std::vector<std::string>& not_wanted = {});

}  // namespace v2vfs::convert
