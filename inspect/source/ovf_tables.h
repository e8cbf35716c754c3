// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/model.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/packed_files.h"

/// What an envelope says once for all its machines: References, DiskSection, properties and
/// configurations (DSP0243 7.1, 9.1, 9.5, 9.8).
namespace v2vfs::inspect::ovf {

struct FileEntry {
  std::string id;
  std::string href;
  std::optional<std::uint64_t> bytes;
  std::string compression;  // "gzip"; empty: none
  std::optional<std::uint64_t> chunk_bytes;
};

struct DiskEntry {
  std::string id;
  std::string file_ref;  // empty: the disk has no file yet
  std::string parent_ref;
  std::string bus;  // oVirt's disk-interface ("VirtIO_SCSI"); empty elsewhere
  DiskFormat format = DiskFormat::unknown;
  std::optional<std::uint64_t> capacity_bytes;
  std::vector<std::string> assumptions;
  std::vector<Problem> problems;
};

class Tables {
 public:
  /// `configuration` is the one that the user wants; empty: the default one.
  Tables(Node envelope, const std::string& configuration);

  const FileEntry* file(std::string_view reference) const;
  const DiskEntry* disk(std::string_view id) const;
  /// The disk or, where a producer names the file instead, the disk of that file.
  const DiskEntry* disk_of_file(std::string_view file_ref) const;

  /// What a delta disk builds upon, its own parent first; nothing for a disk with no parentRef. A
  /// parent without a file is all zeros and ends it. Throws Error(EINVAL): a parent is not listed,
  /// or builds upon the disk itself.
  std::vector<const FileEntry*> parents_of(const DiskEntry& disk) const;

  /// "${key}" replaced by the property's default; nullopt if there is no such property.
  std::optional<std::string> expand(const std::string& text) const;

  /// Those that are compressed or in chunks.
  std::vector<PackedFile> packed_files() const;

  const std::string& configuration() const { return configuration_; }
  const std::vector<PropertySpec>& properties() const { return properties_; }
  const std::vector<std::string>& assumptions() const { return assumptions_; }

 private:
  void choose_configuration(Node envelope, const std::string& wanted);
  void read_properties(Node node);
  void read_product(Node section);
  void read_files(Node references);
  void read_chunk_size(const std::string& text, FileEntry& file);
  void read_disk(Node node);
  void read_capacity(Node node, DiskEntry& disk) const;

  std::map<std::string, FileEntry, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> file_by_href_;
  std::map<std::string, DiskEntry, std::less<>> disks_;
  std::map<std::string, std::string, std::less<>> disk_by_file_;
  std::map<std::string, std::string, std::less<>> property_values_;
  std::vector<PropertySpec> properties_;
  std::string configuration_;
  std::vector<std::string> assumptions_;
};

}  // namespace v2vfs::inspect::ovf
