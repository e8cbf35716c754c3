// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

/// What boot loaders' configuration says, text by text. Pure: paths are as written
/// ("(hd0,msdos1)/x",
/// "/@/boot/x"), nothing is looked up, nothing is executed. At most kBootEntries a text.
namespace v2vfs::inspect {

/// One menu or submenu on the way to an entry; grub names each by number, title or id.
struct MenuStep {
  std::size_t index = 0;
  std::string title;
  std::string id;
};

struct MenuEntry {
  BootEntry entry;
  std::vector<MenuStep> steps;  // the entry itself is the last one
};

struct BootMenu {
  std::vector<MenuEntry> entries;
  std::string default_name;  // "0", "1>2", a title, an id, "saved"; empty: not said
  bool uses_bls = false;
  std::vector<std::string> includes;  // files that it goes on in
};

/// grub.cfg of GRUB 2, as grub-mkconfig writes it; a default taken from the environment block is
/// looked up in `environment`. Conditions are not evaluated: every menuentry counts.
BootMenu parse_grub2(std::string_view text, const std::map<std::string, std::string>& environment);

/// menu.lst, grub.conf of GRUB 0.9x.
BootMenu parse_grub_legacy(std::string_view text);

/// isolinux.cfg, extlinux.conf, syslinux.cfg.
BootMenu parse_syslinux(std::string_view text);

/// lilo.conf.
BootMenu parse_lilo(std::string_view text);

/// The environment block: "# GRUB Environment Block", NAME=VALUE lines, filled with '#'.
std::map<std::string, std::string> parse_grubenv(std::string_view text);

/// One file of the Boot Loader Specification; `name` is the file's, without ".conf". $kernelopts
/// and its like are replaced from `environment`.
MenuEntry parse_bls_entry(std::string_view name, std::string_view text,
                          const std::map<std::string, std::string>& environment);

/// Newest first, as grub's blscfg and systemd-boot list them: by file name as versions.
void sort_bls_entries(std::vector<MenuEntry>& entries);

/// Less than zero, zero, more: versions as rpm compares them (rpmvercmp).
int compare_versions(std::string_view a, std::string_view b);

/// Which entry a default names; nullopt where none fits. An empty name or one that names a submenu
/// is the first entry there.
std::optional<std::size_t> find_default(const BootMenu& menu);

/// Whether `name` fits a pattern of '*' and '?' (loader.conf's default). Bounded time.
bool fits_pattern(std::string_view pattern, std::string_view name);

}  // namespace v2vfs::inspect
