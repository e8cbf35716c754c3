// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "convert/guest/capabilities.h"
#include "inspect/guest/guest_facts.h"
#include "inspect/model.h"

/// What conversion will change in a guest, as data: states of paths, not operations, so that
/// bringing them about twice is the same as once. Nothing of the guest is executed, but for the
/// tool that makes initrds where that was asked for.
namespace v2vfs::convert {

enum class PlanState : std::uint8_t {
  planned,
  unsupported,  // the guest is served unchanged; `reason` says why
};

enum class StepKind : std::uint8_t {
  edit,    // a file that is there gets another text; owner, mode and attributes stay
  create,  // a new file with this text: root's, labelled by the guest's file_contexts
  copy,    // a new file with the content of another one of the guest's (`target`)
  link,    // a symlink to `target` (/dev/null: a masked unit)
  remove,
};

struct PlanStep {
  StepKind kind = StepKind::edit;
  std::string path;  // absolute in the guest; no symlink in it but perhaps the last part
  std::string why;   // one sentence, clean
  std::string before;
  std::string after;
  std::string target;
  std::uint32_t permissions = 0644;  // of create and copy
};

/// A file inside an initrd as it has to be. Its image has one of that name, but for a `before`
/// that is not there.
struct ImageFile {
  std::string name;                   // in the image, without a leading slash
  std::optional<std::string> before;  // nullopt: the image has no such file
  std::string after;
  std::string why;
};

/// What one kernel's initrd lacks. Drivers are names of modules with underscores, in the order in
/// which they load; what they depend on, where they lie in the image and what loads them there is
/// for whoever makes the supplement.
struct InitrdNeed {
  std::string kernel;       // KernelFacts::version
  std::string path;         // of the image, real
  std::string modules_dir;  // where the guest has the kernel's modules
  std::string generator;    // InitrdFacts::generator
  std::vector<std::string> drivers;
  std::vector<ImageFile> files;
  /// The guest's own tool and its arguments, which makes the image anew before what it lacks is
  /// looked for; empty: it is added to as it is.
  std::vector<std::string> rebuild;
  std::string why;
};

struct ConversionPlan {
  PlanState state = PlanState::unsupported;
  std::string reason;  // of unsupported, and of hardware like the source's; one sentence
  Capabilities capabilities;
  std::vector<PlanStep> steps;  // by path
  std::vector<InitrdNeed> initrds;
  std::vector<std::string> notes;        // what is left as it is, and why
  std::vector<std::string> assumptions;  // what was guessed
  std::vector<inspect::Problem> readiness;
};

struct ConversionOptions {
  /// Paths that a user edited: the facts show them so, and no step touches them.
  std::set<std::string> edited_paths;
  /// MAC addresses that the domain gives to spec.nics, in their order. Empty: the source's.
  std::vector<std::string> nic_macs;
  bool keep_tools = false;              // those of the hypervisor it came from
  bool firstboot_remove_tools = false;  // the guest's own package manager does it at its next boot
  bool firstboot_guest_agent = false;
  bool rebuild_initrds = false;  // the guest's own tool is executed, in the appliance
};

/// Pure: no I/O, the same for the same. Never throws but bad_alloc, whatever the guest wrote.
ConversionPlan plan_conversion(const inspect::GuestInspection& inspection,
                               const inspect::MachineSpec& spec,
                               const ConversionOptions& options = {});

}  // namespace v2vfs::convert
