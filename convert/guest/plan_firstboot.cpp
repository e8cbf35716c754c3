// SPDX-License-Identifier: MIT
//
// What only the guest's own package manager can do, it does at its next boot, if that was asked
// for.
#include <algorithm>
#include <map>

#include "convert/guest/plan_draft.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::HypervisorItem;

constexpr const char* kScript = "/usr/local/sbin/v2vfs-firstboot";
constexpr const char* kUnit = "/etc/systemd/system/v2vfs-firstboot.service";
constexpr const char* kWanted =
    "/etc/systemd/system/multi-user.target.wants/v2vfs-firstboot.service";
constexpr std::size_t kMostPackages = 50;

struct Commands {
  const char* remove;
  const char* install;
};

/// Removing the tools must not take along what was installed because of them.
const std::map<std::string, Commands>& commands() {
  static const std::map<std::string, Commands> all = {
      {"apt", {"apt-get -q -y -o Dpkg::Options::=--force-confold remove", "apt-get -q -y install"}},
      {"dnf",
       {"dnf -y --disableplugin=subscription-manager --setopt=clean_requirements_on_remove=False "
        "remove",
        "dnf -y install"}},
      {"yum", {"yum -y --setopt=clean_requirements_on_remove=False remove", "yum -y install"}},
      {"zypper", {"zypper -n remove", "zypper -n install"}},
  };
  return all;
}

/// The guest wrote it, and it goes into a shell's line.
bool is_package_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() < 100 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return plain(c) || std::string_view("+-._").find(c) != std::string_view::npos;
         });
}

/// ubuntu-server depends on open-vm-tools and would go with them.
std::string packages_to_remove(const PlanDraft& draft) {
  std::string names;
  std::size_t count = 0;
  for (const HypervisorItem& item : draft.guest().hypervisor_items) {
    const bool foreign = item.kind == "package" && item.hypervisor != "kvm";
    const bool kept = item.name.starts_with("open-vm-tools") && draft.has_package("ubuntu-server");
    if (!foreign || kept || !is_package_name(item.name) || count++ >= kMostPackages) continue;
    names += " " + item.name;
  }
  return names;
}

std::string script(const std::string& steps) {
  return "#!/bin/sh\n"
         "# Runs once, at the first boot on KVM, and takes itself away.\n"
         "exec >>/var/log/v2vfs-firstboot.log 2>&1\n"
         "export DEBIAN_FRONTEND=noninteractive\n"
         "outcome=0\n" +
         steps + "rm -f " + kWanted + " " + kUnit + " " + kScript + "\n" +
         "echo \"v2vfs-firstboot: outcome $outcome\"\n"
         "exit $outcome\n";
}

std::string steps_of(PlanDraft& draft, const Commands& with) {
  std::string steps;
  const std::string removed =
      draft.options().firstboot_remove_tools ? packages_to_remove(draft) : "";
  if (!removed.empty()) steps += std::string(with.remove) + removed + " || outcome=1\n";
  if (draft.options().firstboot_guest_agent && !draft.plan().capabilities.guest_agent) {
    steps += std::string(with.install) + " qemu-guest-agent || outcome=1\n";
  }
  return steps;
}

constexpr const char* kUnitText =
    "[Unit]\n"
    "Description=First boot on KVM: changes of packages\n"
    "Wants=network-online.target\n"
    "After=network-online.target\n"
    "\n"
    "[Service]\n"
    "Type=oneshot\n"
    "ExecStart=/bin/sh /usr/local/sbin/v2vfs-firstboot\n"
    "TimeoutStartSec=30min\n"
    "\n"
    "[Install]\n"
    "WantedBy=multi-user.target\n";

}  // namespace

void plan_firstboot(PlanDraft& draft) {
  const ConversionOptions& options = draft.options();
  if (!options.firstboot_remove_tools && !options.firstboot_guest_agent) return;
  const auto with = commands().find(draft.guest().package_management);
  if (draft.guest().init != "systemd" || with == commands().end()) {
    return draft.note(
        "nothing is done at the first boot: it needs systemd, and apt, dnf, yum or "
        "zypper");
  }
  const std::string steps = steps_of(draft, with->second);
  if (steps.empty()) return;
  const std::string why = "asked for: packages are changed by the guest itself (firstboot)";
  draft.create(kScript, script(steps), why, 0755);
  draft.create(kUnit, kUnitText, why);
  draft.link(kWanted, kUnit, why);
}

}  // namespace v2vfs::convert
