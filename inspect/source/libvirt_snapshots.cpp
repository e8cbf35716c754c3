// SPDX-License-Identifier: MIT
#include "inspect/source/libvirt_snapshots.h"

#include <fmt/core.h>

#include <charconv>
#include <pugixml.hpp>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/bounded_xml.h"
#include "inspect/source/ovf_notes.h"

namespace v2vfs::inspect {
namespace {

using pugi::xml_node;

std::optional<std::size_t> disk_called(const MachineSpec& spec, std::string_view name) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    if (spec.disks[i].id == name) return i;
  }
  return std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The file that the disk `name` had when the snapshot was taken. Whether it is a raw one is not
/// guessed: its guest wrote what stands at its head.
SnapshotDisk disk_then(xml_node snapshot, std::string_view name) {
  SnapshotDisk then;
  for (const xml_node& disk : snapshot.child("domain").child("devices").children("disk")) {
    if (name != disk.child("target").attribute("dev").value()) continue;
    then.file = disk.child("source").attribute("file").value();
    const std::string_view format = disk.child("driver").attribute("type").value();
    if (format == "raw") then.format = DiskFormat::raw;
  }
  return then;
}

SnapshotSpec read_snapshot(xml_node node, MachineSpec& spec) {
  SnapshotSpec snapshot;
  snapshot.id = snapshot.name = node.child_value("name");
  snapshot.description = node.child_value("description");
  snapshot.created_unix = whole_number(node.child_value("creationTime"));
  if (const xml_node parent = node.child("parent")) snapshot.parent = parent.child_value("name");
  for (const xml_node& disk : node.child("disks").children("disk")) {
    const std::string_view name = disk.attribute("name").value();
    if (std::string_view(disk.attribute("snapshot").value()) != "external") continue;
    SnapshotDisk then = disk_then(node, name);
    then.disk = disk_called(spec, name);
    if (!then.file.empty()) snapshot.disks.push_back(std::move(then));
  }
  if (snapshot.disks.empty()) {
    ovf::add_note(spec.ignored, fmt::format("The snapshot {} lies within the disks' own files and "
                                            "is left out.",
                                            ovf::quoted(snapshot.name)));
  }
  return snapshot;
}

}  // namespace

void read_domain_snapshots(const std::vector<std::string>& documents, const std::string& current,
                           MachineSpec& spec) {
  for (const std::string& document : documents) {
    try {
      pugi::xml_document tree;
      load_bounded_xml(document, "a snapshot", tree);
      SnapshotSpec snapshot = read_snapshot(tree.child("domainsnapshot"), spec);
      snapshot.is_current = !current.empty() && snapshot.name == current;
      spec.snapshots.push_back(std::move(snapshot));
    } catch (const Error& error) {
      ovf::add_note(spec.ignored, fmt::format("A snapshot is left out: {}.", error.sentence()));
    }
  }
}

}  // namespace v2vfs::inspect
