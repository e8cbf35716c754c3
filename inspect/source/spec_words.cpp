// SPDX-License-Identifier: MIT
#include "inspect/source/spec_words.h"

#include "inspect/source/source_name.h"

namespace v2vfs::inspect {

std::string_view word(Firmware firmware) {
  switch (firmware) {
    case Firmware::unknown:
      return "unknown";
    case Firmware::bios:
      return "bios";
    case Firmware::uefi:
      return "uefi";
  }
  return "unknown";
}

std::string_view word(ControllerKind kind) {
  switch (kind) {
    case ControllerKind::ide:
      return "ide";
    case ControllerKind::sata:
      return "sata";
    case ControllerKind::scsi_lsilogic:
      return "lsilogic";
    case ControllerKind::scsi_lsisas1068:
      return "lsisas1068";
    case ControllerKind::scsi_buslogic:
      return "buslogic";
    case ControllerKind::scsi_pvscsi:
      return "pvscsi";
    case ControllerKind::nvme:
      return "nvme";
    case ControllerKind::virtio_scsi:
      return "virtio-scsi";
    case ControllerKind::virtio_block:
      return "virtio-blk";
  }
  return "unknown";
}

std::string_view word(DiskFormat format) {
  switch (format) {
    case DiskFormat::unknown:
      return "unknown";
    case DiskFormat::vmdk:
      return "vmdk";
    case DiskFormat::raw:
      return "raw";
    case DiskFormat::empty:
      return "empty";
    case DiskFormat::vhd:
      return "vhd";
    case DiskFormat::vhdx:
      return "vhdx";
    case DiskFormat::vdi:
      return "vdi";
    case DiskFormat::qcow2:
      return "qcow2";
    case DiskFormat::qed:
      return "qed";
    case DiskFormat::parallels:
      return "parallels";
  }
  return "unknown";
}

DiskFormat said_format(std::string_view word) {
  if (word == "raw") return DiskFormat::raw;
  if (word == "vmdk") return DiskFormat::vmdk;
  if (word == "vhd" || word == "vpc") return DiskFormat::vhd;
  if (word == "vhdx") return DiskFormat::vhdx;
  if (word == "vdi") return DiskFormat::vdi;
  if (word == "qcow2") return DiskFormat::qcow2;
  if (word == "qed") return DiskFormat::qed;
  if (word == "parallels") return DiskFormat::parallels;
  return DiskFormat::unknown;
}

DiskFormat format_of_suffix(std::string_view file) {
  for (const std::string_view suffix : {".vhd", ".vhdx", ".vdi", ".qcow2", ".qed"}) {
    if (has_suffix(file, suffix)) return said_format(suffix.substr(1));
  }
  return DiskFormat::unknown;
}

std::string_view word(RemovableKind kind) {
  return kind == RemovableKind::floppy ? "floppy" : "cdrom";
}

std::string_view word(NicModel model) {
  switch (model) {
    case NicModel::unknown:
      return "unknown";
    case NicModel::vmxnet3:
      return "vmxnet3";
    case NicModel::vmxnet2:
      return "vmxnet2";
    case NicModel::e1000:
      return "e1000";
    case NicModel::e1000e:
      return "e1000e";
    case NicModel::pcnet32:
      return "pcnet32";
    case NicModel::rtl8139:
      return "rtl8139";
    case NicModel::virtio:
      return "virtio";
  }
  return "unknown";
}

std::string_view word(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

std::string_view word(GuestType type) {
  switch (type) {
    case GuestType::hvm:
      return "hvm";
    case GuestType::pv:
      return "pv";
    case GuestType::pvh:
      return "pvh";
  }
  return "hvm";
}

}  // namespace v2vfs::inspect
