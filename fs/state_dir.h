// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/state_folder.h"
#include "fs/state_locks.h"

namespace v2vfs::fs {

/// Of a VM's state: how often its disks' content began to change (gate.h). Worth nothing alone.
constexpr const char* kChangesFile = "changes";

/// What state.json of a VM's state says about the machine it belongs to.
struct StateRecord {
  struct File {
    std::string name;
    std::uint64_t bytes = 0;
    bool operator==(const File&) const = default;
  };
  std::string identity;    // hexadecimal; of all disks and the machine's id: what is looked for
  std::string machine;     // its folder in the mount
  std::string machine_id;  // MachineSpec::id
  std::string source;      // path of the descriptor: a hint
  std::vector<File> files;
  bool operator==(const StateRecord&) const = default;
};

/// One VM's state, locked as long as this lives. Its folder is made when something is kept.
class VmState {
 public:
  VmState(std::string id, StateFolder folder, StateLocks::Lock lock, StateRecord record);
  VmState(VmState&&) noexcept = default;
  ~VmState();

  const std::string& id() const { return id_; }
  const StateFolder& folder() const { return folder_; }
  const StateRecord& record() const { return record_; }
  /// True if something is kept that could not be computed again.
  bool has_content() const;
  /// Drops what is kept, and gives the state to `record`.
  void start_over(const StateRecord& record);

  /// If the state belongs to an earlier version of the source: what differs. Set by
  /// StateDir::open().
  std::string stale;

 private:
  std::string id_;
  StateFolder folder_;
  StateLocks::Lock lock_;
  StateRecord record_;
};

/// The folder that holds states, one a VM. Found by what the machine IS (StateRecord::identity), so
/// that a source may move; by path and machine id only to notice that a source changed. Thread
/// safe.
class StateDir {
 public:
  /// Makes `root` (0700) if it is missing. Throws StartError(exit_state) if it is not ours alone.
  /// `mountpoint` is what other daemons are told. `machines` are the folders
  /// of this mount: a state that one of them made is no other's, even where two machines are the
  /// same.
  StateDir(std::string root, const std::string& mountpoint, std::set<std::string> machines);

  /// Finds the machine's state, or gives it one, and locks it. Waits up to 120 s for a daemon whose
  /// mount is gone; throws StartError(exit_state) if another one has it.
  VmState open(const StateRecord& record);

  const std::string& root() const { return root_; }
  /// True while an open() waits for the daemon that has the state.
  bool waits_for_another() const { return locks_->is_waiting(); }

 private:
  std::string choose_id(const StateRecord& record);
  std::optional<std::string> find(const StateRecord& record) const;
  std::string new_id(const StateRecord& record) const;

  const std::string root_;
  const std::set<std::string> machines_;
  std::shared_ptr<StateLocks> locks_;
  std::mutex mutex_;
  std::map<std::string, StateRecord> kept_;  // by id: those that nobody opened; guarded by mutex_
  std::set<std::string> ids_;                // that are taken; guarded by mutex_
};

struct StateSummary {
  std::string id;
  StateRecord record;
  std::uint64_t bytes = 0;             // on disk
  std::optional<std::string> held_by;  // mount point; nullopt: nobody has it
};

std::vector<StateSummary> list_states(const std::string& root);
/// Throws StartError(exit_state) if it is held, exit_usage if there is none of that name.
void remove_state(const std::string& root, const std::string& id);

}  // namespace v2vfs::fs
