// SPDX-License-Identifier: MIT
#include "inspect/guest/network_files.h"

#include <algorithm>
#include <cctype>

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"
#include "inspect/guest/yaml_scalars.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostAddresses = 64;

void add(std::vector<std::string>& list, std::string_view value) {
  if (!value.empty() && list.size() < kMostAddresses) list.emplace_back(value);
}

/// "a,b c;d" -> four.
void add_all(std::vector<std::string>& list, std::string_view values) {
  while (!values.empty()) {
    const std::size_t end = std::min(values.find_first_of(" \t,;"), values.size());
    add(list, values.substr(0, end));
    values.remove_prefix(std::min(end + 1, values.size()));
  }
}

std::string with_prefix(const std::string& address, const std::string& prefix_or_mask) {
  if (address.find('/') != std::string::npos || prefix_or_mask.empty()) return address;
  if (const auto prefix = prefix_of_netmask(prefix_or_mask)) {
    return address + "/" + std::to_string(*prefix);
  }
  return leading_number(prefix_or_mask).digits == prefix_or_mask.size()
             ? address + "/" + prefix_or_mask
             : address;
}

NicFacts nic(std::string name, const std::string& file, const char* style) {
  NicFacts facts;
  facts.name = std::move(name);
  facts.file = file;
  facts.style = style;
  facts.method = "unknown";
  return facts;
}

std::string method_of_bootproto(const std::string& bootproto, bool has_address) {
  const std::string lower = to_lower(bootproto);
  if (lower.starts_with("dhcp") || lower == "bootp") return "dhcp";
  if (lower == "static" || (has_address && lower != "ibft")) return "static";
  return lower == "none" || lower.empty() ? "none" : lower;
}

void take_interfaces_option(NicFacts& nic, std::string_view key, std::string_view value,
                            std::string& netmask) {
  if (key == "address") add(nic.addresses, words_of(value).empty() ? "" : words_of(value)[0]);
  if (key == "netmask") netmask = value;
  if (key == "gateway") add(nic.gateways, value);
  if (key == "dns-nameservers") add_all(nic.dns, value);
  if (key == "hwaddress") {
    for (const std::string_view word : words_of(value)) {
      if (const std::string mac = plain_mac(word); !mac.empty()) nic.mac = mac;
    }
  }
  if (!netmask.empty() && !nic.addresses.empty()) {
    nic.addresses.back() = with_prefix(nic.addresses.back(), netmask);
  }
}

bool is_yes(std::string_view text) {
  const std::string lower = to_lower(text);
  return lower == "true" || lower == "yes" || lower == "on" || lower == "1";
}

void take_netplan_scalar(NicFacts& nic, const std::vector<std::string>& path,
                         const std::string& value) {
  const std::string& key = path[3];
  if ((key == "dhcp4" || key == "dhcp6") && is_yes(value)) nic.method = "dhcp";
  if (key == "addresses" && path.size() == 4) {
    add(nic.addresses, value);
    if (nic.method != "dhcp") nic.method = "static";
  }
  if ((key == "gateway4" || key == "gateway6")) add(nic.gateways, value);
  if (key == "routes" && path.size() == 5 && path[4] == "via") add(nic.gateways, value);
  if (key == "nameservers" && path.size() == 5 && path[4] == "addresses") add(nic.dns, value);
  if (key == "macaddress" || (key == "match" && path.back() == "macaddress")) {
    nic.mac = plain_mac(value);
  }
  if (key == "set-name" || (key == "match" && path.back() == "name")) nic.name = value;
}

/// NAME=="value" or NAME="value" of a udev rule; empty: it is not in it.
std::string udev_value(std::string_view line, std::string_view key) {
  for (std::size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
    const bool starts =
        at == 0 || line[at - 1] == ',' || line[at - 1] == ' ' || line[at - 1] == '\t';
    std::string_view rest = line.substr(at + key.size());
    if (!starts || !rest.starts_with('=')) continue;
    rest.remove_prefix(rest.starts_with("==") ? 2 : 1);
    if (!rest.starts_with('"')) continue;
    const std::size_t end = rest.find('"', 1);
    if (end != std::string_view::npos) return std::string(rest.substr(1, end - 1));
  }
  return "";
}

}  // namespace

