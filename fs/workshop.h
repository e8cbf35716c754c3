// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fs/disk.h"
#include "fs/fuse_session.h"
#include "fs/node_space.h"
#include "fs/overlay/staged_disk.h"
#include "fs/private_folder.h"

namespace v2vfs::fs {

/// Where appliances find their disks: a second connection to the kernel, mounted in a private
/// folder (0700) of the state folder while anybody needs it. It shows run-N/disk-M.qcow2 and
/// nothing of the public tree, starts nothing, and waits for nothing; so an appliance reads what
/// somebody at the public mount waits for. The names and handles of a run are good until it ends,
/// and are never used again. No thread of this process opens a path below. Thread safe.
class Workshop : public NodeSpace {
 public:
  /// The disks of one VM, as long as this lives.
  class Run {
   public:
    Run(Workshop& workshop, std::size_t number, std::vector<std::string> paths);
    ~Run();
    Run(const Run&) = delete;
    /// One for each disk, in their order: absolute paths of qcow2 files.
    const std::vector<std::string>& paths() const { return paths_; }

   private:
    Workshop& workshop_;
    const std::size_t number_;
    const std::vector<std::string> paths_;
  };

  /// Removes what a killed daemon left in `state_root`; mounts nothing yet.
  explicit Workshop(std::string state_root);
  /// No run is left. Unmounts; whoever still has a file of it open gets errors.
  ~Workshop() override;

  /// Throws Error if the workshop cannot be mounted.
  std::unique_ptr<Run> begin(const std::vector<std::shared_ptr<Disk>>& disks);
  /// The same of disks that the run writes to. Once the run has ended no write reaches them, and
  /// none is under way.
  std::unique_ptr<Run> begin_writing(const std::vector<std::shared_ptr<StagedDisk>>& disks);

  std::shared_ptr<Node> node(NodeId id) const override;

  /// The private folder, for what belongs to those who read here.
  /// There from the first run on.
  std::string folder() const;

 private:
  class Folder;
  class File;
  class DiskFile;
  class StagedFile;

  template <typename FileOf, typename Disks>
  std::unique_ptr<Run> show(const Disks& disks);
  std::string mount();
  void unmount();
  void end(std::size_t number);

  const std::string state_root_;
  mutable std::mutex mount_mutex_;
  std::optional<PrivateFolder> folder_;  // guarded by mount_mutex_
  std::optional<FuseSession> session_;   // guarded by mount_mutex_
  std::string device_;                   // guarded by mount_mutex_

  mutable std::mutex mutex_;
  std::map<NodeId, std::shared_ptr<Node>> nodes_;  // guarded by mutex_
  std::shared_ptr<Folder> root_;
  std::map<std::size_t, std::shared_ptr<Folder>> run_folders_;  // guarded by mutex_
  std::size_t next_run_ = 1;                                    // guarded by mutex_
  NodeId next_id_ = kRootId + 1;                                // guarded by mutex_
};

}  // namespace v2vfs::fs
