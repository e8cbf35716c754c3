// SPDX-License-Identifier: MIT
#include "inspect/guest/bootloader.h"

#include <algorithm>
#include <set>

#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/fstab.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// "(hd0,msdos1)/x" and "($root)/x" are "/x"; "$prefix" is the folder of the configuration.
std::string without_device(std::string path, const std::string& config_folder) {
  if (path.starts_with('(')) {
    const std::size_t close = path.find(')');
    path = close == std::string::npos ? "" : path.substr(close + 1);
  }
  for (const std::string prefix : {"$prefix", "${prefix}", "${config_directory}"}) {
    if (path.starts_with(prefix)) return config_folder + path.substr(prefix.size());
  }
  return path;
}

/// "a/../b" of a relative name; whatever climbs above the root stays there.
std::string collapsed(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  std::string out;
  for (const std::string_view part : parts) out += "/" + std::string(part);
  return out.empty() ? "/" : out;
}

class BootloaderFinder {
 public:
  BootloaderFinder(GuestReader& reader, Firmware firmware, std::string subvolume)
      : reader_(reader), firmware_(firmware), subvolume_(std::move(subvolume)) {}

  BootloaderFacts find() {
    const bool found = (firmware_ == Firmware::uefi && (systemd_boot() || grub2_of_esp())) ||
                       grub2() || grub_legacy() || syslinux() ||
                       (firmware_ != Firmware::uefi && systemd_boot()) || loader_entries_alone() ||
                       unified_images() || lilo();
    if (found) finish();
    take_defaults();
    return std::move(facts_);
  }

 private:
  // Where a file of a boot loader is in the tree: its own root may be /boot or the ESP.
  std::string tree_path(const std::string& raw, const std::string& config_folder) {
    std::string path = without_device(raw, config_folder);
    if (path.empty()) return raw;
    if (!path.starts_with('/')) path = config_folder + "/" + path;
    path = collapsed(path);
    std::vector<std::string> candidates = {path, "/boot" + path, esp_ + path, "/boot/efi" + path,
                                           "/efi" + path};
    const std::string top = "/" + subvolume_;
    if (!subvolume_.empty() && path.starts_with(top + "/")) {
      candidates.insert(candidates.begin(), path.substr(top.size()));
    }
    for (const std::string& candidate : candidates) {
      if (known_files_.count(candidate) > 0) return candidate;
      if (!reader_.is_file(candidate)) continue;
      known_files_.insert(candidate);
      return candidate;
    }
    return path;
  }

  const std::vector<std::string>& esp_folders() {
    static const std::vector<std::string> folders = {"/boot/efi", "/efi", "/boot"};
    return folders;
  }

  bool systemd_boot() {
    for (const std::string& folder : esp_folders()) {
      const auto loader = reader_.config(folder + "/loader/loader.conf");
      if (!loader) continue;
      esp_ = folder;
      take_entries_folder(folder + "/loader/entries", {});
      // Entries and kernels may stand on a partition of their own (XBOOTLDR).
      if (folder != "/boot") take_entries_folder("/boot/loader/entries", {});
      if (menu_.entries.empty()) continue;
      facts_.kind = "systemd-boot";
      facts_.config_path = folder + "/loader/loader.conf";
      take_loader_default(*loader);
      return true;
    }
    return false;
  }

  void take_loader_default(const std::string& loader) {
    facts_.default_source = "loader.conf";
    for (const std::string_view line : lines_of(loader)) {
      const auto words = words_of(without_comment(line));
      if (words.size() < 2 || words[0] != "default") continue;
      for (const MenuEntry& each : menu_.entries) {
        const std::string file = each.entry.id + ".conf";
        if (fits_pattern(words[1], file) || fits_pattern(words[1], each.entry.id)) {
          menu_.default_name = each.entry.id;
          return;
        }
      }
    }
  }