std::string plain_mac(std::string_view text) {
  std::string mac;
  for (const char c : to_lower(trim(text))) {
    if (c == ':' || c == '-') continue;
    if (!std::isxdigit(static_cast<unsigned char>(c)) || mac.size() > 16) return "";
    if (mac.size() % 3 == 2) mac += ':';
    mac += c;
  }
  return mac.size() == 17 ? mac : "";
}

std::optional<unsigned> prefix_of_netmask(std::string_view netmask) {
  std::uint32_t mask = 0;
  for (int part = 0; part < 4; ++part) {
    const LeadingNumber number = leading_number(netmask);
    if (number.digits == 0 || number.value > 255) return std::nullopt;
    mask = mask << 8 | number.value;
    netmask.remove_prefix(number.digits);
    if (part < 3) {
      if (!netmask.starts_with('.')) return std::nullopt;
      netmask.remove_prefix(1);
    }
  }
  if (!netmask.empty() || (~mask & (~mask + 1)) != 0) return std::nullopt;
  return static_cast<unsigned>(__builtin_popcount(mask));
}

InterfacesFile parse_interfaces(std::string_view text, const std::string& file) {
  InterfacesFile found;
  std::string netmask;
  bool in_iface = false;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty() || line[0] == '#') continue;
    const auto words = words_of(line);
    const std::string_view key = words[0];
    const std::string_view rest = trim(line.substr(key.size()));
    if (key == "iface") {
      in_iface = words.size() > 1 && words[1] != "lo" && found.nics.size() < kNics;
      netmask.clear();
      if (!in_iface) continue;
      found.nics.push_back(nic(std::string(words[1]), file, "ifupdown"));
      if (words.size() > 3) found.nics.back().method = words[3];
    } else if (key == "source" || key == "source-directory") {
      in_iface = false;
      if (found.sources.size() < kFilesIncluded) {
        found.sources.push_back(std::string(rest) + (key == "source" ? "" : "/*"));
      }
    } else if (key == "auto" || key.starts_with("allow-") || key == "mapping" ||
               key == "no-auto-down") {
      in_iface = false;
    } else if (in_iface) {
      take_interfaces_option(found.nics.back(), key, rest, netmask);
    }
  }
  return found;
}

std::vector<NicFacts> parse_netplan(std::string_view text, const std::string& file) {
  std::vector<NicFacts> nics;
  std::vector<std::string> ids;
  for (const YamlScalar& scalar : yaml_scalars(text)) {
    const auto& path = scalar.path;
    const bool device = path.size() >= 4 && path[0] == "network" &&
                        (path[1] == "ethernets" || path[1] == "bonds" || path[1] == "bridges" ||
                         path[1] == "vlans");
    if (!device) continue;
    auto known = std::find(ids.begin(), ids.end(), path[2]);
    if (known == ids.end()) {
      if (nics.size() >= kNics) continue;
      ids.push_back(path[2]);
      nics.push_back(nic(path[2], file, "netplan"));
      known = ids.end() - 1;
    }
    take_netplan_scalar(nics[static_cast<std::size_t>(known - ids.begin())], path, scalar.value);
  }
  return nics;
}

std::vector<NicFacts> parse_nm_keyfile(std::string_view text, const std::string& file) {
  NicFacts found = nic("", file, "networkmanager");
  std::string type;
  for (const IniLine& line : ini_lines(text)) {
    const bool address = line.key.starts_with("address") && line.key != "address-data";
    if (line.section == "connection" && line.key == "type") type = line.value;
    if (line.section == "connection" && line.key == "interface-name") found.name = line.value;
    if (line.section.find("ethernet") != std::string::npos && line.key == "mac-address") {
      found.mac = plain_mac(line.value);
    }
    if (line.section == "ipv4" && line.key == "method") {
      found.method = line.value == "auto" ? "dhcp" : line.value == "manual" ? "static" : line.value;
    }
    if (line.section != "ipv4" && line.section != "ipv6") continue;
    if (address) {
      const std::size_t comma = std::min(line.value.find(','), line.value.size());
      add(found.addresses, std::string_view(line.value).substr(0, comma));
      if (comma < line.value.size()) {
        add(found.gateways, std::string_view(line.value).substr(comma + 1));
      }
    }
    if (line.key == "gateway") add(found.gateways, line.value);
    if (line.key == "dns") add_all(found.dns, line.value);
  }
  const bool wired = type == "ethernet" || type == "802-3-ethernet" || type == "bond" ||
                     type == "bridge" || type == "vlan";
  return wired ? std::vector<NicFacts>{found} : std::vector<NicFacts>();
}

