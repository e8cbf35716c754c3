// SPDX-License-Identifier: MIT
#include "convert/guest/plan_draft.h"

#include <algorithm>

#include "convert/guest/boot_kernels.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::GuestFacts;
using inspect::OsFacts;

constexpr std::size_t kMostSteps = 2000;
constexpr std::size_t kMostSentences = 200;  // of a kind

bool is_any_of(std::string_view id, std::initializer_list<std::string_view> ids) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Family family_of_id(std::string_view id) {
  if (is_any_of(id, {"debian", "ubuntu", "linuxmint", "kali", "kalilinux"})) return Family::debian;
  if (is_any_of(id, {"rhel", "fedora", "centos", "rocky", "almalinux", "ol", "oraclelinux", "amzn",
                     "amazonlinux", "scientific", "scientificlinux", "redhat-based", "circle"})) {
    return Family::rhel;
  }
  if (is_any_of(id, {"sles", "sled", "suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed",
                     "suse-based"})) {
    return Family::suse;
  }
  return id == "altlinux" ? Family::alt : Family::other;
}

void add_sentence(std::vector<std::string>& list, std::string sentence) {
  const bool known = std::find(list.begin(), list.end(), sentence) != list.end();
  if (!known && list.size() < kMostSentences) list.push_back(std::move(sentence));
}

}  // namespace

Family family_of(const OsFacts& os) {
  for (const std::string& id : {os.id, os.distro}) {
    if (const Family family = family_of_id(id); family != Family::other) return family;
  }
  for (const std::string& like : os.id_like) {
    if (const Family family = family_of_id(like); family != Family::other) return family;
  }
  return Family::other;
}

PlanDraft::PlanDraft(const inspect::GuestInspection& inspection, const GuestFacts& guest,
                     const inspect::MachineSpec& spec, const ConversionOptions& options)
    : inspection_(inspection),
      guest_(guest),
      spec_(spec),
      options_(options),
      family_(family_of(guest.os)) {
  plan_.state = PlanState::planned;
}

std::string PlanDraft::real_path(const std::string& path) const {
  const auto found = guest_.config.find(path);
  return found == guest_.config.end() ? path : found->second.real_path;
}

const std::string* PlanDraft::text(const std::string& path) const {
  const auto found = guest_.config.find(path);
  const auto planned = steps_.find(real_path(path));
  if (planned != steps_.end() && planned->second.kind == StepKind::edit) {
    return &planned->second.after;
  }
  return found == guest_.config.end() ? nullptr : &found->second.text;
}

std::vector<std::string> PlanDraft::files(std::string_view start, std::string_view end) const {
  std::vector<std::string> paths;
  for (const auto& [path, file] : guest_.config) {
    if (path.starts_with(start) && path.ends_with(end)) paths.push_back(path);
  }
  return paths;
}

const inspect::FoundPath* PlanDraft::found(const std::string& path) const {
  for (const inspect::FoundPath& each : guest_.found) {
    if (each.path == path) return &each;
  }
  return nullptr;
}

bool PlanDraft::has_package(std::string_view name) const {
  return std::any_of(guest_.applications.begin(), guest_.applications.end(),
                     [&](const inspect::Application& each) { return each.name == name; });
}

bool PlanDraft::is_at_least(unsigned major, unsigned minor) const {
  if (!guest_.os.major) return false;
  return *guest_.os.major > major ||
         (*guest_.os.major == major && guest_.os.minor.value_or(0) >= minor);
}

PlanStep* PlanDraft::step(const std::string& path, StepKind kind, const std::string& why) {
  if (options_.edited_paths.count(path) > 0) {
    note(clean_text(path) + " is left as it was edited");
    return nullptr;
  }
  const auto known = steps_.find(path);
  if (known == steps_.end() && steps_.size() >= kMostSteps) {
    note("more changes are wanted than a plan has");
    return nullptr;
  }
  PlanStep& made = steps_[path];
  if (made.why.find(why) == std::string::npos) made.why += (made.why.empty() ? "" : "; ") + why;
  made.path = path;
  made.kind = kind;
  return &made;
}