  void take_entries_folder(const std::string& folder,
                           const std::map<std::string, std::string>& environment) {
    std::vector<MenuEntry> entries;
    for (const std::string& path : reader_.files(folder, ".conf")) {
      if (entries.size() >= kBootEntries) break;
      const auto text = reader_.config(path);
      if (!text) continue;
      const std::string_view name = base_name(path);
      MenuEntry entry = parse_bls_entry(name.substr(0, name.size() - 5), *text, environment);
      if (entry.entry.kernel.empty()) continue;
      entry.entry.file = path;
      entries.push_back(std::move(entry));
    }
    sort_bls_entries(entries);
    menu_.entries.insert(menu_.entries.begin(), entries.begin(), entries.end());
  }

  std::map<std::string, std::string> environment_for(const std::string& config) {
    for (const std::string& folder :
         {folder_of(config), std::string("/boot/grub2"), std::string("/boot/grub")}) {
      if (const auto text = reader_.config(folder + "/grubenv")) return parse_grubenv(*text);
    }
    return {};
  }

  bool grub2_of_esp() {
    for (const std::string folder : {"/boot/efi/EFI", "/efi/EFI", "/boot/EFI"}) {
      for (const FileEntry& vendor : reader_.list(folder)) {
        if (vendor.stat.kind != FileKind::directory) continue;
        const std::string path = folder + "/" + vendor.name + "/grub.cfg";
        if (take_grub2(path)) return true;
      }
    }
    return false;
  }

  bool grub2() {
    return take_grub2("/boot/grub2/grub.cfg") || take_grub2("/boot/grub/grub.cfg") ||
           take_grub2("/boot/efi/boot/grub/grub.cfg");
  }

  /// True if the file, or one that it hands over to, has entries.
  bool take_grub2(const std::string& path) {
    const auto text = reader_.config(path);
    if (!text || depth_ >= kIncludeDepth) return false;
    const auto environment = environment_for(path);
    BootMenu menu = parse_grub2(*text, environment);
    for (MenuEntry& each : menu.entries) each.entry.file = path;
    if (menu.entries.empty() && !menu.uses_bls) return take_includes(menu, path);
    menu_ = std::move(menu);
    if (menu_.uses_bls) take_entries_folder("/boot/loader/entries", environment);
    facts_.kind = "grub2";
    facts_.config_path = path;
    facts_.uses_bls = menu_.uses_bls;
    facts_.default_source = environment.count("saved_entry") > 0 &&
                                    environment.at("saved_entry") == menu_.default_name &&
                                    !menu_.default_name.empty()
                                ? "grubenv"
                                : "config";
    return true;
  }

  bool take_includes(const BootMenu& menu, const std::string& path) {
    ++depth_;
    bool found = false;
    for (const std::string& raw : menu.includes) {
      if (found) break;
      std::string target = without_device(raw, folder_of(path));
      // The stub on an ESP names the other file by the boot partition's own paths: $prefix is
      // there.
      const std::string name =
          target.substr(target.find("/grub") == std::string::npos ? 0 : target.find("/grub"));
      for (const std::string& candidate : {"/boot" + name, target, "/boot" + target}) {
        if (!found && candidate != path && candidate.starts_with('/')) {
          found = take_grub2(collapsed(candidate));
        }
      }
    }
    --depth_;
    return found;
  }

  bool grub_legacy() {
    for (const std::string path :
         {"/boot/grub/menu.lst", "/boot/grub/grub.conf", "/boot/efi/EFI/redhat/grub.conf"}) {
      const auto text = reader_.config(path);
      if (!text) continue;
      BootMenu menu = parse_grub_legacy(*text);
      if (menu.entries.empty()) continue;
      menu_ = std::move(menu);
      for (MenuEntry& each : menu_.entries) each.entry.file = path;
      facts_.kind = "grub";
      facts_.config_path = path;
      facts_.default_source = "config";
      if (menu_.default_name == "saved") take_saved_legacy(folder_of(path));
      return true;
    }
    return false;
  }

  /// GRUB 0.9x keeps the number in a file of its own, with a text behind it.
  void take_saved_legacy(const std::string& folder) {
    const auto saved = reader_.config(folder + "/default");
    menu_.default_name = std::to_string(saved ? leading_number(*saved).value : 0);
  }

