// SPDX-License-Identifier: MIT
#include "inspect/guest/packages.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/rpm_ndb.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

/// Calls `record` for each block of lines that an empty line ends. Unlike lines_of() it holds no
/// list: these texts are large.
template <typename OnLine, typename OnEnd>
void each_record(std::string_view text, const OnLine& on_line, const OnEnd& on_end) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trim(line).empty()) {
      on_end();
    } else {
      on_line(line);
    }
  }
  on_end();
}

std::string_view value_of(std::string_view line, std::string_view key) {
  return line.starts_with(key) ? trim(line.substr(key.size())) : std::string_view();
}

std::string first_existing(GuestReader& reader,
                           std::initializer_list<std::pair<const char*, const char*>> tools) {
  for (const auto& [path, name] : tools) {
    if (reader.is_file(path)) return name;
  }
  return "";
}

bool has_rpm_database(GuestReader& reader) {
  for (const char* const folder : {"/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"}) {
    for (const char* const file : {"Packages", "Packages.db", "rpmdb.sqlite"}) {
      if (reader.is_file(std::string(folder) + "/" + file)) return true;
    }
  }
  return false;
}

std::string rpm_management(GuestReader& reader) {
  return first_existing(reader, {{"/usr/bin/zypper", "zypper"},
                                 {"/usr/bin/dnf", "dnf"},
                                 {"/usr/bin/dnf5", "dnf"},
                                 {"/usr/bin/dnf-3", "dnf"},
                                 {"/usr/bin/tdnf", "tdnf"},
                                 {"/usr/bin/yum", "yum"},
                                 {"/usr/sbin/up2date", "up2date"},
                                 {"/usr/sbin/urpmi", "urpmi"},
                                 {"/usr/bin/apt-get", "apt"}});
}

std::vector<PackageEntry> rpm_packages(GuestReader& reader, const std::string& root) {
  for (const char* const path : {"/usr/lib/sysimage/rpm/Packages.db", "/var/lib/rpm/Packages.db"}) {
    const auto stat = reader.stat(path);
    const auto real = stat ? reader.resolve(path) : std::nullopt;
    if (!real || stat->kind != FileKind::file) continue;
    return read_rpm_ndb(stat->bytes, [&](std::uint64_t offset, std::size_t length) {
      return reader.guest().read(*real, offset, length);
    });
  }
  return reader.guest().rpm_packages(root);
}

std::vector<Application> rpm_applications(GuestReader& reader, const std::string& root) {
  std::vector<Application> found;
  reader.attempt("the RPM database", [&] {
    for (PackageEntry& package : rpm_packages(reader, root)) {
      if (found.size() >= kPackages) break;
      Application application;
      application.name = std::move(package.name);
      application.version = std::move(package.version);
      application.release = std::move(package.release);
      application.epoch = package.epoch == "0" ? "" : std::move(package.epoch);
      application.arch = std::move(package.arch);
      application.url = std::move(package.url);
      application.summary = std::move(package.summary);
      application.description = std::move(package.description);
      found.push_back(std::move(application));
    }
  });
  return found;
}

std::vector<Application> pacman_applications(GuestReader& reader) {
  std::vector<Application> found;
  for (const FileEntry& entry : reader.list("/var/lib/pacman/local")) {
    if (entry.stat.kind != FileKind::directory || found.size() >= kPackages) continue;
    const auto desc =
        reader.text("/var/lib/pacman/local/" + entry.name + "/desc", kConfigFileBytes);
    Application application = parse_pacman_desc(desc.value_or(""));
    if (!application.name.empty()) found.push_back(std::move(application));
  }
  return found;
}

/// dpkg with one file a package (distroless images).
std::vector<Application> dpkg_applications(GuestReader& reader) {
  return parse_dpkg_status(reader.text("/var/lib/dpkg/status", kPackageFileBytes).value_or(""));
}

void add_line(std::string& description, std::string_view line) {
  if (description.size() + line.size() >= kDescriptionBytes) return;
  if (!description.empty()) description += '\n';
  description += line;
}

/// A paragraph of dpkg's status: fields, and lines of the last one behind a blank (deb-control(5)).
struct DpkgPackage {
  Application found;
  bool installed = false;
  bool is_described = false;  // the last field was Description