bool PlanDraft::edit(const std::string& path, const Edit& edit, const std::string& why) {
  const std::string* const old = text(path);
  if (!old) return false;
  std::string changed = edit(*old);
  if (changed == *old) return false;
  const std::string original = guest_.config.at(path).text;
  PlanStep* const made = step(real_path(path), StepKind::edit, why);
  if (!made) return false;
  made->before = original;
  made->after = std::move(changed);
  return true;
}

void PlanDraft::create(const std::string& path, std::string text, const std::string& why,
                       std::uint32_t permissions) {
  const auto there = guest_.config.find(path);
  if (there != guest_.config.end()) {
    edit(
        path, [&](std::string_view) { return text; }, why);
    return;
  }
  PlanStep* const made = step(path, StepKind::create, why);
  if (!made) return;
  made->after = std::move(text);
  made->permissions = permissions;
}

void PlanDraft::copy(const std::string& path, const std::string& from, const std::string& why) {
  PlanStep* const made = step(path, StepKind::copy, why);
  if (!made) return;
  made->target = from;
  made->permissions = 0755;
}

void PlanDraft::link(const std::string& path, const std::string& target, const std::string& why) {
  const inspect::FoundPath* const there = found(path);
  if (there && there->kind == inspect::FileKind::symlink && there->target == target) return;
  if (PlanStep* const made = step(path, StepKind::link, why)) made->target = target;
}

void PlanDraft::remove(const std::string& path, const std::string& why) {
  PlanStep* const made = step(path, StepKind::remove, why);
  if (!made) return;
  const auto text = guest_.config.find(path);
  if (text != guest_.config.end()) made->before = text->second.text;
}

std::string PlanDraft::why_initrd_stays(const inspect::KernelFacts& kernel) const {
  return rebuild_of(kernel).words.empty() ? convert::why_initrd_stays(guest_, kernel) : "";
}

RebuildCommand PlanDraft::rebuild_of(const inspect::KernelFacts& kernel) const {
  if (!options_.rebuild_initrds) return {};
  return rebuild_command(inspection_, guest_, kernel);
}

InitrdNeed* PlanDraft::need_of(const inspect::KernelFacts& kernel) {
  const std::string why = why_initrd_stays(kernel);
  if (!why.empty()) {
    say("kernel-left", inspect::Severity::warning,
        "the initrd of kernel " + clean_text(kernel.version) + " stays as it is: " + why,
        "start another kernel, or use domain-compat.xml");
    return nullptr;
  }
  for (InitrdNeed& need : plan_.initrds) {
    if (need.path == kernel.initrd->real_path) return &need;
  }
  InitrdNeed& made = plan_.initrds.emplace_back();
  made.kernel = kernel.version;
  made.path = kernel.initrd->real_path;
  made.modules_dir = kernel.modules_dir;
  made.generator = kernel.initrd->generator;
  RebuildCommand rebuild = rebuild_of(kernel);
  made.rebuild = std::move(rebuild.words);
  if (!rebuild.why_not.empty()) {
    note(clean_text(made.path) + " is added to, not made anew: " + rebuild.why_not);
  }
  return &made;
}

const InitrdNeed* PlanDraft::known_need(const inspect::KernelFacts& kernel) const {
  for (const InitrdNeed& need : plan_.initrds) {
    if (kernel.initrd && need.path == kernel.initrd->real_path) return &need;
  }
  return nullptr;
}

void PlanDraft::note(std::string sentence) { add_sentence(plan_.notes, std::move(sentence)); }

void PlanDraft::assume(std::string sentence) {
  add_sentence(plan_.assumptions, std::move(sentence));
}

void PlanDraft::say(const char* code, inspect::Severity severity, std::string what,
                    std::string fix) {
  const bool known = std::any_of(plan_.readiness.begin(), plan_.readiness.end(),
                                 [&](const inspect::Problem& each) { return each.what == what; });
  if (known || plan_.readiness.size() >= kMostSentences) return;
  plan_.readiness.push_back({code, severity, std::move(what), std::move(fix)});
}

ConversionPlan PlanDraft::take() {
  for (auto& [path, step] : steps_) {
    if (step.kind != StepKind::edit || step.before != step.after) {
      plan_.steps.push_back(std::move(step));
    }
  }
  return std::move(plan_);
}

}  // namespace v2vfs::convert