  bool syslinux() {
    for (const std::string path :
         {"/boot/extlinux/extlinux.conf", "/boot/extlinux.conf", "/extlinux.conf",
          "/boot/syslinux/extlinux.conf", "/boot/syslinux/syslinux.cfg", "/boot/syslinux.cfg"}) {
      if (!take_syslinux(path)) continue;
      facts_.kind = "extlinux";
      facts_.config_path = path;
      facts_.default_source = "config";
      return true;
    }
    return false;
  }

  bool take_syslinux(const std::string& path) {
    const auto text = reader_.config(path);
    if (!text || depth_ >= kIncludeDepth) return false;
    BootMenu menu = parse_syslinux(*text);
    if (menu_.default_name.empty()) menu_.default_name = menu.default_name;
    for (MenuEntry& each : menu.entries) {
      each.entry.file = path;
      each.steps.back().index = menu_.entries.size();
      if (menu_.entries.size() < kBootEntries) menu_.entries.push_back(std::move(each));
    }
    ++depth_;
    for (const std::string& include : menu.includes) {
      take_syslinux(include.starts_with('/') ? include : folder_of(path) + "/" + include);
    }
    --depth_;
    return !menu_.entries.empty();
  }

  bool loader_entries_alone() {
    take_entries_folder("/boot/loader/entries", environment_for("/boot/grub2/grub.cfg"));
    if (menu_.entries.empty()) return false;
    facts_.kind = "bls";
    facts_.config_path = "/boot/loader/entries";
    facts_.uses_bls = true;
    return true;
  }

  bool unified_images() {
    for (const std::string& folder : esp_folders()) {
      for (const std::string& path : reader_.files(folder + "/EFI/Linux", ".efi")) {
        if (menu_.entries.size() >= kBootEntries) break;
        MenuEntry found;
        found.entry.title = found.entry.id = base_name(path);
        found.entry.kernel = found.entry.file = path;
        found.steps.push_back({menu_.entries.size(), found.entry.title, found.entry.id});
        menu_.entries.push_back(std::move(found));
      }
    }
    if (menu_.entries.empty()) return false;
    facts_.kind = "uki";
    return true;
  }

  bool lilo() {
    for (const std::string path : {"/etc/lilo.conf", "/etc/elilo.conf"}) {
      const auto text = reader_.config(path);
      if (!text) continue;
      menu_ = parse_lilo(*text);
      if (menu_.entries.empty()) continue;
      for (MenuEntry& each : menu_.entries) each.entry.file = path;
      facts_.kind = path == "/etc/lilo.conf" ? "lilo" : "elilo";
      facts_.config_path = path;
      return true;
    }
    return false;
  }

  void finish() {
    facts_.default_entry = find_default(menu_);
    if (!facts_.default_entry && !menu_.entries.empty()) {
      facts_.default_entry = 0;  // as grub does with a name that fits nothing
      facts_.default_source = "first";
    }
    if (menu_.default_name.empty()) facts_.default_source = "first";
    for (MenuEntry& each : menu_.entries) {
      BootEntry entry = std::move(each.entry);
      const std::string folder = folder_of(facts_.config_path);
      if (!entry.kernel.empty()) entry.kernel = tree_path(entry.kernel, folder);
      for (std::string& initrd : entry.initrds) initrd = tree_path(initrd, folder);
      facts_.entries.push_back(std::move(entry));
    }
  }

  void take_defaults() {
    const auto text = reader_.config("/etc/default/grub");
    if (!text) return;
    auto values = assignments_of(*text);
    facts_.defaults_path = "/etc/default/grub";
    facts_.defaults_cmdline = std::string(
        trim(values["GRUB_CMDLINE_LINUX"] + " " + values["GRUB_CMDLINE_LINUX_DEFAULT"]));
  }

  GuestReader& reader_;
  Firmware firmware_;
  std::string subvolume_;
  std::string esp_ = "/boot/efi";
  BootloaderFacts facts_;
  BootMenu menu_;
  std::set<std::string> known_files_;
  unsigned depth_ = 0;
};

}  // namespace

BootloaderFacts find_bootloader(GuestReader& reader, Firmware firmware,
                                const std::string& root_subvolume) {
  return BootloaderFinder(reader, firmware, root_subvolume).find();
}

}  // namespace v2vfs::inspect
