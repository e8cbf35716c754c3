// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "convert/guest/conversion_plan.h"
#include "convert/guest/rebuild_command.h"

namespace v2vfs::convert {

/// Families are told by ID and ID_LIKE, not by a closed list.
enum class Family { debian, rhel, suse, alt, other };
Family family_of(const inspect::OsFacts& os);

/// A plan in the making: what its topics want of a path comes together here. A path that a user
/// edited is left alone, whatever a topic wants; a file that is as wanted already is no step.
class PlanDraft {
 public:
  PlanDraft(const inspect::GuestInspection& inspection, const inspect::GuestFacts& guest,
            const inspect::MachineSpec& spec, const ConversionOptions& options);

  const inspect::GuestInspection& inspection() const { return inspection_; }
  const inspect::GuestFacts& guest() const { return guest_; }
  const inspect::MachineSpec& spec() const { return spec_; }
  const ConversionOptions& options() const { return options_; }
  Family family() const { return family_; }
  ConversionPlan& plan() { return plan_; }

  /// The text of a configuration file as planned so far; nullptr: the facts have none.
  const std::string* text(const std::string& path) const;
  /// Paths of configuration files that begin and end so.
  std::vector<std::string> files(std::string_view start, std::string_view end) const;
  const inspect::FoundPath* found(const std::string& path) const;
  bool has_package(std::string_view name) const;
  /// The guest's version is at least this; false where it does not say.
  bool is_at_least(unsigned major, unsigned minor = 0) const;

  using Edit = std::function<std::string(std::string_view text)>;
  /// True if that changed the text.
  bool edit(const std::string& path, const Edit& edit, const std::string& why);
  void create(const std::string& path, std::string text, const std::string& why,
              std::uint32_t permissions = 0644);
  void copy(const std::string& path, const std::string& from, const std::string& why);
  void link(const std::string& path, const std::string& target, const std::string& why);
  void remove(const std::string& path, const std::string& why);

  /// Why nothing can be done to a kernel's initrd; empty: it can be added to, or is made anew.
  std::string why_initrd_stays(const inspect::KernelFacts& kernel) const;
  /// What is to be added to a kernel's initrd; nullptr, and the guest's readiness says why, where
  /// nothing can be. Kernels may share an image.
  InitrdNeed* need_of(const inspect::KernelFacts& kernel);
  /// The same, if there is one already.
  const InitrdNeed* known_need(const inspect::KernelFacts& kernel) const;

  void note(std::string sentence);
  void assume(std::string sentence);
  void say(const char* code, inspect::Severity severity, std::string what, std::string fix);

  /// The plan with its steps in the order of their paths.
  ConversionPlan take();

 private:
  std::string real_path(const std::string& path) const;
  /// What makes a kernel's initrd anew; nothing and no reason where that was not asked for.
  RebuildCommand rebuild_of(const inspect::KernelFacts& kernel) const;
  /// The step of a path; nullptr: it is the user's.
  PlanStep* step(const std::string& path, StepKind kind, const std::string& why);

  const inspect::GuestInspection& inspection_;
  const inspect::GuestFacts& guest_;
  const inspect::MachineSpec& spec_;
  const ConversionOptions& options_;
  Family family_;
  ConversionPlan plan_;
  std::map<std::string, PlanStep> steps_;  // by path
};

/// The topics of a plan, in their order. Each adds what its file says to the draft.
void plan_drivers(PlanDraft& draft);    // bus, NIC, initrds, drop-ins for the guest's own tools
void plan_storage(PlanDraft& draft);    // names of devices
void plan_network(PlanDraft& draft);    // names of NICs
void plan_tools(PlanDraft& draft);      // what belongs to the old hypervisor
void plan_console(PlanDraft& draft);    // serial console, display
void plan_modules(PlanDraft& draft);    // aliases of old guests
void plan_firmware(PlanDraft& draft);   // UEFI's fallback loader
void plan_firstboot(PlanDraft& draft);  // what the guest does itself at its next boot

}  // namespace v2vfs::convert
