// SPDX-License-Identifier: MIT
#include "inspect/source/vmx_devices.h"

#include <fmt/core.h>

#include <array>
#include <map>
#include <optional>
#include <set>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::vmx {
namespace {

using ovf::add_note;
using ovf::quoted;

constexpr std::size_t kMostNics = 64;
constexpr std::size_t kMostSerials = 32;
constexpr std::uint64_t kMostPciSlot = 65535;  // VMware numbers functions of bridges: 2208

NicModel model_of(const std::string& word) {
  static const std::map<std::string, NicModel> kModels = {
      {"vmxnet3", NicModel::vmxnet3}, {"vmxnet2", NicModel::vmxnet2},
      {"vmxnet", NicModel::vmxnet2},  {"e1000", NicModel::e1000},
      {"e1000e", NicModel::e1000e},   {"vlance", NicModel::pcnet32}};
  const auto known = kModels.find(to_lower(word));
  return known == kModels.end() ? NicModel::unknown : known->second;
}

class NicReader {
 public:
  NicReader(const Dictionary& vmx, MachineSpec& spec, unsigned number)
      : vmx_(vmx), spec_(spec), name_(fmt::format("ethernet{}", number)) {}

  void run() {
    const std::optional<std::string> present = key("present");
    if (!vmx_.flag(name_ + ".present", false)) {
      if (!present) say_absent();
      return vmx_.use_all(name_ + ".");
    }
    NicSpec nic;
    read_model(nic);
    read_mac(nic);
    nic.network = network();
    nic.pci_slot = pci_slot(vmx_, name_ + ".pcislotnumber");
    nic.connected = vmx_.flag(name_ + ".startconnected", true);
    spec_.nics.push_back(std::move(nic));
    vmx_.use_all(name_ + ".");
  }

 private:
  std::optional<std::string> key(const char* name) const { return vmx_.find(name_ + "." + name); }
  std::string text(const char* name) const { return key(name).value_or(""); }

  void say_absent() {
    add_note(spec_.ignored, fmt::format("The network adapter {} is left out: without a key "
                                        "`present` VMware does not show it.",
                                        name_));
  }

  /// VMware's default depends on the guest.
  void read_model(NicSpec& nic) {
    nic.source_model = text("virtualdev");
    nic.model = model_of(nic.source_model);
    if (nic.model != NicModel::unknown) return;
    if (!nic.source_model.empty()) {
      return add_note(spec_.assumptions, fmt::format("The model {} of {} is not known.",
                                                     quoted(nic.source_model), name_));
    }
    const bool is_64_bit = to_lower(spec_.os_type).find("64") != std::string::npos;
    nic.model = is_64_bit ? NicModel::e1000 : NicModel::pcnet32;
    add_note(spec_.assumptions,
             fmt::format("{} names no model; VMware's default for the guest, {}, is taken.", name_,
                         is_64_bit ? "e1000" : "vlance (pcnet32)"));
  }

  /// A static address stands in `address`, one that VMware or vCenter made in `generatedAddress`.
  void read_mac(NicSpec& nic) {
    const std::string type = to_lower(text("addresstype"));
    const std::string fixed = text("address");
    const std::string made = text("generatedaddress");
    const bool wants_fixed = type == "static" || (type.empty() && made.empty());
    const std::string& first = wants_fixed ? fixed : made;
    const std::string& second = wants_fixed ? made : fixed;
    const std::string& used = first.empty() ? second : first;
    if (used.empty()) return;
    nic.mac = ovf::parse_mac(used);
    if (!nic.mac) {
      return add_note(
          spec_.assumptions,
          fmt::format("The address {} of {} is no MAC address and left out.", quoted(used), name_));
    }
    if (!first.empty()) return;
    add_note(spec_.assumptions,
             fmt::format("The address type of {} is {}, but only the other kind of address is "
                         "there; it is used.",
                         name_, quoted(type)));
  }

  /// networkName, or what says which of VMware's own networks it was.
  std::optional<std::string> network() {
    const std::string type = text("connectiontype");
    for (const char* const each : {"networkname", "vnet", "opaquenetwork.id", "dvs.portgroupid"}) {
      if (const std::string name = text(each); !name.empty()) return name;
    }
    if (!type.empty()) return type;
    return std::nullopt;
  }

