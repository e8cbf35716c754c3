// SPDX-License-Identifier: MIT
#include "inspect/source/check_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "inspect/base/text.h"
#include "inspect/source/spec_words.h"

namespace v2vfs::inspect {
namespace {

std::string quoted(const std::string& text) { return "\"" + clean_text(text) + "\""; }

std::string place_of(const MachineSpec& spec, std::optional<std::size_t> controller,
                     unsigned unit) {
  if (!controller) return "no controller named";
  const ControllerSpec& on = spec.controllers[*controller];
  return fmt::format("{} {}:{}", word(on.kind), on.bus_number, unit);
}

void add_hardware(const MachineSpec& spec, std::string& out) {
  out += fmt::format("  {} of memory, {} CPU{}", readable_bytes(spec.memory_bytes), spec.vcpus,
                     spec.vcpus == 1 ? "" : "s");
  if (spec.cores_per_socket) out += fmt::format(" ({} cores a socket)", *spec.cores_per_socket);
  out += fmt::format(", firmware {}{}{}\n", word(spec.firmware),
                     spec.secure_boot ? ", secure boot" : "", spec.tpm ? ", TPM" : "");
  if (spec.guest_type != GuestType::hvm) {
    out += fmt::format("  a guest of Xen, {}\n", word(spec.guest_type));
  }
  if (spec.outside_boot) {
    out += fmt::format("  started from outside: {} {}\n", quoted(spec.outside_boot->bootloader),
                       quoted(spec.outside_boot->kernel));
  }
  if (!spec.os_type.empty()) out += fmt::format("  guest: {}\n", clean_text(spec.os_type));
}

void add_disks(const MachineSpec& spec, std::string& out) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const DiskSpec& disk = spec.disks[i];
    std::string file = disk.file ? quoted(*disk.file) : "no file";
    for (const std::string& parent : disk.parents) file += " upon " + quoted(parent);
    out += fmt::format("  disk {}: {}, {}, {}, {}\n", i + 1, file, word(disk.format),
                       disk.capacity_bytes ? readable_bytes(*disk.capacity_bytes) : "size unknown",
                       place_of(spec, disk.controller, disk.unit));
  }
  for (const RemovableSpec& drive : spec.removables) {
    out += fmt::format("  {}: {}\n", word(drive.kind), drive.file ? quoted(*drive.file) : "empty");
  }
}

void add_nics(const MachineSpec& spec, std::string& out) {
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    const NicSpec& nic = spec.nics[i];
    out += fmt::format("  network adapter {}: {}, {}, {}{}\n", i + 1, word(nic.model),
                       nic.mac.value_or("no MAC address"),
                       nic.network ? "network " + quoted(*nic.network) : "no network",
                       nic.connected ? "" : ", not connected");
  }
}

void add_serials_and_snapshots(const MachineSpec& spec, std::string& out) {
  for (const SerialSpec& serial : spec.serials) {
    out += fmt::format("  serial port {}: {} {}\n", serial.port, clean_text(serial.kind, 32),
                       quoted(serial.target));
  }
  for (const SnapshotSpec& snapshot : spec.snapshots) {
    out += fmt::format("  snapshot {}: {} disk{}{}\n", quoted(snapshot.name), snapshot.disks.size(),
                       snapshot.disks.size() == 1 ? "" : "s",
                       snapshot.is_current ? ", the current one" : "");
  }
}

void add_sentences(std::string_view head, const std::vector<std::string>& list, std::string& out) {
  for (const std::string& sentence : list) {
    out += fmt::format("  {}: {}\n", head, clean_text(sentence, 2048));
  }
}

void add_problems(std::string_view indent, const std::vector<Problem>& problems, std::string& out) {
  for (const Problem& problem : problems) {
    out += fmt::format("{}{} ({}): {}{}{}\n", indent, word(problem.severity), problem.code,
                       clean_text(problem.what, 8192), problem.fix.empty() ? "" : " ",
                       clean_text(problem.fix, 2048));
  }
}

void add_machine(const FoundMachine& machine, std::string& out) {
  const MachineSpec& spec = machine.spec;
  out += fmt::format("{} ({})\n", machine.folder, clean_text(machine.descriptor_path, 4096));
  add_hardware(spec, out);
  add_disks(spec, out);
  add_nics(spec, out);
  add_serials_and_snapshots(spec, out);
  add_sentences("assumed", spec.assumptions, out);
  add_sentences("left out", spec.ignored, out);
  add_problems("  ", spec.problems, out);
}

}  // namespace

std::string check_report(const FoundSource& source) {
  std::string out;
  for (const FoundMachine& machine : source.machines) add_machine(machine, out);
  add_problems("", source.problems, out);
  const auto usable =
      std::count_if(source.machines.begin(), source.machines.end(),
                    [](const FoundMachine& machine) { return machine.spec.usable(); });
  return out + fmt::format("{} machine{}, {} usable\n", source.machines.size(),
                           source.machines.size() == 1 ? "" : "s", usable);
}

int check_exit_code(const FoundSource& source) {
  const auto counts = [](const Problem& problem) { return problem.severity != Severity::info; };
  const auto has_problem = [&](const std::vector<Problem>& problems) {
    return std::any_of(problems.begin(), problems.end(), counts);
  };
  const bool is_bad =
      has_problem(source.problems) ||
      std::any_of(source.machines.begin(), source.machines.end(),
                  [&](const FoundMachine& m) { return has_problem(m.spec.problems); });
  return is_bad ? 1 : 0;
}

std::string readable_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.4g} {}", value, kUnits[unit]);
}

}  // namespace v2vfs::inspect
