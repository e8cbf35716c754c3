// SPDX-License-Identifier: MIT
#include "inspect/guest/os_release.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

struct Named {
  std::string_view key;
  std::string_view distro;
};

/// os-release ID -> libguestfs's word (guestfs(3), inspect_get_distro).
constexpr Named kDistros[] = {
    {"alpine", "alpinelinux"},
    {"altlinux", "altlinux"},
    {"amzn", "amazonlinux"},
    {"arch", "archlinux"},
    {"kali", "kalilinux"},
    {"ol", "oraclelinux"},
    {"opensuse-leap", "opensuse"},
    {"opensuse-tumbleweed", "opensuse"},
    {"opensuse", "opensuse"},
    {"scientific", "scientificlinux"},
    {"sled", "sles"},
    {"sles_sap", "sles"},
    {"void", "voidlinux"},
    {"neokylin", "neokylin"},
};

/// Files of one line, "NAME release VERSION (CODENAME)", the most telling first: CentOS has
/// redhat-release beside its own.
constexpr Named kReleaseLines[] = {
    {"/etc/rocky-release", "rocky"},         {"/etc/almalinux-release", "almalinux"},
    {"/etc/oracle-release", "oraclelinux"},  {"/etc/enterprise-release", "oraclelinux"},
    {"/etc/centos-release", "centos"},       {"/etc/fedora-release", "fedora"},
    {"/etc/altlinux-release", "altlinux"},   {"/etc/redhat-release", "redhat-based"},
    {"/etc/system-release", "redhat-based"},
};

/// What the line itself says, where the file's name does not.
constexpr Named kNamesInLines[] = {
    {"Red Hat", "rhel"},       {"CentOS", "centos"},
    {"Fedora", "fedora"},      {"Scientific", "scientificlinux"},
    {"Amazon", "amazonlinux"}, {"Oracle", "oraclelinux"},
    {"Rocky", "rocky"},        {"AlmaLinux", "almalinux"},
    {"ALT", "altlinux"},
};

const std::string* file(const ReleaseFiles& files, const std::string& path) {
  const auto found = files.find(path);
  return found == files.end() ? nullptr : &found->second;
}

std::string first_line(const std::string& text) {
  const auto lines = lines_of(text);
  return lines.empty() ? "" : std::string(trim(lines[0]));
}

/// The first number with what follows it in "CentOS release 6.10 (Final)". Names have digits too
/// ("Oracle9"), so it starts behind a blank.
std::string version_in(std::string_view line) {
  for (const std::string_view word : words_of(line)) {
    if (word[0] >= '0' && word[0] <= '9') return std::string(word);
  }
  return "";
}

