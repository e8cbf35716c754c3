// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace v2vfs::fs {

/// What a run made of all disks of a VM. As `staging/manifest` it is the moment from which they are
/// the run's; as `promoted` in the VM's state it is kept of the last one.
struct RunRecord {
  struct Disk {
    std::uint64_t base_bytes = 0;  // when the run began
    std::uint64_t bytes = 0;       // when it ended
    bool operator==(const Disk&) const = default;
  };
  std::uint64_t run = 0;     // counts promotions; edits that went in were taken under this number
  std::string outcome;       // of the last conversion, in its own words; empty: there was none
  std::string capabilities;  // of the guest since then; opaque here
  std::vector<Disk> disks;
  /// The count of changes (gate.h) when it was in the disks: with another one somebody wrote since.
  std::uint64_t changes = 0;
  bool operator==(const RunRecord&) const = default;
};

/// JSON, and a last line with its SHA-256.
std::string run_record_to_text(const RunRecord& record);
/// Throws Error(EIO) for a text that is not what run_record_to_text() gives.
RunRecord run_record_from_text(const std::string& text, const std::string& file);

}  // namespace v2vfs::fs
