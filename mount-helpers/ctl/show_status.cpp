// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/show_status.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <map>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/human.h"
#include "mount-helpers/ctl/mounts.h"
#include "mount-helpers/ctl/processes.h"

namespace v2vfs::ctl {
namespace {

constexpr timespec kBetweenLooks{1, 0};
constexpr std::size_t kBarColumns = 12;

/// Mounts in the order in which they were named, each with the VMs that are meant (none: all).
using Chosen = std::vector<std::pair<std::string, std::vector<std::string>>>;

Chosen chosen_by(const std::vector<std::string>& words) {
  Chosen chosen;
  if (words.empty()) {
    for (const MountEntry& mount : list_mounts()) chosen.push_back({mount.point, {}});
  }
  for (const std::string& word : words) {
    const Place place = find_place(word);
    auto mount = std::ranges::find(chosen, place.mountpoint, &Chosen::value_type::first);
    if (mount == chosen.end()) mount = chosen.insert(mount, {place.mountpoint, {}});
    if (!place.vm.empty()) mount->second.push_back(place.vm);
  }
  return chosen;
}

Colour colour_of(const std::string& state) {
  if (state == "converted") return Colour::green;
  if (state == "failed" || state == "stale" || state == "unusable") return Colour::red;
  if (state == "unsupported") return Colour::yellow;
  if (state == "converting" || state == "loading") return Colour::cyan;
  return Colour::none;
}

std::string percent_bar(std::uint64_t done, std::uint64_t total) {
  const std::size_t filled = std::min<std::uint64_t>(kBarColumns, done * kBarColumns / total);
  return fmt::format("[{}{}] {} %", std::string(filled, '='),
                     std::string(kBarColumns - filled, ' '),
                     std::min<std::uint64_t>(100, done * 100 / total));
}

std::string users_of(const VmStatus& vm) {
  std::vector<pid_t> pids;
  for (const DiskStatus& disk : vm.disks) {
    for (const auto* const list : {&disk.writers, &disk.readers}) {
      for (const pid_t pid : *list) {
        if (std::ranges::find(pids, pid) == pids.end()) pids.push_back(pid);
      }
    }
  }
  return pids.empty() ? "-" : processes_text(pids);
}

std::vector<std::string> row_of(const VmStatus& vm, const Terminal& terminal) {
  return {"  " + vm.name,
          terminal.paint(colour_of(vm.state), vm.state),
          activity_text(vm),
          std::to_string(vm.disks.size()),
          bytes_text(vm.virtual_bytes()),
          bytes_text(vm.written_bytes()),
          users_of(vm)};
}

/// "  web: what is wrong" and, below it, what to do.
std::string trouble_text(const std::string& vm, const VmStatus::Trouble& trouble, Colour colour,
                         const Terminal& terminal) {
  const std::size_t columns = terminal.is_terminal() ? terminal.columns() : std::string::npos;
  const std::string head = fmt::format("  {}: {}", terminal.paint(colour, vm), trouble.what);
  std::string text = wrapped_text(head, columns, "    ") + "\n";
  if (!trouble.fix.empty())
    text += wrapped_text("    -> " + trouble.fix, columns, "       ") + "\n";
  return text;
}

std::string notes_of(const VmStatus& vm, const Terminal& terminal) {
  std::string text;
  if (vm.error) text += trouble_text(vm.name, *vm.error, Colour::red, terminal);
  if (vm.integrity == "damaged") {
    text += trouble_text(vm.name, {"", vm.integrity_what, "export the machine again"}, Colour::red,
                         terminal);
  }
  if (!vm.pending_edits.empty()) {
    const std::string who = processes_text(vm.waiting_for);
    const std::string waits = who.empty() ? "" : ", they wait for " + who;
    text += trouble_text(
        vm.name,
        {"", count_text(vm.pending_edits.size(), "edited file") + " not in the disks yet" + waits,
         ""},
        Colour::yellow, terminal);
  }
  for (const VmStatus::Trouble& problem : vm.problems) {
    text += trouble_text(vm.name, problem, Colour::yellow, terminal);
  }
  return text;
}

MountStatus status_of(const std::string& mountpoint, const std::vector<std::string>& vms) {
  MountStatus status = read_mount_status(mountpoint);
  std::erase_if(status.vms, [&](const VmStatus& vm) {
    return !vms.empty() && std::ranges::find(vms, vm.name) == vms.end();
  });
  return status;
}

/// The text of all; a mount that does not answer is said in its place, and in `code`.
std::string all_text(const Chosen& chosen, const StatusOptions& options, const Terminal& terminal,
                     int& code) {
  std::string text;
  for (const auto& [mountpoint, vms] : chosen) {
    try {
      if (options.json) {
        const std::string raw = read_text(mountpoint + "/status.json");
        text += (text.empty()    ? ""
                 : options.watch ? ","
                                 : ",\n") +
                chosen_status(raw, mountpoint, vms, !options.watch);
      } else {
        text += (text.empty() ? "" : "\n") +
                status_text(mountpoint, status_of(mountpoint, vms), terminal);
      }
    } catch (const Error& e) {
      std::fprintf(stderr, "v2vfsctl: %s\n", e.sentence().c_str());
      code = exit_code_of(e);
    }
  }
  return options.json ? "[" + text + "]\n" : text;
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

/// The other end of a pipe was closed.
bool nobody_reads() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/// Until a signal ends it. On a terminal the same place is drawn again; in a pipe a text comes when
/// it differs from the last one. Ends by itself when everything that was watched is unmounted.
int watch(const StatusOptions& options, const Terminal& terminal) {
  std::string last;
  for (int code = exit_ok;;) {
    const Chosen chosen = chosen_by(options.words);
    const std::string text = all_text(chosen, options, terminal, code);
    if (terminal.is_terminal() && !options.json) {
      print("\x1b[H\x1b[J" + (chosen.empty() ? "nothing is mounted\n" : text));
    } else if (text != last) {
      print(text);
    }
    last = text;
    if (code != exit_ok || nobody_reads()) return code;
    ::nanosleep(&kBetweenLooks, nullptr);
  }
}

}  // namespace

std::string activity_text(const VmStatus& vm) {
  if (!vm.stage.empty()) return vm.stage;
  if (vm.integrity != "checking") return "-";
  if (vm.total_bytes == 0) return "checking";
  return "checking " + percent_bar(vm.done_bytes, vm.total_bytes);
}

std::string status_text(const std::string& mountpoint, const MountStatus& status,
                        const Terminal& terminal) {
  std::string sources;
  for (const std::string& source : status.sources) {
    sources += (sources.empty() ? "" : ", ") + source;
  }
  std::string text = terminal.paint(Colour::bold, mountpoint) + "  " + sources + "\n";
  std::vector<std::vector<std::string>> rows = {
      {"  VM", "STATE", "NOW", "DISKS", "SIZE", "WRITTEN", "USED BY"}};
  for (std::string& title : rows[0]) title = terminal.paint(Colour::dim, title);
  std::string notes;
  for (const VmStatus& vm : status.vms) {
    rows.push_back(row_of(vm, terminal));
    notes += notes_of(vm, terminal);
  }
  return text + table_text(rows, {3, 4, 5}) + (notes.empty() ? "" : "\n" + notes);
}

int show_status(const StatusOptions& options) {
  const Terminal terminal = Terminal::of(STDOUT_FILENO);
  if (options.watch) return watch(options, terminal);
  const Chosen chosen = chosen_by(options.words);
  if (chosen.empty() && !options.json) {
    print("nothing is mounted; `v2vfs SOURCE MOUNTPOINT` mounts something\n");
    return exit_ok;
  }
  int code = exit_ok;
  print(all_text(chosen, options, terminal, code));
  return code;
}

}  // namespace v2vfs::ctl
