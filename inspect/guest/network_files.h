// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

/// What the files of Linux's network tools say of NICs, text by text. Pure; loopback is left out.
/// `file` becomes NicFacts::file. At most kNics each.
namespace v2vfs::inspect {

struct InterfacesFile {
  std::vector<NicFacts> nics;
  std::vector<std::string> sources;  // source and source-directory, as written (patterns)
};
InterfacesFile parse_interfaces(std::string_view text, const std::string& file);  // interfaces(5)

std::vector<NicFacts> parse_netplan(std::string_view text, const std::string& file);

/// A keyfile of NetworkManager; no NIC where it is another kind of connection.
std::vector<NicFacts> parse_nm_keyfile(std::string_view text, const std::string& file);

/// ifcfg-NAME of Red Hat's and SUSE's sysconfig.
std::vector<NicFacts> parse_ifcfg(std::string_view text, const std::string& file);

/// A .network file of systemd-networkd.
std::vector<NicFacts> parse_networkd(std::string_view text, const std::string& file);

/// 70-persistent-net.rules and what is written like it.
std::vector<NicNameRule> parse_udev_net_rules(std::string_view text, const std::string& file);

/// systemd.link(5).
std::vector<NicNameRule> parse_link_file(std::string_view text, const std::string& file);

/// "00-50-56-AA-BB-CC" -> "00:50:56:aa:bb:cc"; empty: no MAC address.
std::string plain_mac(std::string_view text);

/// "255.255.255.0" -> 24; nullopt: no netmask.
std::optional<unsigned> prefix_of_netmask(std::string_view netmask);

}  // namespace v2vfs::inspect
