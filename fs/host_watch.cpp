// SPDX-License-Identifier: MIT
#include "fs/host_watch.h"

#include "convert/domain/kvm_probe.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {

HostWatch::HostWatch(convert::Accel asked, std::string state_root)
    : asked_(asked), state_root_(std::move(state_root)), facts_(convert::read_host_facts()) {
  decide(convert::remembered_probe(state_root_, facts_.boot_id));
  if (decision_.wants_probe) {
    prober_ = std::jthread([this](const std::stop_token& stop) { probe(stop); });
  }
}

convert::HostChoice HostWatch::choice() const {
  const std::lock_guard lock(mutex_);
  return convert::host_choice(facts_, decision_);
}

void HostWatch::decide(std::optional<bool> probed) {
  const std::lock_guard lock(mutex_);
  decision_ = convert::decide_accel(asked_, facts_, probed);
  log::info("VMs run on {}", decision_.why);
}

void HostWatch::probe(const std::stop_token& stop) {
  const std::optional<std::string> kernel = convert::newest_host_kernel();
  if (!kernel) return log::info("KVM is not tried: there is no kernel in /boot to try it with");
  convert::KvmProbe trial;
  trial.kernel = *kernel;
  const std::optional<bool> works =
      convert::kernel_starts(trial, [&] { return stop.stop_requested(); });
  if (!works) return;
  convert::remember_probe(state_root_, facts_.boot_id, *works);
  decide(works);
}

}  // namespace v2vfs::fs
