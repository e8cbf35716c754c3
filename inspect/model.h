// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What a source says a machine is: plain data, no I/O. Texts are as the source has them (UTF-8,
/// but not cleaned): whoever shows one cleans it. Sizes are bytes.
namespace v2vfs::inspect {

enum class Firmware { unknown, bios, uefi };

enum class ControllerKind {
  ide,
  sata,
  scsi_lsilogic,  // parallel, 53C1030
  scsi_lsisas1068,
  scsi_buslogic,
  scsi_pvscsi,
  nvme,
  virtio_scsi,
  virtio_block,
};

/// One disk controller, in the order of the source. `bus_number` counts within its family (IDE 0,
/// 1; SCSI 0..3; ...).
struct ControllerSpec {
  ControllerKind kind = ControllerKind::sata;
  unsigned bus_number = 0;
  std::optional<unsigned> pci_slot = std::nullopt;  // VMware's pciSlotNumber
};

/// As a description says it. Raw is believed whatever the file holds; of all others the file's own
/// header decides.
enum class DiskFormat { unknown, vmdk, raw, empty, vhd, vhdx, vdi, qcow2, qed, parallels };

struct DiskSpec {
  std::string id;  // the source's own name for it, for messages ("vmdisk1", "scsi0:0", "xvda")
  /// Relative to the descriptor, or absolute (libvirt, Xen); what SourceFiles::open() takes. Of a
  /// chain the topmost. None: a disk that has no file yet.
  std::optional<std::string> file;
  /// What the file builds upon, as the description has it (OVF's parentRef), its own parent first.
  /// Empty: the file itself says.
  std::vector<std::string> parents;
  DiskFormat format = DiskFormat::unknown;
  std::optional<std::uint64_t> capacity_bytes;  // as described, until the file itself was opened
  std::optional<std::uint64_t> file_bytes;      // as the descriptor says
  std::optional<std::size_t> controller;        // index into MachineSpec::controllers
  unsigned unit = 0;                            // AddressOnParent
  std::optional<unsigned> boot_order;
  bool read_only = false;
  std::string serial;  // that the guest sees; empty: none is given
};

enum class RemovableKind { cdrom, floppy };

struct RemovableSpec {
  RemovableKind kind = RemovableKind::cdrom;
  std::optional<std::string> file;
  std::optional<std::size_t> controller;
  unsigned unit = 0;
};

enum class NicModel { unknown, vmxnet3, vmxnet2, e1000, e1000e, pcnet32, rtl8139, virtio };

struct NicSpec {
  NicModel model = NicModel::unknown;
  std::string source_model;        // the source's word ("VmxNet3")
  std::optional<std::string> mac;  // "00:50:56:aa:bb:cc", lower case, checked
  std::optional<std::string> network;
  std::optional<unsigned> pci_slot;  // VMware's slotInfo.pciSlotNumber
  bool connected = true;
};

enum class Severity { info, warning, error };

/// Something that stands between the machine and its use. `code` is a stable word ("disk-missing").
struct Problem {
  std::string code;
  Severity severity = Severity::warning;
  std::string what;
  std::string fix;
};

/// What the machine is to its guest. `pv` has neither firmware nor emulated hardware (Xen).
enum class GuestType { hvm, pv, pvh };

/// How a guest starts whose kernel or boot loader lies outside its disks (Xen PV, direct kernel
/// boot). Paths of the host it ran on: nothing here opens them.
struct OutsideBoot {
  std::string bootloader;  // "pygrub": a program of the host that looks into the disk
  std::string kernel;
  std::string initrd;
  std::string cmdline;
};

struct SerialSpec {
  unsigned port = 0;   // from 0
  std::string kind;    // the source's word: "file", "pipe", "network", "pty", ...
  std::string target;  // where it went; a path or address of the host it ran on, never opened
};

/// A disk as it was at a snapshot.
struct SnapshotDisk {
  std::string file;  // as DiskSpec::file; of a chain the topmost of that time
  DiskFormat format = DiskFormat::unknown;
  std::optional<std::size_t> disk;  // index into MachineSpec::disks
};

struct SnapshotSpec {
  std::string id;  // unique within the machine
  std::string name;
  std::string description;
  std::optional<std::string> parent;         // id
  std::optional<std::int64_t> created_unix;  // seconds
  bool is_current = false;                   // the machine's disks build upon this one
  std::vector<SnapshotDisk> disks;
};

struct MachineSpec {
  std::string source_kind;          // "ovf", "vmx", "xen", "libvirt", "disk"
  std::string id;                   // unique within its source and stable ("ovf:id", else the name)
  std::string name;                 // as the source has it
  std::optional<std::string> uuid;  // RFC 4122, lower case
  std::string description;
  std::string os_type;  // the source's word: "debian12_64Guest", "Ubuntu_64", a CIM id
  std::uint64_t memory_bytes = 0;
  unsigned vcpus = 1;
  std::optional<unsigned> cores_per_socket;
  Firmware firmware = Firmware::unknown;
  bool secure_boot = false;
  bool tpm = false;
  std::optional<std::string> nvram_file;  // the firmware's variables; as DiskSpec::file
  std::optional<std::string> genid;       // VM generation ID, as a UUID
  std::optional<bool> localtime;          // the hardware clock; none: the source does not say
  GuestType guest_type = GuestType::hvm;
  std::optional<OutsideBoot> outside_boot;
  std::vector<ControllerSpec> controllers;
  std::vector<DiskSpec> disks;  // in the order in which the machine counts them
  std::vector<RemovableSpec> removables;
  std::vector<NicSpec> nics;
  std::vector<SerialSpec> serials;
  std::vector<SnapshotSpec> snapshots;
  std::vector<std::string> assumptions;  // every reading that was a guess, one sentence each
  std::vector<std::string> ignored;      // everything that was left out
  std::vector<Problem> problems;

  bool usable() const {
    for (const Problem& p : problems) {
      if (p.severity == Severity::error) return false;
    }
    return true;
  }
};

struct NetworkSpec {
  std::string name;
  std::string description;
};

/// One entry of OVF's StartupSection (DSP0243 9.? "startup order").
struct StartupItem {
  std::string machine_id;
  unsigned order = 0;
  unsigned start_delay_s = 0;
  unsigned stop_delay_s = 0;
};

struct PropertySpec {
  std::string key;
  std::string type;
  std::string value;
};

/// The appliance as a whole; only OVF says anything of it.
struct ApplianceSpec {
  std::string name;
  std::vector<NetworkSpec> networks;
  std::vector<StartupItem> startup;
  std::vector<PropertySpec> properties;
};

}  // namespace v2vfs::inspect
