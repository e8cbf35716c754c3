// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

/// domain.xml, and the definitions that libvirt has: what commands look up and change in them.
/// Pure. All throw Error(EINVAL) for what is no domain.
namespace v2vfs::ctl {

struct DomainDisk {
  std::string target;  // "sda"
  std::string file;
};

struct DomainFile {
  std::string name, uuid;
  std::vector<DomainDisk> disks;  // those with a file
};

DomainFile parse_domain(const std::string& xml);

/// The same text with other files behind its disks: what `file_for` gives, nullopt leaves one as it
/// is. Nothing else of the document changes but blanks between tags.
using FileFor = std::function<std::optional<std::string>(const std::string& file)>;
std::string with_disk_files(const std::string& xml, const FileFor& file_for);

/// For a VM's disks in a mount: those whose path ends with /VM/disk.qcow2 and so on, in `folder`
/// instead.
FileFor moved_to(const std::string& folder, const std::string& vm,
                 const std::vector<std::string>& disk_files);

}  // namespace v2vfs::ctl
