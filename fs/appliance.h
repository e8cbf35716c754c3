// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>

#include "fs/appliance_pool.h"
#include "inspect/base/child_process.h"
#include "inspect/guest/guest_client.h"

/// The child process that runs libguestfs. It is this program again, `v2vfs --appliance`, in a
/// process group of its own; it gets one end of a socket pair as descriptor 3 and nothing else: no
/// argument, no environment of ours, none of the daemon's descriptors, so that no qemu keeps a FUSE
/// connection alive. It dies with the thread that started it, takes qemu along, and is killed as a
/// group.
namespace v2vfs::fs {

/// The hidden word of the command line.
constexpr const char* kApplianceCommand = "--appliance";

struct ApplianceSetup {
  std::string work_folder;  // private; its owner removes it if this process dies
  std::string
      cache_folder;  // private; holds what supermin builds, for all mounts of a state folder
  std::string program = "/proc/self/exe";
  inspect::GuestClient::Limits limits;
  std::string boot_folder = "/boot";
  std::string modules_folder = "/lib/modules";
};

class Appliance : public PooledAppliance, private inspect::GuestPeer {
 public:
  /// Starts the process; the appliance itself starts with the first call of guest(). Throws
  /// Error(ENOPKG) if there is no kernel for it, else as the system says.
  Appliance(const ApplianceSetup& setup, inspect::GuestSettings settings);
  /// Kills the group, reaps the child, removes its folder.
  ~Appliance() override;
  Appliance(const Appliance&) = delete;
  Appliance& operator=(const Appliance&) = delete;

  inspect::Guest& guest() override { return *client_; }
  inspect::GuestClient& client() { return *client_; }
  void end(const Error& why) override;
  bool usable() const override;
  pid_t pid() const { return process_->pid(); }

 private:
  Error bury(const Error& why) override;
  Error obituary() override;
  void start(const ApplianceSetup& setup, int socket);

  std::string folder_;
  std::optional<ChildProcess> process_;
  mutable std::mutex mutex_;
  std::optional<Error> ended_;  // guarded by mutex_: why it was ended
  std::optional<inspect::GuestClient> client_;
};

/// The child's main(). Returns its exit code.
int run_appliance();

}  // namespace v2vfs::fs