std::vector<NicFacts> parse_ifcfg(std::string_view text, const std::string& file) {
  auto values = assignments_of(text);
  const std::string_view file_name = base_name(file);
  if (!file_name.starts_with("ifcfg-")) return {};
  std::string name(file_name.substr(6));
  for (const char* const key : {"DEVICE", "INTERFACE"}) {
    if (!values[key].empty()) name = values[key];
  }
  if (name == "lo") return {};
  NicFacts found = nic(name, file, "ifcfg");
  for (const char* const key : {"LLADDR", "MACADDR", "HWADDR"}) {
    if (const std::string mac = plain_mac(values[key]); !mac.empty()) found.mac = mac;
  }
  for (const std::string number : {"", "0", "1", "2", "3", "4", "_0", "_1", "_2"}) {
    std::string address = values["IPADDR" + number];
    if (address.empty()) continue;
    const std::string& prefix = values["PREFIX" + number].empty() ? values["PREFIXLEN" + number]
                                                                  : values["PREFIX" + number];
    add(found.addresses,
        with_prefix(address, prefix.empty() ? values["NETMASK" + number] : prefix));
  }
  add(found.gateways, values["GATEWAY"]);
  for (const char* const key : {"DNS1", "DNS2", "DNS3"}) add(found.dns, values[key]);
  found.method = method_of_bootproto(values["BOOTPROTO"], !found.addresses.empty());
  return {found};
}

std::vector<NicFacts> parse_networkd(std::string_view text, const std::string& file) {
  NicFacts found = nic("", file, "networkd");
  bool dhcp = false;
  for (const IniLine& line : ini_lines(text)) {
    if (line.section == "Match" && line.key == "Name") found.name = line.value;
    if (line.section == "Match" &&
        (line.key == "MACAddress" || line.key == "PermanentMACAddress")) {
      found.mac = plain_mac(line.value);
    }
    const bool addressing = line.section == "Network" || line.section == "Address";
    if (addressing && line.key == "Address") add(found.addresses, line.value);
    const bool gateway =
        (line.section == "Network" || line.section == "Route") && line.key == "Gateway";
    if (gateway) add(found.gateways, line.value);
    if (line.section == "Network" && line.key == "DNS") add_all(found.dns, line.value);
    if (line.section == "Network" && line.key == "DHCP") {
      const std::string lower = to_lower(line.value);
      dhcp = is_yes(lower) || lower == "ipv4" || lower == "ipv6" || lower == "both";
    }
  }
  found.method = dhcp ? "dhcp" : found.addresses.empty() ? "none" : "static";
  if (found.name == "lo" || (found.name.empty() && found.mac.empty())) return {};
  return {found};
}

std::vector<NicNameRule> parse_udev_net_rules(std::string_view text, const std::string& file) {
  std::vector<NicNameRule> rules;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty() || line[0] == '#' || rules.size() >= kNics) continue;
    std::string mac = plain_mac(udev_value(line, "ATTR{address}"));
    if (mac.empty()) mac = plain_mac(udev_value(line, "SYSFS{address}"));
    const std::string name = udev_value(line, "NAME");
    if (!mac.empty() && !name.empty()) rules.push_back({name, mac, file});
  }
  return rules;
}

std::vector<NicNameRule> parse_link_file(std::string_view text, const std::string& file) {
  NicNameRule rule{"", "", file};
  for (const IniLine& line : ini_lines(text)) {
    const bool mac = line.key == "MACAddress" || line.key == "PermanentMACAddress";
    if (line.section == "Match" && mac) {
      const auto words = words_of(line.value);
      if (!words.empty()) rule.mac = plain_mac(words[0]);
    }
    if (line.section == "Link" && line.key == "Name") rule.name = line.value;
  }
  return rule.name.empty() || rule.mac.empty() ? std::vector<NicNameRule>()
                                               : std::vector<NicNameRule>{rule};
}

}  // namespace v2vfs::inspect