  void take(std::string_view line) {
    if (line.starts_with(' ')) {
      if (is_described) add_line(found.description, line.substr(1));
      return;
    }
    is_described = line.starts_with("Description:");
    if (is_described) found.summary = value_of(line, "Description:");
    if (line.starts_with("Package:")) found.name = value_of(line, "Package:");
    if (line.starts_with("Architecture:")) found.arch = value_of(line, "Architecture:");
    if (line.starts_with("Homepage:")) found.url = value_of(line, "Homepage:");
    if (line.starts_with("Version:")) split_package_version(value_of(line, "Version:"), found);
    if (line.starts_with("Source:")) {  // "gcc-12 (12.2.0-14)"
      const std::string_view source = value_of(line, "Source:");
      found.source_package = source.substr(0, source.find(' '));
    }
    if (line.starts_with("Status:")) {
      const auto words = words_of(value_of(line, "Status:"));
      installed = words.size() == 3 && words[2] == "installed";
    }
  }
};

}  // namespace

void split_package_version(std::string_view text, Application& application) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    application.epoch = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  const std::size_t dash = text.rfind('-');
  application.version = text.substr(0, dash);
  if (dash != std::string_view::npos) application.release = text.substr(dash + 1);
}

std::vector<Application> parse_dpkg_status(std::string_view text) {
  std::vector<Application> found;
  DpkgPackage current;
  each_record(
      text, [&](std::string_view line) { current.take(line); },
      [&] {
        if (current.installed && !current.found.name.empty() && found.size() < kPackages) {
          found.push_back(std::move(current.found));
        }
        current = {};
      });
  return found;
}

std::vector<Application> parse_apk_installed(std::string_view text) {
  std::vector<Application> found;
  Application current;
  each_record(
      text,
      [&](std::string_view line) {
        if (line.starts_with("P:")) current.name = value_of(line, "P:");
        if (line.starts_with("A:")) current.arch = value_of(line, "A:");
        if (line.starts_with("U:")) current.url = value_of(line, "U:");
        if (line.starts_with("T:")) {
          current.description = value_of(line, "T:").substr(0, kDescriptionBytes);
        }
        if (line.starts_with("V:")) {
          // "1.2.3-r4": the release is always behind "-r".
          split_package_version(value_of(line, "V:"), current);
        }
      },
      [&] {
        if (!current.name.empty() && found.size() < kPackages) found.push_back(std::move(current));
        current = {};
      });
  return found;
}

Application parse_pacman_desc(std::string_view text) {
  Application found;
  std::string field;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty()) {
      field.clear();
    } else if (line.front() == '%' && line.back() == '%') {
      field = line;
    } else if (field == "%NAME%") {
      found.name = line;
    } else if (field == "%VERSION%") {
      split_package_version(line, found);
    } else if (field == "%ARCH%") {
      found.arch = line;
    } else if (field == "%URL%") {
      found.url = line;
    } else if (field == "%DESC%") {
      found.description = line.substr(0, kDescriptionBytes);
    }
  }
  return found;
}

void find_packages(GuestReader& reader, GuestFacts& facts, bool list_applications) {
  const auto take = [&](const char* format, std::string management, const auto& list) {
    facts.package_format = format;
    facts.package_management = std::move(management);
    if (list_applications) facts.applications = list();
  };
  if (reader.is_file("/var/lib/dpkg/status")) {
    take("deb", "apt", [&] { return dpkg_applications(reader); });
  } else if (has_rpm_database(reader)) {
    take("rpm", rpm_management(reader), [&] { return rpm_applications(reader, facts.root); });
  } else if (reader.is_file("/lib/apk/db/installed")) {
    take("apk", "apk", [&] {
      return parse_apk_installed(
          reader.text("/lib/apk/db/installed", kPackageFileBytes).value_or(""));
    });
  } else if (reader.is_directory("/var/lib/pacman/local")) {
    take("pacman", "pacman", [&] { return pacman_applications(reader); });
  } else if (reader.is_directory("/var/db/pkg")) {
    take("ebuild", "portage", [] { return std::vector<Application>(); });
  }
}

}  // namespace v2vfs::inspect
