// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/show_diff.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/vm_status.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

Colour colour_of(const std::string& line) {
  if (line.starts_with("---") || line.starts_with("+++")) return Colour::bold;
  if (line.starts_with("@@")) return Colour::cyan;
  if (line.starts_with("+")) return Colour::green;
  if (line.starts_with("-")) return Colour::red;
  return Colour::none;
}

std::string painted(const std::string& diff, const Terminal& terminal) {
  std::string text;
  std::istringstream lines(diff);
  for (std::string line; std::getline(lines, line);) {
    text += terminal.paint(colour_of(line), line) + "\n";
  }
  return text;
}

std::string remark(const std::string& words, const Terminal& terminal,
                   Colour colour = Colour::dim) {
  const std::size_t columns = terminal.is_terminal() ? terminal.columns() : std::string::npos;
  std::string text;
  std::istringstream lines(wrapped_text("# " + words, columns, "#   "));
  for (std::string line; std::getline(lines, line);) text += terminal.paint(colour, line) + "\n";
  return text;
}

std::string what_of(const ConversionPlan::Step& step) {
  std::string text = fmt::format("{} {}", step.kind, step.path);
  if (!step.target.empty()) text += (step.kind == "copy" ? " from " : " -> ") + step.target;
  for (std::size_t i = 0; i < step.drivers.size(); ++i) {
    text += (i == 0 ? " with " : ", ") + step.drivers[i];
  }
  return text;
}

std::string step_text(const ConversionPlan::Step& step, const Terminal& terminal) {
  std::string text = "\n" + remark(what_of(step), terminal, Colour::bold);
  text += remark(step.why, terminal);
  if (step.outcome) text += remark("outcome: " + *step.outcome, terminal);
  return text + painted(step.diff, terminal);
}

std::string heading(const std::string& vm, const ConversionPlan& plan) {
  const std::string steps = std::to_string(plan.steps.size());
  if (plan.state == "planned" && plan.steps.empty()) {
    return vm + ": converting changes nothing in the guest";
  }
  if (plan.state == "planned") return vm + ": converting would take " + steps + " steps";
  if (plan.state == "converted") return vm + ": converted in " + steps + " steps";
  return vm + ": " + plan.state;
}

std::string hardware(const ConversionPlan& plan) {
  std::string text;
  for (const auto& [key, value] : plan.capabilities) {
    if (value.empty() || value == "false") continue;
    text += (text.empty() ? "" : ", ") + key + (value == "true" ? "" : " " + value);
  }
  return text;
}

ConversionPlan plan_of(const Place& vm, bool quiet) {
  const Waiting waiting(vm, "its disks are looked at", quiet);
  const std::string path = vm.folder() + "/conversion.json";
  return parse_conversion(read_text_of(vm, path), path);
}

}  // namespace

std::string diff_text(const std::string& vm, const ConversionPlan& plan, const Terminal& terminal) {
  std::string text = remark(heading(vm, plan), terminal, Colour::bold);
  if (!plan.reason.empty()) text += remark(plan.reason, terminal, Colour::yellow);
  if (const std::string can = hardware(plan); !can.empty()) {
    text += remark("then it runs on: " + can, terminal);
  }
  for (const auto& step : plan.steps) text += step_text(step, terminal);
  if (!plan.notes.empty() || !plan.assumptions.empty()) text += "\n";
  for (const std::string& note : plan.notes) text += remark("left alone: " + note, terminal);
  for (const std::string& guess : plan.assumptions) text += remark("assumed: " + guess, terminal);
  return text;
}

int show_diffs(const std::vector<std::string>& words, bool quiet) {
  const Terminal terminal = Terminal::of(STDOUT_FILENO);
  bool is_first = true;
  return for_each_vm(places_of(words), [&](const Place& vm) {
    const std::string text = diff_text(vm.vm, plan_of(vm, quiet), terminal);
    std::printf("%s%s", is_first ? "" : "\n", text.c_str());
    is_first = false;
  });
}

}  // namespace v2vfs::ctl
