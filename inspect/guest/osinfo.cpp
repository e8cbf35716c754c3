// SPDX-License-Identifier: MIT
#include "inspect/guest/osinfo.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostNames = 10'000;

unsigned major_of(const OsFacts& os) { return os.major.value_or(0); }
unsigned minor_of(const OsFacts& os) { return os.minor.value_or(0); }

std::string with_minor(std::string_view name, const OsFacts& os) {
  if (!os.minor) return fmt::format("{}{}", name, major_of(os));
  return fmt::format("{}{}.{}", name, major_of(os), *os.minor);
}

std::string suse_id(const OsFacts& os) {
  const std::string name = major_of(os) >= 15 ? "sle" : os.id == "sled" ? "sled" : "sles";
  if (minor_of(os) == 0) return fmt::format("{}{}", name, major_of(os));
  return fmt::format("{}{}sp{}", name, major_of(os), minor_of(os));
}

std::string centos_id(const OsFacts& os) {
  if (os.product_name.find("Stream") != std::string::npos) {
    return fmt::format("centos-stream{}", major_of(os));
  }
  if (major_of(os) >= 8) return fmt::format("centos{}", major_of(os));
  if (major_of(os) == 7) return "centos7.0";  // the database has one entry for all of 7
  return with_minor("centos", os);
}

std::string opensuse_id(const OsFacts& os) {
  if (os.id == "opensuse-tumbleweed" || major_of(os) > 20000) return "opensusetumbleweed";
  return with_minor("opensuse", os);
}

std::string oracle_id(const OsFacts& os) {
  const bool old = major_of(os) < 5 || (major_of(os) == 5 && minor_of(os) < 5);
  return with_minor(old ? "oel" : "ol", os);
}

std::string linux_id(const OsFacts& os) {
  if (os.distro == "archlinux" || os.distro == "gentoo" || os.distro == "voidlinux" ||
      os.distro == "manjaro") {
    return os.distro;
  }
  if (os.distro == "unknown" || !os.major) return "";
  if (os.distro == "sles") return suse_id(os);
  if (os.distro == "centos") return centos_id(os);
  if (os.distro == "opensuse") return opensuse_id(os);
  if (os.distro == "oraclelinux") return oracle_id(os);
  if (os.distro == "ubuntu") return fmt::format("ubuntu{}.{:02}", major_of(os), minor_of(os));
  if (os.distro == "altlinux") return with_minor(major_of(os) >= 8 ? "alt" : "altlinux", os);
  for (const char* const by_major : {"debian", "fedora", "almalinux", "amazonlinux"}) {
    if (os.distro == by_major) return fmt::format("{}{}", by_major, major_of(os));
  }
  return with_minor(os.distro, os);
}

bool mentions(const OsFacts& os, std::string_view word) {
  return os.product_name.find(word) != std::string::npos;
}

/// NT 10 is Windows 10, 11 and four servers; the build tells them apart.
std::string windows_ten_id(const OsFacts& os, const WindowsFacts& windows) {
  const unsigned build = leading_number(windows.build).value;
  if (!os.variant.starts_with("Server")) return build >= 22000 ? "win11" : "win10";
  if (build >= 26040 || mentions(os, "2025")) return "win2k25";
  if (build >= 20348 || mentions(os, "2022")) return "win2k22";
  if (build >= 17763 || mentions(os, "2019")) return "win2k19";
  return "win2k16";
}

std::string windows_id(const OsFacts& os, const WindowsFacts& windows) {
  const bool server = os.variant.starts_with("Server");
  const unsigned version = major_of(os) * 100 + minor_of(os);
  switch (version) {
    case 500:
      return "win2k";
    case 501:
      return "winxp";
    case 502:
      return mentions(os, "XP") ? "winxp" : mentions(os, "R2") ? "win2k3r2" : "win2k3";
    case 600:
      return server ? "win2k8" : "winvista";
    case 601:
      return server ? "win2k8r2" : "win7";
    case 602:
      return server ? "win2k12" : "win8";
    case 603:
      return server ? "win2k12r2" : "win8.1";
    default:
      break;
  }
  return major_of(os) == 10 ? windows_ten_id(os, windows) : "";
}

