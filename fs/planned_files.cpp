// SPDX-License-Identifier: MIT
#include "fs/planned_files.h"

#include <utility>

#include "fs/guest_paths.h"

namespace v2vfs::fs {
namespace {

using convert::PlanStep;
using convert::StepKind;

constexpr std::uint32_t kFolderMode = 0755;

PlannedFile planned(const PlanStep& step) {
  switch (step.kind) {
    case StepKind::link:
      return {PlannedFile::Kind::symlink, "", step.target, 0777};
    case StepKind::remove:
      return {PlannedFile::Kind::absent, "", "", 0};
    default:
      return {PlannedFile::Kind::file, step.after, "", step.permissions};
  }
}

}  // namespace

PlannedFiles::PlannedFiles(const convert::ConversionPlan& plan) {
  if (plan.state != convert::PlanState::planned) return;
  for (const PlanStep& step : plan.steps) {
    if (step.kind == StepKind::copy) continue;
    files_[step.path] = planned(step);
    if (step.kind != StepKind::remove) add_folders(step.path);
  }
}

void PlannedFiles::add_folders(const std::string& path) {
  for (std::string folder = parent_path(path); folder != "/"; folder = parent_path(folder)) {
    files_.try_emplace(folder, PlannedFile{PlannedFile::Kind::folder, "", "", kFolderMode});
  }
}

const PlannedFile* PlannedFiles::find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

std::vector<std::string> PlannedFiles::names_in(const std::string& folder) const {
  const std::string begin = folder == "/" ? folder : folder + "/";
  std::vector<std::string> names;
  for (auto it = files_.lower_bound(begin); it != files_.end() && it->first.starts_with(begin);
       ++it) {
    std::string name = it->first.substr(begin.size());
    if (name.find('/') == std::string::npos) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace v2vfs::fs
