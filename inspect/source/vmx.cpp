// SPDX-License-Identifier: MIT
#include "inspect/source/vmx.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "inspect/base/checked.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/source_name.h"
#include "inspect/source/vmx_devices.h"
#include "inspect/source/vmx_dictionary.h"
#include "inspect/source/vmx_storage.h"

namespace v2vfs::inspect {
namespace vmx {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kDefaultMiB = 32;

/// Keys that say nothing of the machine, or what is said elsewhere: left out without a word.
constexpr std::array<const char*, 24> kPlainKeys = {
    ".encoding",     "config.",          "virtualhw.",     "uuid.location",
    "uuid.action",   "vc.uuid",          "pcibridge",      "cleanshutdown",
    "softpoweroff",  "replay.",          "migrate.",       "vmotion.",
    "monitor.phys",  "numa.autosize",    "hostcpuid.",     "guestcpuid.",
    "usercpuid.",    "viv.moid",         "guestosaltname", "snapshot.action",
    "vm.createdate", "evccompatibility", "log.",           "checkpoint.cptconfigname",
};

class MachineReader {
 public:
  MachineReader(std::string_view bytes, std::string_view file)
      : vmx_(bytes, file), file_(file), spec_(machine_.spec) {}

  DescribedMachine run() {
    spec_.source_kind = "vmx";
    for (const std::string& sentence : vmx_.assumptions()) add_note(spec_.assumptions, sentence);
    read_identity();
    read_size();
    read_firmware();
    read_storage(vmx_, machine_);
    read_nics(vmx_, spec_);
    read_serials(vmx_, spec_);
    read_other_devices(vmx_, spec_);
    read_state();
    note_rest();
    return std::move(machine_);
  }

 private:
  void read_identity() {
    spec_.name = vmx_.text("displayname");
    if (trim(spec_.name).empty()) {
      spec_.name = stem_part(file_);
      add_note(spec_.assumptions, "The machine has no name; the file's name is used.");
    }
    spec_.id = spec_.name;
    spec_.description = vmx_.text("annotation");
    spec_.os_type = vmx_.text("guestos");
    if (const auto uuid = vmx_.find("uuid.bios")) {
      spec_.uuid = ovf::parse_uuid(*uuid);
      if (!spec_.uuid) {
        add_note(spec_.assumptions,
                 fmt::format("The UUID {} is none; another is used.", quoted(*uuid)));
      }
    }
    read_genid();
  }

  /// Two signed decimal numbers, the halves of a GUID as it lies in memory: of the first eight
  /// bytes a 32-bit and two 16-bit numbers with their low byte first, of the second eight bytes
  /// each for itself.
  void read_genid() {
    const auto low = signed_number("vm.genid");
    const auto high = signed_number("vm.genidx");
    if (!low || !high || (*low == 0 && *high == 0)) return;
    const std::uint64_t a = *low;
    std::string text = fmt::format("{:08x}-{:04x}-{:04x}-", a & 0xffffffff, (a >> 32) & 0xffff,
                                   (a >> 48) & 0xffff);
    for (unsigned i = 0; i < 8; ++i) {
      if (i == 2) text += '-';
      text += fmt::format("{:02x}", (*high >> (8 * i)) & 0xff);
    }
    spec_.genid = text;
  }

  std::optional<std::uint64_t> signed_number(const std::string& key) {
    const std::string text = vmx_.text(key);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
      return std::nullopt;
    }
    return static_cast<std::uint64_t>(value);
  }

  void read_size() {
    const auto said = vmx_.find("memsize");
    auto mib = vmx_.number("memsize");
    if (!mib) {
      mib = kDefaultMiB;
      add_note(spec_.assumptions,
               said ? fmt::format("The memory size {} is no number; VMware's default, 32 MiB, is "
                                  "used.",
                                  quoted(*said))
                    : "No memory size is given; VMware's default is 32 MiB.");
    }
    const Checked bytes = checked_mul(*mib, kMiB);
    settle_size(bytes.value_or(kMostMemory + 1), cpus(),
                vmx_.number("cpuid.corespersocket").value_or(0), spec_);
  }

  /// Without the key VMware gives one.
  std::uint64_t cpus() {
    const auto said = vmx_.find("numvcpus");
    return said ? vmx_.number("numvcpus").value_or(0) : 1;
  }

  void read_firmware() {
    const std::string said = to_lower(vmx_.text("firmware"));
    spec_.firmware = said == "efi" ? Firmware::uefi : Firmware::bios;
    if (said != "efi" && said != "bios" && !said.empty()) {
      add_note(spec_.assumptions,
               fmt::format("The firmware {} is not known; BIOS is assumed.", quoted(said)));
    }
    spec_.secure_boot = vmx_.flag("uefi.secureboot.enabled", false);
    const std::string nvram = vmx_.text("nvram");
    if (nvram.empty()) return;
    spec_.nvram_file = nvram;
    if (spec_.firmware != Firmware::uefi) return;
    add_note(spec_.ignored, fmt::format("The firmware's variables ({}) are left out: the machine "
                                        "starts with fresh ones.",
                                        quoted(nvram)));
  }

  void read_state() {
    if (vmx_.find("encryption.keysafe") || vmx_.find("encryption.data")) {
      vmx_.use_all("encryption.");
      add_problem(spec_.problems, {"machine-encrypted", Severity::error,
                                   "The machine is encrypted: all but its name is unknown.",
                                   "Remove the encryption in VMware (Access Control)."});
    }
    const std::string saved = vmx_.text("checkpoint.vmstate");
    if (saved.empty()) return;
    add_problem(spec_.problems,
                {"machine-suspended", Severity::warning,
                 fmt::format("The machine is suspended ({}): its disks are as those of a machine "
                             "whose power failed.",
                             quoted(saved)),
                 "Resume it in VMware and shut it down."});
  }

  void note_rest() {
    for (const char* const key : kPlainKeys) vmx_.use_all(key);
    const std::vector<std::string> rest = vmx_.unused();
    if (rest.empty()) return;
    std::string list;
    for (const std::string& each : rest) {
      if (list.size() > 1500) {
        list += ", ...";
        break;
      }
      list += (list.empty() ? "" : ", ") + clean_text(each, 64);
    }
    add_note(spec_.ignored, fmt::format("Settings that are left out: {}.", list));
  }

  const Dictionary vmx_;
  const std::string_view file_;
  DescribedMachine machine_;
  MachineSpec& spec_;
};

}  // namespace
}  // namespace vmx

DescribedMachine parse_vmx(std::string_view bytes, std::string_view file) {
  return vmx::MachineReader(bytes, file).run();
}

}  // namespace v2vfs::inspect
