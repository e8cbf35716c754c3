// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/show_inspection.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/human.h"
#include "mount-helpers/ctl/mounts.h"
#include "mount-helpers/ctl/vm_status.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string joined(const std::vector<std::string>& list, const std::string& between = ", ") {
  std::string text;
  for (const std::string& each : list) text += (text.empty() ? "" : between) + each;
  return text;
}

std::string system_of(const InspectionSummary& summary) {
  if (!summary.has_guest) return summary.guests ? "several systems" : "no system found";
  return or_dash(summary.system) + (summary.arch.empty() ? "" : ", " + summary.arch);
}

Rows machine_rows(const InspectionSummary& summary) {
  return {{fmt::format("{}, {} of memory, firmware {}, from {}", count_text(summary.vcpus, "CPU"),
                       bytes_text(summary.memory_bytes), summary.firmware, summary.source_kind)}};
}

Rows disk_rows(const InspectionSummary& summary) {
  Rows rows;
  for (std::size_t i = 0; i < summary.disks.size(); ++i) {
    const std::string name = i == 0 ? "disk.qcow2" : fmt::format("disk-{}.qcow2", i + 1);
    rows.push_back({name, bytes_text(summary.disks[i].capacity_bytes), summary.disks[i].file});
  }
  return rows;
}

Rows card_rows(const InspectionSummary& summary) {
  Rows rows;
  for (const auto& card : summary.cards) {
    rows.push_back({or_dash(card.mac), card.model, or_dash(card.network)});
  }
  return rows;
}

Rows filesystem_rows(const InspectionSummary& summary) {
  Rows rows;
  for (const auto& each : summary.filesystems) {
    rows.push_back({or_dash(each.mountpoint), or_dash(each.type), bytes_text(each.bytes),
                    each.has_space ? bytes_text(each.free_bytes) + " free" : "", each.device});
  }
  return rows;
}

Rows kernel_rows(const InspectionSummary& summary) {
  Rows rows;
  for (const auto& kernel : summary.kernels) {
    rows.push_back({kernel.version, kernel.has_virtio ? "boots from virtio" : "no virtio at boot",
                    kernel.is_default ? "default" : ""});
  }
  return rows;
}

Rows network_rows(const InspectionSummary& summary) {
  Rows rows;
  for (const auto& each : summary.network) {
    const std::string addresses =
        each.addresses.empty() ? or_dash(each.method) : joined(each.addresses);
    rows.push_back({or_dash(each.name), addresses,
                    each.gateways.empty() ? "" : "via " + joined(each.gateways), each.mac});
  }
  return rows;
}

/// A title and, beside it, the rows.
void add_part(std::string& text, const std::string& title, const Rows& rows,
              const Terminal& terminal) {
  if (rows.empty()) return;
  const std::string table = table_text(rows);
  std::string head = title;
  for (std::size_t start = 0; start < table.size();) {
    const std::size_t end = table.find('\n', start);
    std::string line = table.substr(start, end - start);
    line.erase(line.find_last_not_of(' ') + 1);
    text += fmt::format("  {}{}\n", terminal.paint(Colour::dim, fmt::format("{:<13}", head)), line);
    head.clear();
    start = end + 1;
  }
}

Colour colour_of(const std::string& severity) {
  if (severity == "error") return Colour::red;
  return severity == "warning" ? Colour::yellow : Colour::cyan;
}

std::string readiness_text(const InspectionSummary& summary, const Terminal& terminal) {
  const std::size_t columns = terminal.is_terminal() ? terminal.columns() : std::string::npos;
  std::string text;
  for (const auto& each : summary.readiness) {
    const std::string head =
        fmt::format("  {} {}: {}", terminal.paint(colour_of(each.severity), each.severity),
                    each.code, each.what);
    text += wrapped_text(head, columns, "    ") + "\n";
    if (!each.fix.empty()) text += wrapped_text("    -> " + each.fix, columns, "       ") + "\n";
  }
  return text;
}

std::string readiness_words(const InspectionSummary& summary) {
  const std::size_t errors = summary.count("error"), warnings = summary.count("warning");
  if (errors + warnings == 0) return "ready";
  std::vector<std::string> words;
  if (errors) words.push_back(count_text(errors, "error"));
  if (warnings) words.push_back(count_text(warnings, "warning"));
  return joined(words);
}