/// "ubuntu22.04" is family "ubuntu" and version 22, 4; "sle15sp4" is "sle" and 15, 4.
struct SplitId {
  std::string family;
  std::vector<unsigned> version;
};

SplitId split(std::string_view id) {
  // The 2 of win2k22 belongs to the family.
  const std::size_t start = id.starts_with("win2k") ? 5 : 0;
  const std::size_t digit = std::min(id.find_first_of("0123456789", start), id.size());
  SplitId parts{std::string(id.substr(0, digit)), {}};
  for (std::size_t at = digit; at < id.size();) {
    const LeadingNumber number = leading_number(id.substr(at));
    if (number.digits > 0) parts.version.push_back(number.value);
    at += std::max<std::size_t>(number.digits, 1);
  }
  return parts;
}

/// The best of one family: the highest not above `wanted`, else the lowest of all.
std::string nearest_of_family(const SplitId& wanted, const std::vector<std::string>& known) {
  std::optional<SplitId> best;
  std::string best_id;
  for (const std::string& id : known) {
    if (id.find("unknown") != std::string::npos) continue;
    const SplitId candidate = split(id);
    if (candidate.family != wanted.family) continue;
    const bool fits = candidate.version <= wanted.version;
    const bool best_fits = best && best->version <= wanted.version;
    const bool better = !best || (fits && !best_fits) ||
                        (fits && candidate.version > best->version) ||
                        (!fits && !best_fits && candidate.version < best->version);
    if (!better) continue;
    best = candidate;
    best_id = id;
  }
  return best_id;
}

/// Families that are built from the same sources, for ids that the database lacks altogether.
std::vector<std::string> related_ids(const OsFacts& os) {
  if (os.type != "linux") return {};
  std::vector<std::string> ids;
  const unsigned major = major_of(os);
  if (os.distro == "centos") ids.push_back(fmt::format("centos-stream{}", major));
  const bool like_rhel =
      std::count(os.id_like.begin(), os.id_like.end(), "rhel") > 0 || os.distro == "redhat-based";
  if (like_rhel && os.distro != "amazonlinux") ids.push_back(with_minor("rhel", os));
  return ids;
}

}  // namespace

std::string osinfo_id(const OsFacts& os, const WindowsFacts* windows) {
  if (os.type == "linux") return linux_id(os);
  return windows ? windows_id(os, *windows) : "";
}

std::string short_id_of_file(std::string_view vendor, std::string_view stem) {
  std::string id(stem);
  if (id.ends_with("-rolling")) return id.substr(0, id.size() - 8);
  const std::size_t dash = id.rfind('-');
  if (dash == std::string::npos) return id;
  const bool version_follows = dash + 1 < id.size() && id[dash + 1] >= '0' && id[dash + 1] <= '9';
  const bool joins = version_follows || vendor == "microsoft.com" || id == "debian-testing" ||
                     id == "opensuse-tumbleweed";
  if (!joins) return id;
  const bool service_pack =
      id.starts_with("sle-") || id.starts_with("sles-") || id.starts_with("sled-");
  id.erase(dash, 1);
  const std::size_t dot = id.find('.', dash);
  if (service_pack && dot != std::string::npos) id.replace(dot, 1, "sp");
  return id;
}

std::vector<std::string> osinfo_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& vendor : fs::directory_iterator(folder, error)) {
    std::error_code inner;
    for (const auto& file : fs::directory_iterator(vendor.path(), inner)) {
      if (names.size() >= kMostNames) return names;
      if (file.path().extension() != ".xml") continue;
      names.push_back(
          short_id_of_file(vendor.path().filename().string(), file.path().stem().string()));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string nearest_osinfo(const std::string& id, const OsFacts& os,
                           const std::vector<std::string>& known) {
  if (!id.empty() && std::binary_search(known.begin(), known.end(), id)) return id;
  std::vector<std::string> wanted;
  if (!id.empty()) wanted.push_back(id);
  for (std::string& other : related_ids(os)) wanted.push_back(std::move(other));
  if (os.type == "linux") wanted.push_back("linux9999");
  for (const std::string& each : wanted) {
    const std::string found = nearest_of_family(split(each), known);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace v2vfs::inspect
