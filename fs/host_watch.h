// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "convert/domain/host.h"

namespace v2vfs::fs {

/// What VMs run on here, for a mount. Where `-o accel=auto` needs a trial of KVM it runs in the
/// background, once a boot; until it is over the answer is TCG. Thread safe.
class HostWatch {
 public:
  /// `state_root` keeps what a trial found.
  HostWatch(convert::Accel asked, std::string state_root);
  /// Ends a trial that is under way.
  ~HostWatch() = default;

  convert::HostChoice choice() const;

 private:
  void decide(std::optional<bool> probed);
  void probe(const std::stop_token& stop);

  const convert::Accel asked_;
  const std::string state_root_;
  const convert::HostFacts facts_;
  mutable std::mutex mutex_;
  convert::AccelDecision decision_;  // guarded by mutex_
  std::jthread prober_;              // last: stopped and joined before the rest goes
};

}  // namespace v2vfs::fs