std::string default_kernel(const InspectionSummary& summary) {
  for (const auto& kernel : summary.kernels) {
    if (kernel.is_default) return kernel.version;
  }
  return summary.kernels.empty() ? "-" : summary.kernels[0].version;
}

std::string virtio_word(const InspectionSummary& summary) {
  for (const auto& kernel : summary.kernels) {
    if (kernel.is_default) return kernel.has_virtio ? "yes" : "no";
  }
  return "-";
}

std::string addresses_of(const InspectionSummary& summary) {
  std::vector<std::string> all;
  for (const auto& each : summary.network) {
    if (each.name == "lo") continue;
    if (each.addresses.empty() && !each.method.empty()) all.push_back(each.method);
    all.insert(all.end(), each.addresses.begin(), each.addresses.end());
  }
  return or_dash(joined(all));
}

InspectionSummary summary_of(const Place& vm, bool quiet) {
  const Waiting waiting(vm, "its disks are looked at", quiet);
  const std::string path = vm.folder() + "/inspection.json";
  return parse_inspection(read_text_of(vm, path), path);
}

}  // namespace

std::string inspection_text(const std::string& vm, const InspectionSummary& summary,
                            const Terminal& terminal) {
  std::string text = terminal.paint(Colour::bold, vm) + "  " + system_of(summary) + "\n";
  add_part(text, "machine", machine_rows(summary), terminal);
  add_part(text, "disks", disk_rows(summary), terminal);
  add_part(text, "cards", card_rows(summary), terminal);
  if (!summary.hostname.empty()) add_part(text, "host name", {{summary.hostname}}, terminal);
  add_part(text, "filesystems", filesystem_rows(summary), terminal);
  add_part(text, "kernels", kernel_rows(summary), terminal);
  add_part(text, "network", network_rows(summary), terminal);
  if (summary.packages) {
    const std::string format = summary.package_format.empty() ? "" : " " + summary.package_format;
    add_part(text, "packages", {{std::to_string(summary.packages) + format}}, terminal);
  }
  if (!summary.tools.empty()) add_part(text, "tools", {{joined(summary.tools)}}, terminal);
  add_part(text, "as of", {{summary.as_of}}, terminal);
  const std::string readiness = readiness_text(summary, terminal);
  return text + (readiness.empty() ? "  nothing stands in the way\n" : "\n" + readiness);
}

std::string inspections_table(const std::vector<InspectedVm>& vms, const Terminal& terminal) {
  Rows rows = {{"VM", "SYSTEM", "HOST NAME", "CPUS", "MEMORY", "DISKS", "KERNEL", "VIRTIO",
                "PACKAGES", "READINESS", "ADDRESSES"}};
  for (std::string& title : rows[0]) title = terminal.paint(Colour::dim, title);
  for (const InspectedVm& each : vms) {
    const InspectionSummary& summary = each.summary;
    rows.push_back({each.vm, system_of(summary), or_dash(summary.hostname),
                    std::to_string(summary.vcpus), bytes_text(summary.memory_bytes),
                    std::to_string(summary.disks.size()), default_kernel(summary),
                    virtio_word(summary), std::to_string(summary.packages),
                    readiness_words(summary), addresses_of(summary)});
  }
  return table_text(rows, {3, 4, 5, 8});
}

int show_inspections(const std::vector<std::string>& words, bool quiet) {
  const Terminal terminal = Terminal::of(STDOUT_FILENO);
  std::vector<InspectedVm> inspected;
  const std::vector<Place> vms = places_of(words);
  const int code = for_each_vm(vms, [&](const Place& vm) {
    inspected.push_back({vm.vm, summary_of(vm, quiet)});
  });
  std::string text;
  if (vms.size() == 1 && inspected.size() == 1) {
    text = inspection_text(inspected[0].vm, inspected[0].summary, terminal);
  } else if (!inspected.empty()) {
    text = inspections_table(inspected, terminal);
  }
  std::fputs(text.c_str(), stdout);
  return code;
}

}  // namespace v2vfs::ctl
