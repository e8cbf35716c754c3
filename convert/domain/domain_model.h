// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/domain/domain_xml.h"

/// What a domain may say, as plain data. Every element and attribute that domain_writer.cpp writes
/// comes from here, and there is no field for anything else: a source cannot name an emulator, a
/// host path, a script or a device of the host, because there is no place to put it.
namespace v2vfs::convert {

enum class MachineType { pc, q35 };

enum class Bus { ide, sata, scsi, virtio, fdc };
enum class ScsiModel { vmpvscsi, lsisas1068, virtio_scsi };

/// One <controller>. IDE on `pc` and the floppy controller have none: libvirt adds them.
struct DomainController {
  Bus bus = Bus::sata;                    // sata or scsi
  unsigned index = 0;                     // counts within `bus`
  ScsiModel model = ScsiModel::vmpvscsi;  // of bus scsi
};

/// <address type='drive'>: which fields count depends on the bus.
struct DriveAddress {
  unsigned controller = 0;
  unsigned bus = 0;
  unsigned target = 0;
  unsigned unit = 0;
};

enum class DriveKind { disk, cdrom, floppy };

struct DomainDrive {
  DriveKind kind = DriveKind::disk;
  Bus bus = Bus::sata;
  std::string name;                     // "sda": unique in the domain
  std::optional<DriveAddress> address;  // none on virtio
  std::string path;  // of a disk its qcow2, else a raw medium; empty: a drive without a medium
  std::optional<unsigned> boot_order;  // from 1
  std::string wwn;                     // 16 hexadecimal digits; empty: none
  std::string serial;                  // empty: QEMU's own
};

enum class DomainNicModel { vmxnet3, e1000, e1000e, virtio, rtl8139, pcnet };

struct DomainNic {
  DomainNicModel model = DomainNicModel::e1000e;
  std::string mac;
  NetworkChoice network;
  bool link_up = true;
};

struct CpuTopology {
  unsigned sockets = 1;
  unsigned cores = 1;
};

struct DomainModel {
  bool kvm = false;
  std::string arch;
  std::string name;
  std::string uuid;
  std::string description;
  std::uint64_t memory_kib = 0;
  unsigned vcpus = 1;
  std::optional<CpuTopology> topology;
  MachineType machine = MachineType::q35;
  bool uefi = false;
  bool secure_boot = false;
  bool tpm = false;
  bool localtime = false;
  std::string genid;          // a UUID; empty: none
  unsigned serial_ports = 1;  // 1 to 4
  bool transitional = false;  // virtio devices speak 0.9 as well
  bool rng = false;
  bool balloon = false;
  bool agent_channel = false;  // org.qemu.guest_agent.0
  std::vector<DomainController> controllers;
  std::vector<DomainDrive> drives;
  std::vector<DomainNic> nics;
  std::vector<std::string> changes;  // = DomainText::assumptions
};

}  // namespace v2vfs::convert
