// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/disk.h"
#include "inspect/model.h"

namespace v2vfs::fs {

/// What is known of damage in the source (contract: `integrity` in status.json).
struct Integrity {
  std::string state = "unchecked";  // unchecked, checking, good, damaged
  std::string what;                 // a sentence; empty if there is nothing to say
  std::uint64_t checked_bytes = 0;
  std::uint64_t total_bytes = 0;        // of what is being checked; 0: not known
  std::string signature = "unchecked";  // unchecked, none, bad, self-signed, untrusted, trusted
  std::string signer = {};              // of the manifest; empty: nobody, or not known
};

struct DiskStatus {
  std::string file;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t overlay_bytes = 0;
  bool frozen = false;
  std::string failure;
  std::vector<Holder> holders;
};

/// What <vm>/status.json says.
struct VmStatus {
  std::string vm;
  std::string stage;     // what goes on now: "inspecting", "writing"; empty: nothing
  std::string state;     // unusable, unconverted, stale, ...: contract.md
  std::string state_id;  // of --list-states; empty if there is none
  struct Failure {
    std::string code, what, fix;
  };
  std::optional<Failure> failure;
  std::vector<std::string> assumptions, ignored;
  std::vector<inspect::Problem> problems;
  std::vector<DiskStatus> disks;
  std::vector<std::string> pending_edits, applied_edits;  // paths of the guest
  std::vector<pid_t> waiting_for;                         // who keeps the pending ones waiting
  Integrity integrity;
};

struct MountStatus {
  std::vector<std::string> sources;
  std::string state_dir;
  std::vector<VmStatus> vms;
};

}  // namespace v2vfs::fs
