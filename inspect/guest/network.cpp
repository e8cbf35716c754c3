// SPDX-License-Identifier: MIT
#include "inspect/guest/network.h"

#include "inspect/guest/boot_menu.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/network_files.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

class NetworkFinder {
 public:
  NetworkFinder(GuestReader& reader, GuestFacts& facts) : reader_(reader), facts_(facts) {}

  void find() {
    interfaces("/etc/network/interfaces", 0);
    for (const char* const folder : {"/etc/netplan", "/lib/netplan"}) {
      each_file(folder, ".yaml", parse_netplan);
      each_file(folder, ".yml", parse_netplan);
    }
    for (const char* const folder :
         {"/etc/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections"}) {
      each_file(folder, "", parse_nm_keyfile);
    }
    for (const char* const folder : {"/etc/sysconfig/network-scripts", "/etc/sysconfig/network"}) {
      ifcfg(folder);
    }
    each_file("/etc/systemd/network", ".network", parse_networkd);
    each_rule("/etc/udev/rules.d", "-net.rules", parse_udev_net_rules);
    each_rule("/etc/systemd/network", ".link", parse_link_file);
  }

 private:
  void add(std::vector<NicFacts> nics) {
    for (NicFacts& nic : nics) {
      if (facts_.network.size() < kNics) facts_.network.push_back(std::move(nic));
    }
  }

  template <typename Parse>
  void each_file(const std::string& folder, std::string_view suffix, const Parse& parse) {
    for (const std::string& path : reader_.files(folder, suffix)) {
      if (++files_read_ > kNics) return;
      if (const auto text = reader_.config(path)) add(parse(*text, path));
    }
  }

  void ifcfg(const std::string& folder) {
    for (const std::string& path : reader_.files(folder, "")) {
      const std::string_view name = base_name(path);
      const bool leftover = name.ends_with(".rpmsave") || name.ends_with(".rpmnew") ||
                            name.ends_with(".bak") || name.ends_with("~") ||
                            name.ends_with(".orig");
      if (!name.starts_with("ifcfg-") || leftover || ++files_read_ > kNics) continue;
      if (const auto text = reader_.config(path)) add(parse_ifcfg(*text, path));
    }
  }

  template <typename Parse>
  void each_rule(const std::string& folder, std::string_view suffix, const Parse& parse) {
    for (const std::string& path : reader_.files(folder, suffix)) {
      if (++files_read_ > 2 * kNics) return;
      const auto text = reader_.config(path);
      if (!text) continue;
      for (NicNameRule& rule : parse(*text, path)) {
        if (facts_.nic_names.size() < kNics) facts_.nic_names.push_back(std::move(rule));
      }
    }
  }

  void interfaces(const std::string& path, unsigned depth) {
    if (depth > kIncludeDepth || ++files_read_ > kNics) return;
    const auto text = reader_.config(path);
    if (!text) return;
    InterfacesFile file = parse_interfaces(*text, path);
    add(std::move(file.nics));
    for (const std::string& source : file.sources) include(source, depth + 1);
  }

  /// Patterns stand in the last part of the path only, as ifupdown's own files have them.
  void include(const std::string& source, unsigned depth) {
    if (++includes_ > kFilesIncluded) return;
    const std::string path = source.starts_with('/') ? source : "/etc/network/" + source;
    const std::size_t slash = path.rfind('/');
    const std::string folder = path.substr(0, slash);
    const std::string pattern = path.substr(slash + 1);
    if (pattern.find_first_of("*?") == std::string::npos) return interfaces(path, depth);
    for (const std::string& file : reader_.files(folder, "")) {
      if (fits_pattern(pattern, base_name(file))) interfaces(file, depth);
    }
  }

  GuestReader& reader_;
  GuestFacts& facts_;
  std::size_t files_read_ = 0;
  std::size_t includes_ = 0;
};

}  // namespace

void find_network(GuestReader& reader, GuestFacts& facts) { NetworkFinder(reader, facts).find(); }

}  // namespace v2vfs::inspect
