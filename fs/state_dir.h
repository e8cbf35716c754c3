// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "inspect/base/unique_fd.h"

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

/// One VM's state folder, locked as long as this lives.
class VmState {
 public:
  VmState(std::string id, std::string folder, UniqueFd lock, StateRecord record);
  VmState(VmState&&) noexcept = default;
  ~VmState();

  const std::string& id() const { return id_; }
  const std::string& folder() const { return folder_; }
  const StateRecord& record() const { return record_; }
  /// True if something is kept that could not be computed again.
  bool has_content() const;
  /// Empties the folder and gives it to `record`.
  void start_over(const StateRecord& record);

  /// If the state belongs to an earlier version of the source: what differs. Set by
  /// StateDir::open().
  std::string stale;

 private:
  std::string id_, folder_;
  UniqueFd lock_;
  StateRecord record_;
};

/// The folder that holds states, one a VM. Found by what the machine IS (StateRecord::identity), so
/// that a source may move; by path and machine id only to notice that a source changed. Thread
/// safe.
class StateDir {
 public:
  /// Makes `root` (0700) if it is missing. Throws StartError(exit_state) if it is not ours alone.
  /// `mountpoint` is written into locks, for the next daemon to look at. `machines` are the folders
  /// of this mount: a state that one of them made is no other's, even where two machines are the
  /// same.
  StateDir(std::string root, std::string mountpoint, std::set<std::string> machines);

  /// Finds or makes the machine's state and locks it. Waits up to 30 s for a daemon whose mount is
  /// gone; throws StartError(exit_state) if another one has it.
  VmState open(const StateRecord& record);

  const std::string& root() const { return root_; }
  /// True while an open() waits for the daemon that has the state.
  bool waits_for_another() const { return waiting_ > 0; }

 private:
  UniqueFd lock_folder(const std::string& folder);
  std::string choose_id(const StateRecord& record);
  std::optional<std::string> find(const StateRecord& record) const;
  std::string new_id(const StateRecord& record) const;

  const std::string root_, mountpoint_;
  const std::set<std::string> machines_;
  std::atomic<int> waiting_ = 0;
  std::mutex mutex_;
  std::map<std::string, StateRecord> known_;  // by id; guarded by mutex_
  std::set<std::string> opened_;              // ids; guarded by mutex_
};

/// A private folder inside `root`, `prefix`XXXXXX, removed with all in it when this ends. What a
/// daemon left that was killed is removed first; a dead mount of ours in it, at `mnt`, is taken
/// away.
class PrivateFolder {
 public:
  /// Throws StartError(exit_state).
  PrivateFolder(const std::string& root, const std::string& prefix);
  ~PrivateFolder();
  static void remove_left(const std::string& root, const std::string& prefix);
  PrivateFolder(const PrivateFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Where something may be mounted; not there yet.
  std::string mount_point() const { return path_ + "/mnt"; }

 private:
  std::string path_;
  UniqueFd lock_;
};

struct StateSummary {
  std::string id;
  StateRecord record;
  std::uint64_t bytes = 0;  // on disk
  std::string held_by;      // mount point; empty if nobody has it
};

std::vector<StateSummary> list_states(const std::string& root);
/// Throws StartError(exit_state) if it is held, exit_usage if there is none of that name.
void remove_state(const std::string& root, const std::string& id);

}  // namespace v2vfs::fs
