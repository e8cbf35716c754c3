// SPDX-License-Identifier: MIT
#include "inspect/guest/windows_facts.h"

#include <fmt/core.h>

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/hypervisor_items.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/network_files.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostPrograms = 2000;
constexpr const char* kCurrentVersion = "Microsoft\\Windows NT\\CurrentVersion";

std::uint64_t little_endian(std::string_view bytes, std::size_t offset, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[offset + i]);
  }
  return value;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
            static_cast<char>(0x80 | (c & 0x3f))};
  } else {
    out += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)),
            static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
  }
}

/// A GUID as Windows stores it (the first three fields little-endian), written as Linux does.
std::string guid_text(std::string_view b) {
  std::string text = fmt::format("{:08x}-{:04x}-{:04x}-", little_endian(b, 0, 4),
                                 little_endian(b, 4, 2), little_endian(b, 6, 2));
  for (std::size_t i = 8; i < 16; ++i) {
    text += fmt::format("{:02x}", static_cast<std::uint8_t>(b[i]));
    if (i == 9) text += '-';
  }
  return text;
}

bool looks_like_antivirus(const Application& application) {
  const std::string text =
      to_lower(application.name + " " + application.display_name + " " + application.publisher);
  for (const char* const sign :
       {"virus", "kaspersky", "mcafee", "norton", "sophos", "apexonent", "avg technologies"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

class WindowsCollector {
 public:
  WindowsCollector(GuestReader& reader, const DiskFacts& disks, GuestFacts& facts)
      : reader_(reader), disks_(disks), facts_(facts) {}

  void collect(const std::string& systemroot, bool list_applications) {
    windows_.systemroot = systemroot;
    windows_.software_hive = hive("SOFTWARE");
    windows_.system_hive = hive("SYSTEM");
    identify();
    system();
    if (list_applications) applications();
    hibernation();
    drive_mappings();
    network();
    facts_.arch = arch();
    facts_.windows = std::move(windows_);
  }

 private:
  std::string hive(const std::string& name) {
    return reader_.resolve_case(windows_.systemroot + "/System32/config/" + name).value_or("");
  }

  std::string text(const std::string& hive, const std::string& key, const std::string& value) {
    if (hive.empty()) return "";
    const auto found = reader_.registry_value(hive, key, value);
    if (!found) return "";
    const auto strings = registry_strings(*found);
    return strings.empty() ? "" : strings[0];
  }

  std::optional<std::uint64_t> number(const std::string& hive, const std::string& key,
                                      const std::string& value) {
    if (hive.empty()) return std::nullopt;
    const auto found = reader_.registry_value(hive, key, value);
    return found ? registry_number(*found) : std::nullopt;
  }

  std::string software(const std::string& value) {
    return text(windows_.software_hive, kCurrentVersion, value);
  }

  void identify() {
    WindowsVersion version;
    version.product_name = software("ProductName");
    version.current_version = software("CurrentVersion");
    version.build = software("CurrentBuildNumber");
    if (version.build.empty()) version.build = software("CurrentBuild");
    version.installation_type = software("InstallationType");
    const auto major = number(windows_.software_hive, kCurrentVersion, "CurrentMajorVersionNumber");
    const auto minor = number(windows_.software_hive, kCurrentVersion, "CurrentMinorVersionNumber");
    if (major) version.major = static_cast<unsigned>(*major & 0xffff);
    if (minor) version.minor = static_cast<unsigned>(*minor & 0xffff);
    facts_.os = identify_windows(version);
    windows_.build = version.build;
    windows_.installation_type = version.installation_type;
    windows_.edition = software("EditionID");
    windows_.display_version = software("DisplayVersion");
    for (const std::string& key :
         keys("Microsoft\\Windows\\CurrentVersion\\Group Policy\\History")) {
      if (key.starts_with('{')) windows_.group_policy = true;
    }
  }

  std::vector<std::string> keys(const std::string& key) {
    if (windows_.software_hive.empty()) return {};
    return reader_.registry_keys(windows_.software_hive, key);
  }

  void system() {
    const auto current = number(windows_.system_hive, "Select", "Current");
    set_ = fmt::format("ControlSet{:03}", current.value_or(1) % 1000);
    windows_.current_control_set = set_;
    facts_.hostname =
        text(windows_.system_hive, set_ + "\\Services\\Tcpip\\Parameters", "Hostname");
    if (facts_.hostname.empty()) {
      facts_.hostname = text(windows_.system_hive, set_ + "\\Control\\ComputerName\\ComputerName",
                             "ComputerName");
    }
    windows_.fast_startup = number(windows_.system_hive, set_ + "\\Control\\Session Manager\\Power",
                                   "HiberbootEnabled") == 1u;
  }

  void applications() {
    facts_.package_format = "";
    for (const std::string top : {"Microsoft\\Windows\\CurrentVersion\\Uninstall",
                                  "Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall",
                                  "WOW6432NODE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"}) {
      for (const std::string& key : keys(top)) {
        if (facts_.applications.size() >= kMostPrograms) return;
        const std::string path = top + "\\" + key;
        Application found;
        found.name = key;
        found.display_name = text(windows_.software_hive, path, "DisplayName");
        if (found.display_name.empty() || known(key)) continue;
        found.version = text(windows_.software_hive, path, "DisplayVersion");
        found.publisher = text(windows_.software_hive, path, "Publisher");
        found.install_path = text(windows_.software_hive, path, "InstallLocation");
        found.url = text(windows_.software_hive, path, "URLInfoAbout");
        found.description = text(windows_.software_hive, path, "Comments");
        take(std::move(found));
      }
    }
  }

  bool known(const std::string& key) const {
    return std::any_of(facts_.applications.begin(), facts_.applications.end(),
                       [&](const Application& each) { return each.name == key; });
  }

  void take(Application application) {
    if (looks_like_antivirus(application)) windows_.antivirus = true;
    const std::string hypervisor = hypervisor_of_package(application.display_name);
    if (!hypervisor.empty()) {
      facts_.hypervisor_items.push_back({"package", hypervisor, application.display_name, ""});
    }
    facts_.applications.push_back(std::move(application));
  }

  /// hiberfil.sys that holds a saved memory starts with its mark; one that was used up, with zeros
  /// or another (ntfs-3g and Volatility agree on these).
  void hibernation() {
    const auto path = reader_.resolve_case("/hiberfil.sys");
    if (!path) return;
    reader_.attempt(*path, [&] {
      const std::string mark = to_lower(reader_.guest().read(*path, 0, 4));
      windows_.hibernated = mark == "hibr" || mark == "rstr";
    });
  }

  /// MountedDevices: an MBR partition by the disk's signature and the byte it starts at, a GPT
  /// partition by "DMIO:ID:" and its GUID.
  void drive_mappings() {
    for (char letter = 'A'; letter <= 'Z'; ++letter) {
      if (windows_.system_hive.empty()) return;
      const auto value = reader_.registry_value(windows_.system_hive, "MountedDevices",
                                                fmt::format("\\DosDevices\\{}:", letter));
      const std::string device = value ? device_of_mapping(value->bytes) : "";
      if (!device.empty()) windows_.drive_mappings.emplace_back(std::string(1, letter), device);
    }
  }

  std::string device_of_mapping(const std::string& bytes) const {
    if (bytes.size() == 24 && bytes.starts_with("DMIO:ID:")) {
      const std::string guid = guid_text(std::string_view(bytes).substr(8));
      for (const PartitionEntry& entry : disks_.storage.partitions) {
        if (equals_ignoring_case(entry.partuuid, guid)) return entry.device;
      }
    }
    if (bytes.size() != 12) return "";
    const std::string disk_id = fmt::format("{:08x}", little_endian(bytes, 0, 4));
    const std::uint64_t start = little_endian(bytes, 4, 8);
    for (const PartitionTable& table : disks_.storage.tables) {
      if (table.disk_id != disk_id) continue;
      for (const PartitionEntry& entry : disks_.storage.partitions) {
        if (entry.disk == table.disk && entry.start_bytes == start) return entry.device;
      }
    }
    return "";
  }

  void network() {
    if (windows_.system_hive.empty()) return;
    const std::string top = set_ + "\\Services\\Tcpip\\Parameters\\Interfaces";
    for (const std::string& key : reader_.registry_keys(windows_.system_hive, top)) {
      if (facts_.network.size() >= kNics) return;
      take_nic(key, top + "\\" + key);
    }
  }

  std::vector<std::string> texts(const std::string& key, const std::string& value) {
    const auto found = reader_.registry_value(windows_.system_hive, key, value);
    std::vector<std::string> strings =
        found ? registry_strings(*found) : std::vector<std::string>();
    std::erase_if(strings,
                  [](const std::string& each) { return each.empty() || each == "0.0.0.0"; });
    if (strings.size() > 64) strings.resize(64);
    return strings;
  }

  void take_nic(const std::string& name, const std::string& key) {
    NicFacts nic;
    nic.name = name;
    nic.style = "windows";
    nic.file = windows_.system_hive;
    const auto dhcp = number(windows_.system_hive, key, "EnableDHCP");
    const auto addresses = texts(key, "IPAddress");
    const auto masks = texts(key, "SubnetMask");
    if (!dhcp && addresses.empty()) return;
    nic.method = dhcp == 1u ? "dhcp" : "static";
    for (std::size_t i = 0; nic.method == "static" && i < addresses.size(); ++i) {
      const auto prefix = i < masks.size() ? prefix_of_netmask(masks[i]) : std::nullopt;
      nic.addresses.push_back(addresses[i] + (prefix ? "/" + std::to_string(*prefix) : ""));
    }
    nic.gateways = texts(key, "DefaultGateway");
    for (const std::string& server : texts(key, "NameServer")) nic.dns.push_back(server);
    facts_.network.push_back(std::move(nic));
  }

  std::string arch() {
    std::string found;
    const auto path = reader_.resolve_case(windows_.systemroot + "/System32/cmd.exe");
    if (!path) return found;
    reader_.attempt(*path, [&] { found = pe_arch(reader_.guest().read(*path, 0, 4096)); });
    return found;
  }

  GuestReader& reader_;
  const DiskFacts& disks_;
  GuestFacts& facts_;
  WindowsFacts windows_;
  std::string set_;
};

}  // namespace

std::vector<std::string> registry_strings(const RegistryValue& value) {
  constexpr std::uint32_t kText = 1;
  constexpr std::uint32_t kExpandText = 2;
  constexpr std::uint32_t kMultiText = 7;
  std::vector<std::string> strings;
  if (value.type != kText && value.type != kExpandText && value.type != kMultiText) return strings;
  const std::string_view bytes = std::string_view(value.bytes).substr(0, kSmallFileBytes);
  std::string current;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint32_t unit = static_cast<std::uint32_t>(little_endian(bytes, i, 2));
    if (unit == 0) {
      strings.push_back(std::move(current));
      current.clear();
      if (value.type != kMultiText) return strings;
      continue;
    }
    if (unit >= 0xd800 && unit < 0xe000) {
      const std::uint32_t low =
          i + 3 < bytes.size() ? static_cast<std::uint32_t>(little_endian(bytes, i + 2, 2)) : 0;
      const bool pair = unit < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      unit = pair ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
      if (pair) i += 2;
    }
    append_utf8(current, unit);
  }
  if (!current.empty()) strings.push_back(std::move(current));
  while (!strings.empty() && strings.back().empty()) strings.pop_back();
  return strings;
}

std::optional<std::uint64_t> registry_number(const RegistryValue& value) {
  constexpr std::uint32_t kDword = 4;
  constexpr std::uint32_t kQword = 11;
  if (value.type == kDword && value.bytes.size() == 4) return little_endian(value.bytes, 0, 4);
  if (value.type == kQword && value.bytes.size() == 8) return little_endian(value.bytes, 0, 8);
  return std::nullopt;
}

std::string pe_arch(std::string_view head) {
  if (head.size() < 0x40 || !head.starts_with("MZ")) return "";
  const std::uint64_t pe = little_endian(head, 0x3c, 4);
  if (pe + 6 > head.size() || head.substr(static_cast<std::size_t>(pe), 2) != "PE") return "";
  switch (little_endian(head, static_cast<std::size_t>(pe) + 4, 2)) {
    case 0x14c:
      return "i386";
    case 0x8664:
      return "x86_64";
    case 0xaa64:
      return "aarch64";
    case 0x1c0:
    case 0x1c4:
      return "arm";
    default:
      return "";
  }
}

OsFacts identify_windows(const WindowsVersion& version) {
  OsFacts os;
  os.type = os.distro = "windows";
  os.product_name = version.product_name;
  os.variant = version.installation_type;
  const LeadingNumber major = leading_number(version.current_version);
  if (major.digits > 0) {
    os.major = major.value;
    const std::string_view rest = std::string_view(version.current_version).substr(major.digits);
    if (rest.starts_with('.')) os.minor = leading_number(rest.substr(1)).value;
  }
  // CurrentVersion stayed at 6.3; from Windows 10 on two numbers say it.
  if (version.major) {
    os.major = version.major;
    os.minor = version.minor.value_or(0);
  }
  const bool server = os.variant.starts_with("Server");
  const bool eleven = os.major == 10u && !server && leading_number(version.build).value >= 22000;
  if (const std::size_t at = os.product_name.find("Windows 10");
      eleven && at != std::string::npos) {
    os.product_name.replace(at, 10,
                            "Windows 11");  // Windows 11 kept the name of 10 in its registry
  }
  return os;
}

void collect_windows(GuestReader& reader, const std::string& systemroot, const DiskFacts& disks,
                     bool list_applications, GuestFacts& facts) {
  WindowsCollector(reader, disks, facts).collect(systemroot, list_applications);
}

}  // namespace v2vfs::inspect
