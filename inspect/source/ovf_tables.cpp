// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_tables.h"

#include <fmt/core.h>

#include <cerrno>
#include <set>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect::ovf {
namespace {

template <typename Map>
const typename Map::mapped_type* look_up(const Map& map, std::string_view key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

/// The format as the descriptor names it; the file's own header decides when it is opened. oVirt
/// writes VMDK's address for every disk and the truth in volume-format.
DiskFormat named_format(Node node) {
  const std::string format = to_lower(attribute_or(node, "format", ""));
  const std::string volume = to_lower(attribute_or(node, "volume-format", ""));
  if (volume == "raw") return DiskFormat::raw;
  if (!volume.empty()) return DiskFormat::unknown;
  if (format.find("vmdk") != std::string::npos) return DiskFormat::vmdk;
  if (format.find("raw") != std::string::npos) return DiskFormat::raw;
  return DiskFormat::unknown;
}

/// DSP0243 9.5: [class "."] key ["." instance].
std::string full_key(Node section, Node property) {
  std::string key = attribute_or(property, "key", "");
  if (const auto prefix = attribute(section, "class"); prefix && !prefix->empty()) {
    key = *prefix + "." + key;
  }
  if (const auto suffix = attribute(section, "instance"); suffix && !suffix->empty()) {
    key += "." + *suffix;
  }
  return key;
}

/// The default, or the value for the chosen configuration.
std::string property_value(Node property, const std::string& configuration) {
  for (const Node& value : children(property, "Value")) {
    if (!configuration.empty() && attribute(value, "configuration") == configuration) {
      return attribute_or(value, "value", "");
    }
  }
  return attribute_or(property, "value", "");
}

}  // namespace

Tables::Tables(Node envelope, const std::string& configuration) {
  choose_configuration(envelope, configuration);
  read_properties(envelope);
  for (const Node& references : children(envelope, "References")) read_files(references);
  for (const Node& section : children(envelope, "DiskSection")) {
    for (const Node& disk : children(section, "Disk")) read_disk(disk);
  }
}

void Tables::choose_configuration(Node envelope, const std::string& wanted) {
  std::vector<std::string> ids;
  std::string chosen;
  bool is_found = false;
  for (const Node& each : children(child(envelope, "DeploymentOptionSection"), "Configuration")) {
    ids.push_back(attribute_or(each, "id", ""));
    const bool is_default = parse_flag(attribute_or(each, "default", ""));
    const bool is_wanted = !wanted.empty() && ids.back() == wanted;
    if (is_wanted || (is_default && !is_found)) chosen = ids.back();
    is_found = is_found || is_wanted;
  }
  if (chosen.empty() && !ids.empty()) chosen = ids.front();
  configuration_ = chosen;
  if (!wanted.empty() && !is_found) {
    add_note(assumptions_,
             fmt::format("There is no configuration {} in this descriptor; {} is used.",
                         quoted(wanted), ids.empty() ? "the only one" : quoted(chosen)));
  } else if (wanted.empty() && ids.size() > 1) {
    add_note(assumptions_, fmt::format("Of {} configurations {} is used; -o ovf-config=ID chooses.",
                                       ids.size(), quoted(chosen)));
  }
}

/// Properties stand in the envelope, its collections and its machines. The depth is bounded by
/// Document.
void Tables::read_properties(Node node) {
  for (const Node& each : node.children()) {
    const std::string_view kind = kind_of(each);
    if (kind == "ProductSection") read_product(each);
    if (kind == "VirtualSystem" || kind == "VirtualSystemCollection") read_properties(each);
  }
}

void Tables::read_product(Node section) {
  for (const Node& property : children(section, "Property")) {
    PropertySpec spec;
    spec.key = full_key(section, property);
    spec.type = attribute_or(property, "type", "");
    spec.value = property_value(property, configuration_);
    property_values_.try_emplace(spec.key, spec.value);
    property_values_.try_emplace(attribute_or(property, "key", ""), spec.value);
    if (parse_flag(attribute_or(property, "password", ""))) spec.value.clear();
    properties_.push_back(std::move(spec));
  }
}

void Tables::read_files(Node references) {
  for (const Node& node : children(references, "File")) {
    FileEntry file;
    file.id = attribute_or(node, "id", "");
    file.href = attribute_or(node, "href", "");
    file.bytes = parse_count(attribute_or(node, "size", ""));
    file.compression = to_lower(attribute_or(node, "compression", ""));
    if (file.compression == "identity") file.compression.clear();
    if (const auto chunk = attribute(node, "chunkSize")) read_chunk_size(*chunk, file);
    file_by_href_.try_emplace(file.href, file.id);
    if (!files_.try_emplace(file.id, file).second) {
      add_note(assumptions_,
               fmt::format("Two files have the id {}; the first is used.", quoted(file.id)));
    }
  }
}

void Tables::read_chunk_size(const std::string& text, FileEntry& file) {
  const auto bytes = parse_count(text);
  if (bytes && *bytes > 0) {
    file.chunk_bytes = bytes;
  } else {
    add_note(assumptions_,
             fmt::format("The chunk size {} of file {} is none; it is taken as whole.",
                         quoted(text), quoted(file.href)));
  }
}

std::vector<PackedFile> Tables::packed_files() const {
  std::vector<PackedFile> packed;
  for (const auto& [id, file] : files_) {
    const bool is_gzip = file.compression == "gzip";
    if (is_gzip || file.chunk_bytes) {
      packed.push_back({file.href, is_gzip, file.chunk_bytes, file.bytes});
    }
  }
  return packed;
}

void Tables::read_disk(Node node) {
  DiskEntry disk;
  disk.id = attribute_or(node, "diskId", "");
  disk.file_ref = attribute_or(node, "fileRef", "");
  disk.parent_ref = attribute_or(node, "parentRef", "");
  disk.bus = attribute_or(node, "disk-interface", "");
  disk.format = named_format(node);
  read_capacity(node, disk);
  const auto [entry, is_new] = disks_.try_emplace(disk.id, disk);
  if (!is_new) {
    add_problem(entry->second.problems,
                {"disk-id-twice", Severity::warning,
                 fmt::format("Two disks have the id {}; the first is used.", quoted(disk.id)),
                 "Give each disk an id of its own in the descriptor."});
  }
  if (!disk.file_ref.empty()) disk_by_file_.try_emplace(disk.file_ref, disk.id);
}

void Tables::read_capacity(Node node, DiskEntry& disk) const {
  const std::string stated = attribute_or(node, "capacity", "");
  const std::string units = attribute_or(node, "capacityAllocationUnits", "");
  const auto gibibytes = parse_count(attribute_or(node, "size", ""));
  if (stated.empty() && gibibytes) {  // oVirt
    disk.capacity_bytes = checked_mul(*gibibytes, 1ULL << 30);
    return;
  }
  if (stated.empty()) return;
  const auto expanded = expand(stated);
  const auto count = expanded ? parse_count(*expanded) : std::nullopt;
  const auto unit = parse_unit(units);
  if (count && unit) disk.capacity_bytes = checked_mul(*count, unit->bytes);
  if (!disk.capacity_bytes) {
    add_note(disk.assumptions,
             fmt::format("The capacity of disk {} ({} {}) is not understood; its file decides.",
                         quoted(disk.id), quoted(stated), quoted(units)));
  } else if (unit->is_guess) {
    add_note(disk.assumptions, fmt::format("The unit {} of disk {} is read as {} bytes.",
                                           quoted(units), quoted(disk.id), unit->bytes));
  } else if (*expanded != stated) {
    add_note(disk.assumptions, fmt::format("The capacity of disk {} is the default of property {}.",
                                           quoted(disk.id), quoted(stated)));
  }
}

const FileEntry* Tables::file(std::string_view reference) const {
  if (const FileEntry* found = look_up(files_, reference)) return found;
  if (const std::string* id = look_up(file_by_href_, reference)) return look_up(files_, *id);
  // oVirt: fileRef is "GROUP/IMAGE", the file's id IMAGE.
  const std::string_view last = file_part(reference);
  return last == reference ? nullptr : look_up(files_, last);
}

const DiskEntry* Tables::disk(std::string_view id) const { return look_up(disks_, id); }

const DiskEntry* Tables::disk_of_file(std::string_view file_ref) const {
  const std::string* id = look_up(disk_by_file_, file_ref);
  return id ? look_up(disks_, *id) : nullptr;
}

std::vector<const FileEntry*> Tables::parents_of(const DiskEntry& disk) const {
  std::vector<const FileEntry*> parents;
  std::set<std::string_view> seen = {disk.id};
  for (const DiskEntry* each = &disk; !each->parent_ref.empty();) {
    const DiskEntry* const parent = this->disk(each->parent_ref);
    if (!parent) throw Error(EINVAL, "{} is not listed", quoted(each->parent_ref));
    if (!seen.insert(parent->id).second) throw Error(EINVAL, "that builds upon the disk itself");
    if (parent->file_ref.empty() && parent->parent_ref.empty()) break;
    const FileEntry* const file = this->file(parent->file_ref);
    if (!file) throw Error(EINVAL, "the file of disk {} is not listed", quoted(parent->id));
    parents.push_back(file);
    each = parent;
  }
  return parents;
}

std::optional<std::string> Tables::expand(const std::string& text) const {
  if (!text.starts_with("${") || !text.ends_with("}")) return text;
  const std::string* value = look_up(property_values_, text.substr(2, text.size() - 3));
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace v2vfs::inspect::ovf
