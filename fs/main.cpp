// SPDX-License-Identifier: MIT
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "convert/disk/disk_view.h"
#include "fs/appliance.h"
#include "fs/daemon.h"
#include "fs/options.h"
#include "fs/state_dir.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/check_report.h"
#include "inspect/source/source_json.h"

namespace {

using namespace v2vfs;
using fs::ExitCode;

/// What is wrong with a file that is named itself was said already; of what that one names, nobody
/// spoke so far.
bool can_open(const inspect::FoundMachine& machine, const inspect::DiskSpec& disk) {
  try {
    if (disk.file) machine.files->open(*disk.file);
    for (const std::string& parent : disk.parents) machine.files->open(parent);
    return disk.file.has_value();
  } catch (const Error&) {
    return false;
  }
}

/// The descriptors said what they say; now the disks' own headers and tables.
void check_disks(inspect::FoundMachine& machine) {
  for (inspect::DiskSpec& disk : machine.spec.disks) {
    if (!machine.files) return;
    try {
      const auto view = convert::open_disk(*machine.files, disk, {}, std::nullopt);
      disk.capacity_bytes = view->virtual_bytes();
      for (const std::string& guess : view->assumptions()) {
        machine.spec.assumptions.push_back(guess);
      }
    } catch (const Error& e) {
      const bool is_name = e.error_number() == ENOENT || e.error_number() == EACCES;
      if (is_name && !can_open(machine, disk)) continue;
      machine.spec.problems.push_back({"disk-unreadable", inspect::Severity::warning, e.sentence(),
                                       "export the machine again, or mend what is named"});
    }
  }
}

ExitCode check(const fs::Options& options) {
  try {
    inspect::FoundSource found =
        inspect::find_machines(options.sources, {options.ovf_configuration});
    for (inspect::FoundMachine& machine : found.machines) check_disks(machine);
    const std::string text =
        options.json ? inspect::check_json(found) : inspect::check_report(found);
    std::fputs(text.c_str(), stdout);
    return static_cast<ExitCode>(inspect::check_exit_code(found));
  } catch (const Error& e) {
    throw fs::StartError(fs::exit_source, e.sentence());
  }
}

ExitCode list_states(const fs::Options& options) {
  for (const fs::StateSummary& state : fs::list_states(options.state_dir)) {
    const std::string holder =
        state.held_by ? "mounted at " + clean_text(*state.held_by, 4096) : std::string();
    std::printf("%s\t%.1f MiB\t%s\t%s\n", clean_text(state.id).c_str(),
                static_cast<double>(state.bytes) / (1 << 20),
                clean_text(state.record.source, 4096).c_str(), holder.c_str());
  }
  return fs::exit_ok;
}

ExitCode run(const fs::Options& options) {
  switch (options.command) {
    case fs::Command::check:
      return check(options);
    case fs::Command::list_states:
      return list_states(options);
    case fs::Command::remove_state:
      fs::remove_state(options.state_dir, options.state_id);
      return fs::exit_ok;
    case fs::Command::mount:
      break;
  }
  if (options.foreground) return fs::run_mount(options, [] {});
  return fs::run_mount_in_background(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], fs::kApplianceCommand) == 0) return fs::run_appliance();
  try {
    const std::optional<fs::Options> options = fs::parse_command_line(argc, argv);
    const int code = options ? run(*options) : fs::exit_ok;
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    std::fprintf(stderr, "v2vfs: what was to be printed could not be written\n");
    return code == fs::exit_ok ? fs::exit_internal : code;
  } catch (const fs::StartError& e) {
    std::fprintf(stderr, "v2vfs: %s\n", e.what());
    return e.exit_code();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "v2vfs: %s\n", e.what());
    return fs::exit_internal;
  }
}
