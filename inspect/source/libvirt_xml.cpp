// SPDX-License-Identifier: MIT
#include "inspect/source/libvirt_xml.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/bounded_xml.h"
#include "inspect/source/libvirt_drives.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace libvirt_xml {
namespace {

using ovf::add_note;
using ovf::add_problem;
using ovf::quoted;
using pugi::xml_node;

constexpr std::size_t kMostNics = 64;
constexpr std::size_t kMostSerials = 32;

/// "scaled integers": bytes for a word, KiB without one. Words of three letters are powers of two.
std::optional<std::uint64_t> unit_bytes(const std::string& unit) {
  static const std::map<std::string, std::uint64_t> kUnits = {
      {"", 1ULL << 10},      {"b", 1},
      {"byte", 1},           {"bytes", 1},
      {"k", 1ULL << 10},     {"kib", 1ULL << 10},
      {"kb", 1'000},         {"m", 1ULL << 20},
      {"mib", 1ULL << 20},   {"mb", 1'000'000},
      {"g", 1ULL << 30},     {"gib", 1ULL << 30},
      {"gb", 1'000'000'000}, {"t", 1ULL << 40},
      {"tib", 1ULL << 40},   {"tb", 1'000'000'000'000}};
  const auto known = kUnits.find(to_lower(unit));
  if (known == kUnits.end()) return std::nullopt;
  return known->second;
}

NicModel model_of(const std::string& word) {
  static const std::map<std::string, NicModel> kModels = {
      {"virtio", NicModel::virtio},
      {"virtio-transitional", NicModel::virtio},
      {"virtio-non-transitional", NicModel::virtio},
      {"e1000", NicModel::e1000},
      {"e1000e", NicModel::e1000e},
      {"rtl8139", NicModel::rtl8139},
      {"pcnet", NicModel::pcnet32},
      {"vlance", NicModel::pcnet32},
      {"vmxnet", NicModel::vmxnet2},
      {"vmxnet2", NicModel::vmxnet2},
      {"vmxnet3", NicModel::vmxnet3}};
  const auto known = kModels.find(word);
  return known == kModels.end() ? NicModel::unknown : known->second;
}

class DomainReader {
 public:
  DomainReader(xml_node domain, std::string_view file)
      : domain_(domain), os_(domain.child("os")), file_(file), spec_(machine_.spec) {}

  DescribedMachine run() {
    spec_.source_kind = "libvirt";
    read_identity();
    read_size();
    read_boot();
    read_firmware();
    const xml_node devices = domain_.child("devices");
    read_drives(devices, machine_);
    for (const xml_node& node : devices.children("interface")) read_nic(node);
    read_serials(devices);
    read_other_devices(devices);
    read_other_settings();
    sort_disks(machine_);
    return std::move(machine_);
  }

 private:
  void read_identity() {
    spec_.name = trim(domain_.child_value("name"));
    if (spec_.name.empty()) {
      spec_.name = stem_part(file_);
      add_note(spec_.assumptions, "The domain has no name; the file's name is used.");
    }
    spec_.id = spec_.name;
    spec_.description = domain_.child_value("description");
    if (spec_.description.empty()) spec_.description = domain_.child_value("title");
    spec_.uuid = read_uuid("uuid");
    spec_.genid = read_uuid("genid");
    read_os_type();
    read_clock(domain_.child("clock"));
  }

  void read_clock(xml_node clock) {
    const std::string_view offset = clock.attribute("offset").value();
    if (offset.empty()) return;
    const std::string_view basis = clock.attribute("basis").value();
    spec_.localtime = offset == "localtime" || basis == "localtime";
    if (offset == "utc" || offset == "localtime") return;
    add_note(spec_.ignored,
             fmt::format("The clock's own offset ({}) is left out: it is {}.",
                         clean_text(offset, 32), *spec_.localtime ? "local time" : "UTC"));
  }

  std::optional<std::string> read_uuid(const char* name) {
    const std::string text = domain_.child_value(name);
    const std::optional<std::string> uuid = ovf::parse_uuid(text);
    if (!text.empty() && !uuid) {
      add_note(spec_.assumptions,
               fmt::format("The {} {} is no UUID and left out.", name, quoted(text)));
    }
    return uuid;
  }

  /// libosinfo's metadata: <libosinfo:os id="http://debian.org/debian/12"/>.
  void read_os_type() {
    for (const xml_node& each : domain_.child("metadata").children()) {
      for (const xml_node& os : each.children()) {
        const std::string_view name = os.name();
        if (name == "os" || name.ends_with(":os")) spec_.os_type = os.attribute("id").value();
      }
    }
  }

  void read_size() {
    const xml_node memory = domain_.child("memory");
    const std::string unit = memory.attribute("unit").value();
    const auto count = ovf::parse_count(memory.child_value());
    const auto bytes_of = unit_bytes(unit);
    if (!bytes_of) {
      add_note(spec_.assumptions,
               fmt::format("The memory's unit {} is not known; KiB is assumed.", quoted(unit)));
    }
    const Checked bytes = checked_mul(count.value_or(0), bytes_of.value_or(1024));
    const xml_node topology = domain_.child("cpu").child("topology");
    settle_size(bytes.value_or(kMostMemory + 1), cpus(topology), cores(topology), spec_);
    note_current();
  }

  std::uint64_t cpus(xml_node topology) {
    const xml_node vcpu = domain_.child("vcpu");
    if (const auto count = ovf::parse_count(vcpu.child_value())) return *count;
    Checked product = 1;
    for (const char* const factor : {"sockets", "dies", "cores", "threads"}) {
      if (product) product = checked_mul(*product, factor_of(topology, factor));
    }
    return product.value_or(kMostCpus + 1);
  }

  static std::uint64_t factor_of(xml_node topology, const char* name) {
    return ovf::parse_count(topology.attribute(name).value()).value_or(1);
  }

  std::uint64_t cores(xml_node topology) {
    if (!topology) return 0;
    const std::uint64_t threads = factor_of(topology, "threads");
    if (threads > 1) {
      add_note(spec_.assumptions,
               fmt::format("{} threads of a core are as many cores here.", threads));
    }
    return checked_mul(factor_of(topology, "cores"),
                       checked_mul(threads, factor_of(topology, "dies")).value_or(0))
        .value_or(0);
  }

  void note_current() {
    const std::string current = domain_.child("vcpu").attribute("current").value();
    if (!current.empty()) {
      add_note(spec_.ignored, fmt::format("Of the CPUs {} are online at the start, which is left "
                                          "out.",
                                          quoted(current)));
    }
    if (domain_.child("maxMemory")) {
      add_note(spec_.ignored, "Memory that can be plugged in (maxMemory) is left out.");
    }
  }

  void read_boot() {
    const std::string type = os_.child_value("type");
    if (type == "linux" || type == "xen") spec_.guest_type = GuestType::pv;
    if (type == "xenpvh") spec_.guest_type = GuestType::pvh;
    OutsideBoot boot;
    boot.bootloader = domain_.child_value("bootloader");
    boot.kernel = os_.child_value("kernel");
    boot.initrd = os_.child_value("initrd");
    boot.cmdline = os_.child_value("cmdline");
    if (boot.bootloader.empty() && boot.kernel.empty()) return;
    if (!boot.kernel.empty()) {
      add_problem(spec_.problems,
                  {"boot-outside", Severity::info,
                   fmt::format("The machine starts a kernel that lies outside its disks, {}.",
                               quoted(boot.kernel)),
                   "See that the disk has a kernel and a boot loader of its own."});
    }
    spec_.outside_boot = std::move(boot);
  }

  void read_firmware() {
    const xml_node loader = os_.child("loader");
    const std::string said = os_.attribute("firmware").value();
    const std::string path = loader.child_value();
    const bool is_flash = std::string_view(loader.attribute("type").value()) == "pflash";
    spec_.firmware = Firmware::bios;
    if (spec_.guest_type != GuestType::hvm) spec_.firmware = Firmware::unknown;
    if (said == "efi" || (said.empty() && (is_flash || names_uefi(path)))) {
      spec_.firmware = Firmware::uefi;
    }
    spec_.secure_boot = ovf::parse_flag(loader.attribute("secure").value()) || has_secure_feature();
    const std::string nvram(trim(os_.child_value("nvram")));
    if (nvram.empty()) return;
    spec_.nvram_file = nvram;
    add_note(spec_.ignored, fmt::format("The firmware's variables ({}) are left out: the machine "
                                        "starts with fresh ones.",
                                        quoted(nvram)));
  }

  static bool names_uefi(const std::string& path) {
    const std::string lower = to_lower(path);
    return lower.find("ovmf") != std::string::npos || lower.find("edk2") != std::string::npos ||
           lower.find("uefi") != std::string::npos;
  }

  bool has_secure_feature() const {
    for (const xml_node& feature : os_.child("firmware").children("feature")) {
      if (std::string_view(feature.attribute("name").value()) == "secure-boot") {
        return ovf::parse_flag(feature.attribute("enabled").value());
      }
    }
    return false;
  }

  void read_nic(xml_node node) {
    if (spec_.nics.size() >= kMostNics) {
      return add_note(spec_.ignored, "Network adapters beyond the 64th are left out.");
    }
    const std::string type = node.attribute("type").value();
    if (type == "hostdev") {
      return add_note(spec_.ignored,
                      "A network card of the host that was passed through is left "
                      "out.");
    }
    NicSpec nic;
    read_mac(node, nic);
    nic.source_model = node.child("model").attribute("type").value();
    nic.model = model_of(nic.source_model);
    settle_model(nic);
    nic.network = network_of(node, type);
    nic.connected = std::string_view(node.child("link").attribute("state").value()) != "down";
    spec_.nics.push_back(std::move(nic));
  }

  void read_mac(xml_node node, NicSpec& nic) {
    const std::string address = node.child("mac").attribute("address").value();
    if (address.empty()) return;
    nic.mac = ovf::parse_mac(address);
    if (nic.mac) return;
    add_note(spec_.assumptions,
             fmt::format("The address {} is no MAC address and left out.", quoted(address)));
  }

  /// Without a model libvirt takes the hypervisor's default: of QEMU the rtl8139.
  void settle_model(NicSpec& nic) {
    if (nic.model != NicModel::unknown || nic.source_model == "netfront") return;
    if (nic.source_model.empty() && spec_.guest_type != GuestType::hvm) {
      nic.source_model = "netfront";
      return;
    }
    if (nic.source_model.empty()) {
      nic.model = NicModel::rtl8139;
      return add_note(spec_.assumptions,
                      "A network adapter names no model; rtl8139, QEMU's default, is taken.");
    }
    add_note(spec_.assumptions,
             fmt::format("The network adapter's model {} is not known.", quoted(nic.source_model)));
  }

  static std::optional<std::string> network_of(xml_node node, const std::string& type) {
    const xml_node source = node.child("source");
    for (const char* const key : {"network", "bridge", "dev", "name"}) {
      const std::string name = source.attribute(key).value();
      if (!name.empty()) return name;
    }
    if (type.empty() || type == "network" || type == "bridge") return std::nullopt;
    return type;  // "user", "direct", ...
  }

  void read_serials(xml_node devices) {
    for (const xml_node& node : devices.children("serial")) {
      if (spec_.serials.size() >= kMostSerials) return;
      SerialSpec serial;
      const auto port = ovf::parse_count(node.child("target").attribute("port").value());
      serial.port = port && *port < kMostSerials ? static_cast<unsigned>(*port)
                                                 : static_cast<unsigned>(spec_.serials.size());
      serial.kind = node.attribute("type").value();
      serial.target = node.child("source").attribute("path").value();
      if (serial.kind != "pty") {
        add_note(spec_.ignored,
                 fmt::format("Where serial port {} led to ({} {}) is left out: it "
                             "is a pseudo terminal here.",
                             serial.port, quoted(serial.kind), quoted(serial.target)));
      } else {
        serial.target.clear();  // a number of that host's
      }
      spec_.serials.push_back(std::move(serial));
    }
  }

  void read_other_devices(xml_node devices) {
    static const std::set<std::string_view> kKnown = {
        "emulator", "disk",  "controller", "interface", "serial",  "console", "graphics",
        "video",    "input", "memballoon", "tpm",       "channel", "audio"};
    std::map<std::string, unsigned> others;
    for (const xml_node& node : devices.children()) {
      if (node.type() == pugi::node_element && !kKnown.contains(node.name())) {
        ++others[clean_text(node.name(), 40)];
      }
    }
    for (const auto& [name, count] : others) {
      add_note(spec_.ignored, count == 1
                                  ? fmt::format("The device <{}> is left out.", name)
                                  : fmt::format("{} devices <{}> are left out.", count, name));
    }
    if (!devices.child("tpm")) return;
    spec_.tpm = true;
    add_note(spec_.ignored,
             "What the TPM holds stays on its host; the machine gets a new, empty one.");
  }

  void read_other_settings() {
    for (const char* const name :
         {"sysinfo", "cputune", "memtune", "numatune", "blkiotune", "iothreads", "memoryBacking",
          "qemu:commandline", "qemu:override", "launchSecurity", "keywrap", "idmap", "resource"}) {
      if (domain_.child(name)) {
        add_note(spec_.ignored, fmt::format("<{}> is left out.", name));
      }
    }
  }

  xml_node domain_;
  xml_node os_;
  std::string_view file_;
  DescribedMachine machine_;
  MachineSpec& spec_;
};

}  // namespace
}  // namespace libvirt_xml

DescribedMachine parse_domain_xml(std::string_view text, std::string_view file) {
  pugi::xml_document tree;
  load_bounded_xml(text, file, tree);
  const pugi::xml_node root = tree.document_element();
  if (std::string_view(root.name()) != "domain") {
    throw Error(EINVAL, "{}: it is no libvirt domain: its root element is <{}>", clean_text(file),
                clean_text(root.name(), 64));
  }
  return libvirt_xml::DomainReader(root, file).run();
}

}  // namespace v2vfs::inspect
