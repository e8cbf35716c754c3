// SPDX-License-Identifier: MIT
#include "inspect/source/described_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "inspect/source/ovf_controllers.h"
#include "inspect/source/ovf_notes.h"

namespace v2vfs::inspect {
namespace {

using ovf::add_note;
using ovf::Family;

using Ranks = std::map<Family, std::size_t>;
using SortKey = std::tuple<std::size_t, unsigned, unsigned, std::size_t>;

SortKey sort_key(const MachineSpec& spec, std::size_t index, const Ranks& ranks) {
  const DiskSpec& disk = spec.disks[index];
  if (!disk.controller) return {spec.disks.size(), 0, 0, index};
  const ControllerSpec& controller = spec.controllers[*disk.controller];
  return {ranks.at(ovf::family_of(controller.kind)), controller.bus_number, disk.unit, index};
}

void settle_memory(std::uint64_t bytes, MachineSpec& spec) {
  spec.memory_bytes = bytes;
  if (bytes == 0) {
    spec.memory_bytes = kAssumedMemory;
    add_note(spec.assumptions, "No memory size is given; 2 GiB are assumed.");
  } else if (bytes > kMostMemory) {
    spec.memory_bytes = kMostMemory;
    add_note(spec.assumptions, "More than 16 TiB of memory are given; 16 TiB are used.");
  }
}

}  // namespace

void settle_size(std::uint64_t memory_bytes, std::uint64_t cpus, std::uint64_t cores,
                 MachineSpec& spec) {
  settle_memory(memory_bytes, spec);
  spec.vcpus = static_cast<unsigned>(std::clamp<std::uint64_t>(cpus, 1, kMostCpus));
  if (cpus == 0) add_note(spec.assumptions, "No number of CPUs is given; one is assumed.");
  if (cpus > kMostCpus) {
    add_note(spec.assumptions, "More than 1,024 CPUs are given; 1,024 are used.");
  }
  if (cores == 0) return;
  if (cores <= spec.vcpus && spec.vcpus % cores == 0) {
    spec.cores_per_socket = static_cast<unsigned>(cores);
  } else {
    add_note(spec.assumptions,
             fmt::format("{} cores per socket do not divide {} CPUs; they are left out.", cores,
                         spec.vcpus));
  }
}

void sort_disks(DescribedMachine& machine) {
  MachineSpec& spec = machine.spec;
  Ranks ranks;
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const auto controller = spec.disks[i].controller;
    if (controller) ranks.try_emplace(ovf::family_of(spec.controllers[*controller].kind), i);
  }
  std::vector<std::size_t> order(spec.disks.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sort_key(spec, a, ranks) < sort_key(spec, b, ranks);
  });
  std::vector<DiskSpec> sorted;
  std::set<std::size_t> unservable;
  for (const std::size_t index : order) {
    if (machine.unservable_disks.contains(index)) unservable.insert(sorted.size());
    sorted.push_back(std::move(spec.disks[index]));
  }
  spec.disks = std::move(sorted);
  machine.unservable_disks = std::move(unservable);
}

}  // namespace v2vfs::inspect