std::string in_brackets(std::string_view line) {
  const std::size_t open = line.rfind('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return "";
  return std::string(line.substr(open + 1, close - open - 1));
}

void take_os_release(OsFacts& os, const std::string& text) {
  auto values = assignments_of(text);
  os.id = to_lower(values["ID"]);
  for (const std::string_view word : words_of(values["ID_LIKE"])) {
    os.id_like.push_back(to_lower(word));
  }
  if (!os.id.empty()) os.distro = distro_of_id(os.id);
  os.product_name = values["PRETTY_NAME"].empty() ? values["NAME"] : values["PRETTY_NAME"];
  os.variant = values["VARIANT"];
  os.codename = values["VERSION_CODENAME"];
  set_version(os, values["VERSION_ID"]);
}

void take_release_line(OsFacts& os, const Named& rule, const std::string& line) {
  os.distro = rule.distro;
  if (rule.distro == "redhat-based") {
    for (const Named& name : kNamesInLines) {
      if (line.find(name.key) == std::string::npos) continue;
      os.distro = name.distro;
      break;
    }
  }
  os.product_name = line;
  os.codename = in_brackets(line);
  set_version(os, version_in(line));
}

bool take_release_lines(OsFacts& os, const ReleaseFiles& files) {
  for (const Named& rule : kReleaseLines) {
    const std::string* const text = file(files, std::string(rule.key));
    if (!text || first_line(*text).empty()) continue;
    take_release_line(os, rule, first_line(*text));
    return true;
  }
  return false;
}

/// SLES 9 to 12 and openSUSE up to 13.2: a line of name, then VERSION = and PATCHLEVEL =.
void take_suse_release(OsFacts& os, const std::string& text) {
  os.product_name = first_line(text);
  const bool enterprise = os.product_name.find("Enterprise") != std::string::npos;
  os.distro = enterprise ? "sles" : "opensuse";
  os.id = !enterprise                                            ? "opensuse"
          : os.product_name.find("Desktop") != std::string::npos ? "sled"
                                                                 : "sles";
  set_version(os, version_in(os.product_name));
  for (const IniLine& line : ini_lines(text)) {
    if (line.key == "VERSION") set_version(os, line.value);
    if (line.key == "PATCHLEVEL") os.minor = leading_number(line.value).value;
  }
}

void take_lsb_release(OsFacts& os, const std::string& text) {
  auto values = assignments_of(text);
  os.id = to_lower(values["DISTRIB_ID"]);
  os.distro = distro_of_id(os.id);
  os.product_name = values["DISTRIB_DESCRIPTION"];
  os.codename = values["DISTRIB_CODENAME"];
  set_version(os, values["DISTRIB_RELEASE"]);
}

/// Releases without os-release and release lines: Debian up to 6, Slackware, old Arch, Gentoo.
bool take_version_file(OsFacts& os, const ReleaseFiles& files) {
  constexpr Named kFiles[] = {{"/etc/debian_version", "debian"},
                              {"/etc/alpine-release", "alpinelinux"},
                              {"/etc/slackware-version", "slackware"},
                              {"/etc/gentoo-release", "gentoo"},
                              {"/etc/arch-release", "archlinux"}};
  for (const Named& rule : kFiles) {
    const std::string* const text = file(files, std::string(rule.key));
    if (!text) continue;
    os.distro = rule.distro;
    os.product_name = first_line(*text);
    set_version(os, version_in(os.product_name));
    return true;
  }
  return false;
}

/// Debian's and CentOS's os-release know only the major version.
void take_minor(OsFacts& os, const ReleaseFiles& files) {
  if (os.minor) return;
  const std::string* text = nullptr;
  if (os.distro == "debian") text = file(files, "/etc/debian_version");
  if (os.distro == "centos") text = file(files, "/etc/centos-release");
  if (os.distro == "rhel") text = file(files, "/etc/redhat-release");
  if (!text) return;
  OsFacts other;
  set_version(other, version_in(first_line(*text)));
  if (other.major != os.major) return;  // "bookworm/sid", or the file of a parent distribution
  os.minor = other.minor;
  if (os.distro == "centos" && os.minor) os.product_name = first_line(*text);
}

void take_without_os_release(OsFacts& os, const ReleaseFiles& files) {
  if (const std::string* const lsb = file(files, "/etc/lsb-release");
      lsb && !assignments_of(*lsb)["DISTRIB_ID"].empty()) {
    take_lsb_release(os, *lsb);
  }
  if (os.distro != "unknown" && os.major) return;
  if (take_release_lines(os, files)) return;
  if (const std::string* const suse = file(files, "/etc/SuSE-release")) {
    return take_suse_release(os, *suse);
  }
  take_version_file(os, files);
}

}  // namespace

const std::vector<std::string>& release_file_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> all = {
        "/etc/os-release",        "/usr/lib/os-release", "/etc/lsb-release",
        "/etc/SuSE-release",      "/etc/debian_version", "/etc/alpine-release",
        "/etc/slackware-version", "/etc/gentoo-release", "/etc/arch-release"};
    for (const Named& rule : kReleaseLines) all.emplace_back(rule.key);
    return all;
  }();
  return paths;
}

std::string distro_of_id(std::string_view id) {
  for (const Named& known : kDistros) {
    if (known.key == id) return std::string(known.distro);
  }
  return id.empty() ? "unknown" : std::string(id);
}

void set_version(OsFacts& os, std::string_view version) {
  const LeadingNumber major = leading_number(version);
  if (major.digits == 0) return;
  os.major = major.value;
  os.minor.reset();
  version.remove_prefix(major.digits);
  if (!version.starts_with('.')) return;
  const LeadingNumber minor = leading_number(version.substr(1));
  if (minor.digits > 0) os.minor = minor.value;
}

OsFacts identify_linux(const ReleaseFiles& files) {
  OsFacts os;
  os.type = "linux";
  const std::string* release = file(files, "/etc/os-release");
  if (!release) release = file(files, "/usr/lib/os-release");
  if (release) take_os_release(os, *release);
  if (os.distro == "unknown") take_without_os_release(os, files);
  take_minor(os, files);
  return os;
}

}  // namespace v2vfs::inspect
