// SPDX-License-Identifier: MIT
//
// What belongs to the hypervisor that the guest came from: its services are kept from starting, and
// stay installed for the guest's own package manager.
#include <algorithm>
#include <set>

#include "convert/guest/plan_draft.h"
#include "convert/guest/system_edits.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::FoundPath;
using inspect::HypervisorItem;
using inspect::Severity;

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }
std::string_view folder_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

/// Hyper-V's daemons and KVM's agents look for themselves whether they are meant.
bool is_stopped(const HypervisorItem& item) {
  return item.kind == "unit" && item.hypervisor != "kvm" && item.hypervisor != "hyperv";
}

bool is_unit_name(std::string_view name) {
  return name.ends_with(".service") || name.ends_with(".mount") || name.ends_with(".timer") ||
         name.ends_with(".path") || name.ends_with(".socket");
}

/// "S20vmware-tools" -> "vmware-tools".
std::string_view script_of_link(std::string_view name) {
  return name.size() > 3 && name[0] == 'S' ? name.substr(3) : std::string_view();
}

const std::string kUnits = "/etc/systemd/system/";

class Tools {
 public:
  explicit Tools(PlanDraft& draft) : draft_(draft) {}

  void plan() {
    if (draft_.options().keep_tools) {
      return draft_.note("the old hypervisor's tools keep running, as asked for (keep-tools)");
    }
    for (const HypervisorItem& item : draft_.guest().hypervisor_items) {
      if (is_stopped(item)) stop(item);
    }
    logins();
    kudzu();
    repositories();
    say_packages();
  }

 private:
  static std::string why(const HypervisorItem& item) {
    return "it belongs to the hypervisor that the guest came from (" + item.hypervisor + ")";
  }

  void stop(const HypervisorItem& item) {
    const std::string_view folder = folder_of(item.path);
    if (folder == "/etc/init.d") return stop_script(item);
    if (folder == "/etc/init") return stop_job(item);
    if (required_by_others(folder)) return draft_.remove(item.path, why(item));
    if (is_unit_name(item.name)) mask(std::string(name_of(item.path)), item);
  }

  /// Whoever requires a unit that is masked does not start either.
  bool required_by_others(std::string_view folder) const {
    constexpr std::string_view kRequires = ".requires";
    if (!folder.ends_with(kRequires)) return false;
    const std::string_view owner = name_of(folder.substr(0, folder.size() - kRequires.size()));
    const auto& items = draft_.guest().hypervisor_items;
    return std::none_of(items.begin(), items.end(), [&](const HypervisorItem& each) {
      return is_stopped(each) && each.name == owner;
    });
  }

  /// An alias leads to the unit itself, which is masked under its own name.
  void mask(const std::string& unit, const HypervisorItem& item) {
    const FoundPath* const alias = draft_.found(kUnits + unit);
    const bool leads =
        alias && alias->kind == inspect::FileKind::symlink && is_unit_name(name_of(alias->target));
    mask_itself(leads ? std::string(name_of(alias->target)) : unit, item);
  }

  void mask_itself(const std::string& unit, const HypervisorItem& item) {
    const FoundPath* const there = draft_.found(kUnits + unit);
    if (there && there->kind != inspect::FileKind::symlink) {
      return draft_.note(clean_text(there->path) +
                         " is left as it is: it was written for this guest");
    }
    draft_.link(kUnits + unit, "/dev/null", why(item));
  }

  void stop_script(const HypervisorItem& item) {
    const std::string name(name_of(item.path));
    if (draft_.guest().init == "systemd") return mask(name + ".service", item);
    remove_start_links(name, why(item));
  }

  void remove_start_links(const std::string& script, const std::string& reason) {
    for (const FoundPath& found : draft_.guest().found) {
      const bool link = found.kind == inspect::FileKind::symlink &&
                        folder_of(found.path).find("/rc") != std::string_view::npos;
      if (link && script_of_link(name_of(found.path)) == script) draft_.remove(found.path, reason);
    }
  }

  /// upstart: an override file is kept when the package changes its own.
  void stop_job(const HypervisorItem& item) {
    const std::string_view name = name_of(item.path);
    if (!name.ends_with(".conf")) return;
    const std::string job(name.substr(0, name.size() - 5));
    draft_.create("/etc/init/" + job + ".override", "manual\n", why(item));
  }

  void logins() {
    if (!draft_.has_package("xe-guest-utilities")) return;
    draft_.edit("/etc/inittab", restore_inittab_logins,
                "Citrix's tools took the logins on the screen away");
  }

  /// It asks on the console, and waits, when hardware has changed.
  void kudzu() {
    if (draft_.found("/etc/init.d/kudzu") || draft_.found("/etc/rc.d/init.d/kudzu")) {
      remove_start_links("kudzu", "kudzu would wait for an answer about changed hardware");
    }
  }

  void repositories() {
    const std::string reason = "packages for VMware only";
    for (const char* const folder : {"/etc/yum.repos.d/", "/etc/zypp/repos.d/"}) {
      for (const std::string& path : draft_.files(folder, ".repo")) {
        draft_.edit(path, disable_vmware_repositories, reason);
      }
    }
    for (const std::string& path : draft_.files("/etc/apt/sources.list.d/", ".list")) {
      draft_.edit(path, disable_vmware_sources, reason);
    }
  }

  void say_packages() {
    std::string names;
    for (const HypervisorItem& item : draft_.guest().hypervisor_items) {
      const bool foreign = item.hypervisor != "kvm" && item.kind == "package";
      if (foreign) names += (names.empty() ? "" : ", ") + clean_text(item.name);
      if (item.kind == "tool" && item.name == "vmware-uninstall-tools.pl") {
        draft_.note(
            "VMware's tools were installed from an archive: run "
            "vmware-uninstall-tools.pl in the guest to take them away");
      }
    }
    if (names.empty() || draft_.options().firstboot_remove_tools) return;
    draft_.note("the old hypervisor's packages stay installed (" + clean_text(names, 512) +
                "): remove them in the guest, or mount with -o firstboot=remove-tools");
  }

  PlanDraft& draft_;
};

void plan_agent(PlanDraft& draft) {
  const Capabilities& can = draft.plan().capabilities;
  if (can.guest_agent || draft.options().firstboot_guest_agent) return;
  draft.say("no-guest-agent", Severity::info, "qemu-guest-agent is not installed in the guest",
            "install it in the guest, or mount with -o firstboot=guest-agent");
}

}  // namespace

void plan_tools(PlanDraft& draft) {
  Tools(draft).plan();
  plan_agent(draft);
}

}  // namespace v2vfs::convert