  const Dictionary& vmx_;
  MachineSpec& spec_;
  const std::string name_;
};

void note_equal_macs(MachineSpec& spec) {
  std::set<std::string> seen;
  for (const NicSpec& nic : spec.nics) {
    if (nic.mac && !seen.insert(*nic.mac).second) {
      add_note(spec.assumptions,
               fmt::format("Two network adapters have the MAC address {}.", *nic.mac));
    }
  }
}

struct OtherDevice {
  const char* stem;  // of keys, without a number
  const char* what;
};

/// Present if "<stem>.present" or "<stem>N.present" says so.
constexpr std::array<OtherDevice, 13> kOtherDevices = {{
    {"sound", "The sound card is left out."},
    {"usb", "The USB 1.1 controller is left out (the machine gets one for its pointer)."},
    {"ehci", "The USB 2 controller is left out."},
    {"usb_xhci", "The USB 3 controller is left out."},
    {"parallel", "A parallel port is left out."},
    {"pcipassthru", "A device of the host that was passed through is left out."},
    {"sharedfolder", "A shared folder is left out."},
    {"vmci", "VMware's channel between machines (VMCI) is left out."},
    {"svga", "VMware's display is a standard one here."},
    {"hpet", "The HPET is as QEMU has it."},
    {"mks", "3D graphics are left out."},
    {"vdpa", "A vDPA device is left out."},
    {"precisionclock", "The precision clock is left out."},
}};

bool is_present(const Dictionary& vmx, const std::string& stem) {
  if (vmx.flag(stem + ".present", false)) return true;
  for (const unsigned number : vmx.numbers_of(stem)) {
    if (vmx.flag(fmt::format("{}{}.present", stem, number), false)) return true;
  }
  return false;
}

void use_device(const Dictionary& vmx, const std::string& stem) {
  for (const char* const separator : {".", ":"}) vmx.use_all(stem + separator);
  for (const unsigned number : vmx.numbers_of(stem)) {
    for (const char* const separator : {".", ":"}) {
      vmx.use_all(fmt::format("{}{}{}", stem, number, separator));
    }
  }
}

void read_tpm(const Dictionary& vmx, MachineSpec& spec) {
  spec.tpm = vmx.flag("vtpm.present", false);
  if (!spec.tpm && vmx.find("managedvm.autoaddvtpm").value_or("").size() > 0) {
    spec.tpm = !equals_ignoring_case(vmx.text("managedvm.autoaddvtpm"), "none");
  }
  vmx.use_all("vtpm.");
  if (!spec.tpm) return;
  add_note(spec.ignored,
           "What the TPM holds stays in VMware's files; the machine gets a new, empty one.");
}

void read_vnc(const Dictionary& vmx, MachineSpec& spec) {
  const bool is_on = vmx.flag("remotedisplay.vnc.enabled", false);
  const std::string port = vmx.text("remotedisplay.vnc.port");
  vmx.use_all("remotedisplay.vnc.");
  if (!is_on) return;
  add_note(spec.ignored, fmt::format("The VNC server of the machine{}{} is left out; the domain "
                                     "has one of its own.",
                                     port.empty() ? "" : ", port ", clean_text(port, 16)));
}

}  // namespace

std::optional<unsigned> pci_slot(const Dictionary& vmx, const std::string& key) {
  const auto slot = vmx.number(key);
  if (!slot || *slot > kMostPciSlot) return std::nullopt;
  return static_cast<unsigned>(*slot);
}

void read_nics(const Dictionary& vmx, MachineSpec& spec) {
  for (const unsigned number : vmx.numbers_of("ethernet")) {
    if (spec.nics.size() >= kMostNics) {
      add_note(spec.ignored, "Network adapters beyond the 64th are left out.");
      break;
    }
    NicReader(vmx, spec, number).run();
  }
  note_equal_macs(spec);
}

void read_serials(const Dictionary& vmx, MachineSpec& spec) {
  for (const unsigned number : vmx.numbers_of("serial")) {
    const std::string name = fmt::format("serial{}.", number);
    SerialSpec serial;
    serial.port = number;
    serial.kind = vmx.text(name + "filetype");
    serial.target = vmx.text(name + "filename");
    const bool is_there = vmx.flag(name + "present", false);
    vmx.use_all(name);
    if (!is_there || spec.serials.size() >= kMostSerials) continue;
    if (equals_ignoring_case(serial.kind, "thinprint")) {
      add_note(spec.ignored,
               fmt::format("Serial port {} is VMware's printing and left out.", number));
      continue;
    }
    add_note(spec.ignored, fmt::format("Where serial port {} led to ({} {}) is left out: it is a "
                                       "pseudo terminal here.",
                                       number, clean_text(serial.kind, 32), quoted(serial.target)));
    spec.serials.push_back(std::move(serial));
  }
}

void read_other_devices(const Dictionary& vmx, MachineSpec& spec) {
  read_tpm(vmx, spec);
  read_vnc(vmx, spec);
  for (const OtherDevice& device : kOtherDevices) {
    if (is_present(vmx, device.stem)) add_note(spec.ignored, device.what);
    use_device(vmx, device.stem);
  }
}

}  // namespace v2vfs::inspect::vmx
