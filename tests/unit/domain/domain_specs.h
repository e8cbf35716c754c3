// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "convert/domain/domain_xml.h"
#include "inspect/model.h"

namespace v2vfs::convert {

inline constexpr const char* kTestUuid = "11111111-2222-4333-8444-555555555555";

/// A machine, the options it is made with, and the name of its golden file (without ".xml").
struct DomainCase {
  std::string name;
  inspect::MachineSpec spec;
  DomainOptions options;
};

/// One case for each kind of hardware, firmware and option.
std::vector<DomainCase> domain_cases();

/// /disks/NAME/disk.qcow2, disk-2.qcow2, ...
std::vector<DomainDisk> paths_for(const inspect::MachineSpec& spec);

/// A machine with 2 CPUs, 1 GiB and BIOS, without devices.
inspect::MachineSpec bare_machine();

/// Adds a controller; returns its index.
std::size_t add_controller(inspect::MachineSpec& spec, inspect::ControllerKind kind,
                           unsigned bus_number = 0);
void add_disk(inspect::MachineSpec& spec, std::optional<std::size_t> controller, unsigned unit);
void add_cdrom(inspect::MachineSpec& spec, std::optional<std::size_t> controller, unsigned unit);
void add_nic(inspect::MachineSpec& spec, inspect::NicModel model, const std::string& word,
             const std::string& mac = "");

DomainText domain_of(const inspect::MachineSpec& spec, const DomainOptions& options = {});

}  // namespace v2vfs::convert
