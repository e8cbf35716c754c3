// SPDX-License-Identifier: MIT
//
// A .vmsd is a dictionary like a .vmx: `snapshot.numSnapshots`, `snapshot.current` (a uid), and for
// each N `snapshotN.uid`, `.parent` (a uid), `.displayName`, `.description`, `.createTimeHigh` and
// `.createTimeLow` (halves of microseconds since 1970), `.numDisks`, `.diskM.fileName`,
// `.diskM.node` ("scsi0:0"). Snapshots that were deleted leave gaps in N, so N is not counted but
// looked for.
#include <fmt/core.h>

#include <charconv>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/vmx.h"
#include "inspect/source/vmx_dictionary.h"

namespace v2vfs::inspect {
namespace vmx {
namespace {

constexpr std::size_t kMostSnapshots = 500;  // ESX allows 32 in a chain
constexpr unsigned kMostDisks = 512;

/// The low half is written as a signed number.
std::optional<std::uint64_t> half(const Dictionary& vmsd, const std::string& key) {
  const std::string text = vmsd.text(key);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<std::int64_t> creation_time(const Dictionary& vmsd, const std::string& name) {
  const auto high = half(vmsd, name + "createtimehigh");
  const auto low = half(vmsd, name + "createtimelow");
  if (!high || !low) return std::nullopt;
  return static_cast<std::int64_t>(((*high << 32) | *low) / 1'000'000);
}

std::optional<std::size_t> disk_at(const MachineSpec& spec, const std::string& node) {
  const std::string lower = to_lower(node);
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    if (spec.disks[i].id == lower) return i;
  }
  return std::nullopt;
}

SnapshotSpec read_snapshot(const Dictionary& vmsd, unsigned number, const MachineSpec& spec) {
  const std::string name = fmt::format("snapshot{}.", number);
  SnapshotSpec snapshot;
  snapshot.id = vmsd.text(name + "uid");
  if (snapshot.id.empty()) snapshot.id = fmt::format("#{}", number);
  snapshot.name = vmsd.text(name + "displayname");
  snapshot.description = vmsd.text(name + "description");
  snapshot.created_unix = creation_time(vmsd, name);
  if (const auto parent = vmsd.find(name + "parent")) snapshot.parent = *parent;
  snapshot.is_current = snapshot.id == vmsd.text("snapshot.current");
  for (unsigned i = 0; i < kMostDisks; ++i) {
    const std::string file = vmsd.text(fmt::format("{}disk{}.filename", name, i));
    if (file.empty()) break;
    const std::string node = vmsd.text(fmt::format("{}disk{}.node", name, i));
    snapshot.disks.push_back({.file = file, .disk = disk_at(spec, node)});
  }
  return snapshot;
}

}  // namespace
}  // namespace vmx

void read_vmsd(std::string_view bytes, std::string_view file, MachineSpec& spec) {
  if (trim(bytes).empty()) return;  // VMware writes an empty one where there are no snapshots
  const vmx::Dictionary vmsd(bytes, file);
  for (const std::string& sentence : vmsd.assumptions()) {
    ovf::add_note(spec.assumptions, fmt::format("{}: {}", clean_text(file, 128), sentence));
  }
  for (const unsigned number : vmsd.numbers_of("snapshot")) {
    if (spec.snapshots.size() >= vmx::kMostSnapshots) {
      ovf::add_note(spec.ignored, "Snapshots beyond the 500th are left out.");
      break;
    }
    spec.snapshots.push_back(vmx::read_snapshot(vmsd, number, spec));
  }
}

}  // namespace v2vfs::inspect
