// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <random>
#include <set>

#include "convert/domain/domain_xml.h"
#include "tests/unit/domain/domain_specs.h"

// reliability rule: domain.xml holds nothing but allow-listed elements and attributes whatever a
// source says, and no text of a source anywhere but in the few places that are for text.

namespace v2vfs::convert {
namespace {

using inspect::MachineSpec;

const std::set<std::string> kAllowed{
#include "tests/unit/domain/allowed_paths.inc"
};

/// Where text of the source may stand.
const std::set<std::string> kTextPlaces{
    "domain/name",
    "domain/description",
    "domain/metadata/v2vfs:machine@id",
    "domain/metadata/v2vfs:machine@name",
    "domain/metadata/v2vfs:machine@os",
    "domain/metadata/v2vfs:machine/v2vfs:nic@model",
    "domain/metadata/v2vfs:machine/v2vfs:nic@network",
    "domain/metadata/v2vfs:machine/v2vfs:changed",
};

constexpr const char* kMarker = "EVIL";

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  MachineSpec machine() {
    MachineSpec spec;
    spec.id = text();
    spec.name = text();
    if (coin()) spec.uuid = text();
    spec.description = text() + text();
    spec.os_type = text();
    spec.memory_bytes = number();
    spec.vcpus = static_cast<unsigned>(number());
    if (coin()) spec.cores_per_socket = static_cast<unsigned>(number());
    spec.firmware = static_cast<inspect::Firmware>(below(3));
    spec.secure_boot = coin();
    spec.tpm = coin();
    add_devices(spec);
    return spec;
  }

  DomainOptions options() {
    DomainOptions options;
    options.host.kvm = coin();
    options.host.has_ovmf_secure_boot = coin();
    options.host.has_swtpm = coin();
    options.network.kind = static_cast<NetworkKind>(below(3));
    return options;
  }

 private:
  void add_devices(MachineSpec& spec) {
    const unsigned most = below(20) == 0 ? 300 : 6;
    for (unsigned i = below(most); i > 0; --i) {
      spec.controllers.push_back({static_cast<inspect::ControllerKind>(below(9)), bus_number()});
    }
    for (unsigned i = below(most); i > 0; --i) spec.disks.push_back(disk());
    for (unsigned i = below(most); i > 0; --i) spec.removables.push_back(removable());
    for (unsigned i = below(most); i > 0; --i) spec.nics.push_back(nic());
  }

  inspect::DiskSpec disk() {
    inspect::DiskSpec disk;
    disk.id = text();
    disk.file = text();
    if (coin()) disk.controller = below(8);
    disk.unit = bus_number();
    if (coin()) disk.boot_order = static_cast<unsigned>(number());
    return disk;
  }

  inspect::RemovableSpec removable() {
    inspect::RemovableSpec removable;
    removable.kind = coin() ? inspect::RemovableKind::cdrom : inspect::RemovableKind::floppy;
    removable.file = text();
    if (coin()) removable.controller = below(8);
    removable.unit = bus_number();
    return removable;
  }

  inspect::NicSpec nic() {
    inspect::NicSpec nic;
    nic.model = static_cast<inspect::NicModel>(below(8));
    nic.source_model = text();
    nic.connected = coin();
    if (coin()) nic.mac = coin() ? text() : "00:50:56:00:00:01";
    if (coin()) nic.network = text();
    return nic;
  }

  std::string text() {
    static const std::vector<std::string> kPieces{"EVIL",
                                                  "'/><emulator>/bin/sh</emulator>",
                                                  "\"",
                                                  "'",
                                                  "<",
                                                  ">",
                                                  "&",
                                                  "]]>",
                                                  "<![CDATA[",
                                                  "-->",
                                                  "&lt;",
                                                  "&#0;",
                                                  "%s",
                                                  "{}",
                                                  "$(id)",
                                                  "../",
                                                  "/",
                                                  "\n",
                                                  "\t",
                                                  "\r",
                                                  std::string(1, '\0'),
                                                  "\x01",
                                                  "\x1b[2J",
                                                  "\x7f",
                                                  "\xc2\x85",
                                                  "\xff",
                                                  "\xc0\xaf",
                                                  "\xed\xa0\x80",
                                                  "\xef\xbf\xbe",
                                                  "\xe2\x80\xae",
                                                  "\xf4\x90\x80\x80",
                                                  "\xe2\x82",
                                                  "xmlns:qemu='x'",
                                                  " ",
                                                  "é",
                                                  std::string(400, 'x')};
    std::string out;
    for (unsigned i = below(6); i > 0; --i) out += kPieces[below(kPieces.size())];
    return out;
  }

  std::uint64_t number() {
    static constexpr std::uint64_t kNumbers[] = {
        0, 1, 2, 4, 255, 256, 1ull << 20, 1ull << 30, 1ull << 40, (1ull << 63), ~0ull, 0xffffffffu};
    return kNumbers[below(std::size(kNumbers))];
  }

  unsigned bus_number() { return coin() ? below(20) : static_cast<unsigned>(number()); }
  unsigned below(std::size_t limit) { return static_cast<unsigned>(random_() % limit); }
  bool coin() { return below(2) == 0; }

  std::mt19937 random_;
};

class Checker : public pugi::xml_tree_walker {
 public:
  bool for_each(pugi::xml_node& node) override {
    const std::string here = path(node);
    if (node.type() == pugi::node_element) check(here, "");
    if (node.type() == pugi::node_pcdata) check(path(node.parent()), node.value());
    for (const pugi::xml_attribute& attribute : node.attributes()) {
      check(here + "@" + attribute.name(), attribute.value());
    }
    return true;
  }

 private:
  static std::string path(const pugi::xml_node& node) {
    const std::string whole = node.path('/');
    return whole.empty() ? whole : whole.substr(1);
  }

  static void check(const std::string& place, const std::string& value) {
    EXPECT_TRUE(kAllowed.contains(place)) << place;
    if (value.find(kMarker) == value.npos) return;
    EXPECT_TRUE(kTextPlaces.contains(place)) << place << " holds " << value;
  }
};

TEST(HostileDomain, ten_thousand_machines_give_domains_of_allowed_elements_only) {
  for (unsigned seed = 0; seed < 10000; ++seed) {
    Generator generator(seed);
    const MachineSpec spec = generator.machine();
    const DomainText domain = domain_of(spec, generator.options());
    ASSERT_TRUE(is_domain_document(domain.xml)) << "seed " << seed << "\n" << domain.xml;
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(domain.xml.c_str()));
    Checker checker;
    document.traverse(checker);
    if (HasFailure()) FAIL() << "seed " << seed << "\n" << domain.xml;
  }
}

}  // namespace
}  // namespace v2vfs::convert
