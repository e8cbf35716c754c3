// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "inspect/base/error.h"
#include "inspect/guest/hypervisor_items.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/network_files.h"
#include "inspect/guest/packages.h"
#include "inspect/guest/rpm_ndb.h"
#include "inspect/guest/yaml_scalars.h"

namespace v2vfs::inspect {
namespace {

TEST(DpkgStatus, lists_what_is_installed) {
  const auto found = parse_dpkg_status(
      "Package: a\nStatus: install ok installed\nVersion: 1:2.0-rc-3\nArchitecture: all\n\n"
      "Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n"
      "Package: c\nStatus: hold ok installed\nVersion: 7\nDescription: x\n Package: not\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].epoch, "1");
  EXPECT_EQ(found[0].version, "2.0-rc");
  EXPECT_EQ(found[0].release, "3");
  EXPECT_EQ(found[1].name, "c");
}

TEST(DpkgStatus, has_the_words_of_a_package) {
  const auto found = parse_dpkg_status(
      "Package: libacl1\nStatus: install ok installed\nSource: acl (2.3.1-3)\nVersion: 2\n"
      "Description: access control lists\n First line\n .\n  * indented\nHomepage: https://a.b/\n"
      " of the homepage\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].source_package, "acl");
  EXPECT_EQ(found[0].url, "https://a.b/");
  EXPECT_EQ(found[0].summary, "access control lists");
  EXPECT_EQ(found[0].description, "First line\n.\n * indented");
}

TEST(DpkgStatus, keeps_so_much_of_a_description) {
  std::string text = "Package: a\nStatus: install ok installed\nDescription: x\n";
  for (int i = 0; i < 10'000; ++i) text += " a line\n";
  EXPECT_LE(parse_dpkg_status(text).at(0).description.size(), std::size_t{8} << 10);
}

TEST(PackageDatabases, have_one_line_about_a_package) {
  const auto found = parse_apk_installed("P:musl\nV:1.2.3-r4\nT:a libc\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].release, "r4");
  EXPECT_EQ(found[0].description, "a libc");
  EXPECT_EQ(parse_pacman_desc("%NAME%\nbash\n\n%DESC%\na shell\n").description, "a shell");
  const std::string long_line(1 << 20, 'x');
  EXPECT_EQ(parse_apk_installed("P:a\nT:" + long_line + "\n").at(0).description.size(), 8u << 10);
  EXPECT_EQ(parse_pacman_desc("%DESC%\n" + long_line).description.size(), 8u << 10);
}

TEST(PackageDatabases, survive_rubbish) {
  std::string many;
  for (int i = 0; i < 60'000; ++i) many += "Package: x\nStatus: install ok installed\n\n";
  EXPECT_EQ(parse_dpkg_status(many).size(), 50'000u);
  for (const std::string& text :
       {std::string(), std::string(1 << 20, '\n'), std::string(1 << 20, 'P'),
        std::string("P:\nV:\n\nPackage:\nStatus:\n%NAME%\n")}) {
    EXPECT_TRUE(parse_dpkg_status(text).empty());
    EXPECT_TRUE(parse_apk_installed(text).empty());
    EXPECT_EQ(parse_pacman_desc(text).name, "");
  }
}

std::vector<PackageEntry> read_ndb(const std::string& file) {
  return read_rpm_ndb(file.size(), [&](std::uint64_t offset, std::size_t length) {
    return offset >= file.size() ? std::string() : file.substr(offset, length);
  });
}

TEST(RpmNdb, refuses_what_is_none) {
  std::string file = "RpmP" + std::string(28, '\0');
  EXPECT_TRUE(read_ndb(file).empty());
  file[12] = 1;  // a page of slots that is not there
  EXPECT_THROW(read_ndb(file), Error);
  file.resize(4096);
  EXPECT_THROW(read_ndb(file), Error);  // slots without their word
  EXPECT_THROW(read_ndb("BDB"), Error);
  for (std::size_t at = 32; at < 4096; at += 16) file.replace(at, 4, "Slot");
  EXPECT_TRUE(read_ndb(file).empty());
  file[32 + 8] = '\x01';  // a package that lies in the head
  EXPECT_THROW(read_ndb(file), Error);
  file[32 + 10] = '\x7f';  // one that lies behind the end
  EXPECT_THROW(read_ndb(file), Error);
}

TEST(RpmHeader, keeps_to_its_own_bytes) {
  using namespace std::string_literals;
  EXPECT_FALSE(parse_rpm_header(""));
  EXPECT_FALSE(parse_rpm_header("\xff\xff\xff\xff\xff\xff\xff\xff"s));
  EXPECT_FALSE(parse_rpm_header("\0\0\0\x01\0\0\0\x05"s));
  const std::string entry = "\0\0\x03\xe8\0\0\0\x06\0\0\0\0\0\0\0\x01"s;
  EXPECT_EQ(parse_rpm_header("\0\0\0\x01\0\0\0\x03"s + entry + "abc")->name, "abc");
  const std::string outside = "\0\0\x03\xe8\0\0\0\x06\0\0\xff\0\0\0\0\x01"s;
  EXPECT_FALSE(parse_rpm_header("\0\0\0\x01\0\0\0\x03"s + outside + "abc"));
}

TEST(KernelDrivers, come_from_every_list) {
  KernelTexts texts;
  texts.modules_dep =
      "kernel/drivers/block/virtio_blk.ko.zst: kernel/x.ko\nupdates/vmw-pvscsi.ko.xz:\n";
  texts.modules_builtin = "kernel/drivers/virtio/virtio-pci.ko\n";
  texts.config = "CONFIG_VIRTIO_NET=y\nCONFIG_SCSI_VIRTIO=m\n# CONFIG_E1000 is not set\n";
  const auto drivers = find_drivers(texts);
  const auto state = [&](std::string_view name) {
    for (const DriverFacts& each : drivers) {
      if (each.name == name) return each.state;
    }
    return DriverState::absent;
  };
  EXPECT_EQ(state("virtio_blk"), DriverState::module);
  EXPECT_EQ(state("vmw_pvscsi"), DriverState::module);
  EXPECT_EQ(state("virtio_pci"), DriverState::builtin);
  EXPECT_EQ(state("virtio_net"), DriverState::builtin);
  EXPECT_EQ(state("virtio_scsi"), DriverState::absent);  // a module that is not there
  EXPECT_EQ(drivers.size(), known_drivers().size());
}

TEST(KernelImage, says_its_version_or_nothing) {
  std::string image(0x400, '\0');
  image.replace(0x202, 4, "HdrS");
  image[0x20f] = 1;
  image.replace(0x300, 8, "6.1.0 (x");
  EXPECT_EQ(version_of_image(image), "6.1.0");
  image.replace(0x300, 8, "../../x ");
  EXPECT_EQ(version_of_image(image), "");
  image[0x20f] = '\x7f';
  EXPECT_EQ(version_of_image(image), "");
  EXPECT_EQ(version_of_image("HdrS"), "");
}

TEST(Programs, tell_their_machine) {
  std::string elf =
      "\x7f"
      "ELF\x02\x01" +
      std::string(14, '\0');
  elf[18] = 62;
  EXPECT_EQ(elf_arch(elf), "x86_64");
  EXPECT_EQ(elf_arch("#!/bin/sh\n"), "");
  EXPECT_EQ(elf_arch(elf.substr(0, 19)), "");
}

TEST(Yaml, gives_scalars_with_their_keys) {
  const auto found = yaml_scalars(
      "---\na:\n  b: 'x: y'  # comment\n  c:\n  - one\n  - d: two\n    e: [3, \"4, 5\"]\n  f: {g: "
      "6, h: [7]}\nz: 8\n");
  std::vector<std::string> flat;
  for (const YamlScalar& each : found) {
    std::string text;
    for (const std::string& key : each.path) text += key + "/";
    flat.push_back(text + "=" + each.value);
  }
  EXPECT_EQ(flat, (std::vector<std::string>{"a/b/=x: y", "a/c/=one", "a/c/d/=two", "a/c/e/=3",
                                            "a/c/e/=4, 5", "a/f/g/=6", "a/f/h/=7", "z/=8"}));
}

TEST(Yaml, keeps_to_its_bounds) {
  yaml_scalars(std::string(100'000, '['));
  yaml_scalars(std::string(100'000, '[') + std::string(100'000, ']'));
  yaml_scalars("- - - - - - -");
  yaml_scalars(std::string(1 << 18, '-'));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "k:\n";
  EXPECT_TRUE(yaml_scalars(deep + std::string(1000, ' ') + "v").size() <= 1);
  std::string many = "a: [";
  for (int i = 0; i < 50'000; ++i) many += "1,";
  EXPECT_LE(yaml_scalars(many + "]").size(), 10'000u);
}

TEST(Macs, are_plain_or_none) {
  EXPECT_EQ(plain_mac("00-50-56-AA-BB-CC"), "00:50:56:aa:bb:cc");
  EXPECT_EQ(plain_mac("005056aabbcc"), "00:50:56:aa:bb:cc");
  for (const char* const bad :
       {"", "random", "00:50:56:aa:bb", "00:50:56:aa:bb:cc:dd", "preserve"}) {
    EXPECT_EQ(plain_mac(bad), "") << bad;
  }
}

TEST(Netmasks, are_prefixes) {
  EXPECT_EQ(prefix_of_netmask("255.255.255.0"), 24u);
  EXPECT_EQ(prefix_of_netmask("0.0.0.0"), 0u);
  EXPECT_EQ(prefix_of_netmask("255.255.255.255"), 32u);
  for (const char* const bad : {"255.0.255.0", "24", "1.2.3", "256.0.0.0", "255.255.255.0.0", ""}) {
    EXPECT_FALSE(prefix_of_netmask(bad)) << bad;
  }
}

TEST(Interfaces, old_netmasks_and_includes) {
  const auto file = parse_interfaces(
      "source-directory interfaces.d\nauto eth0\niface eth0 inet static\n  address 192.0.2.7\n  "
      "netmask 255.255.0.0\n"
      "  hwaddress ether 00:50:56:00:00:07\niface eth0 inet6 auto\n",
      "/etc/network/interfaces");
  ASSERT_EQ(file.nics.size(), 2u);
  EXPECT_EQ(file.nics[0].addresses, std::vector<std::string>{"192.0.2.7/16"});
  EXPECT_EQ(file.nics[0].mac, "00:50:56:00:00:07");
  EXPECT_EQ(file.sources, std::vector<std::string>{"interfaces.d/*"});
}

TEST(Ifcfg, knows_both_families) {
  const auto red = parse_ifcfg("DEVICE=eth1\nBOOTPROTO=dhcp\n", "/x/ifcfg-eth1").at(0);
  EXPECT_EQ(red.method, "dhcp");
  const auto many =
      parse_ifcfg("IPADDR0=1.2.3.4\nPREFIX0=8\nIPADDR1=1.2.3.5\nNETMASK1=255.0.0.0\n", "/x/ifcfg-a")
          .at(0);
  EXPECT_EQ(many.addresses, (std::vector<std::string>{"1.2.3.4/8", "1.2.3.5/8"}));
  EXPECT_EQ(many.method, "static");
  EXPECT_TRUE(parse_ifcfg("DEVICE=lo\n", "/x/ifcfg-lo").empty());
  EXPECT_TRUE(parse_ifcfg("x", "/x/route-eth0").empty());
}

TEST(Networkd, needs_something_to_match) {
  EXPECT_TRUE(parse_networkd("[Network]\nDHCP=yes\n", "f").empty());
  const auto nic = parse_networkd(
                       "[Match]\nMACAddress=00:50:56:00:00:01\n[Network]\nAddress=192.0.2.1/"
                       "24\nGateway=192.0.2.254\n",
                       "f")
                       .at(0);
  EXPECT_EQ(nic.method, "static");
}

TEST(UdevRules, give_names_to_addresses) {
  const auto rules = parse_udev_net_rules(
      "# PCI device\nSUBSYSTEM==\"net\", ATTR{address}==\"00:0C:29:11:22:33\", ATTR{type}==\"1\", "
      "KERNEL==\"eth*\", NAME=\"eth1\"\n"
      "SUBSYSTEM==\"net\", SYSFS{address}==\"00:0c:29:11:22:34\", NAME=\"eth2\"\nNAME=\"x\n",
      "f");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].mac, "00:0c:29:11:22:33");
  EXPECT_EQ(rules[1].name, "eth2");
}

TEST(Hypervisors, are_known_by_packages_and_modules) {
  EXPECT_EQ(hypervisor_of_package("open-vm-tools-desktop"), "vmware");
  EXPECT_EQ(hypervisor_of_package("VMware Tools"), "vmware");
  EXPECT_EQ(hypervisor_of_package("bash"), "");
  EXPECT_EQ(hypervisor_of_module("vmw_pvscsi"), "vmware");
  EXPECT_EQ(hypervisor_of_module("vmw_vsock_virtio_transport"), "");
}

}  // namespace
}  // namespace v2vfs::inspect
