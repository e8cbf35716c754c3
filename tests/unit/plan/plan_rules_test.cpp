// SPDX-License-Identifier: MIT
//
// Rules of plans, each on a guest of one's own that is read by the real inspection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/conversion_json.h"
#include "convert/guest/conversion_plan.h"
#include "inspect/guest/inspect_guest.h"
#include "tests/unit/facts/made_up_guest.h"

namespace v2vfs::convert {
namespace {

using inspect::DriverFacts;
using inspect::DriverState;
using inspect::GuestFacts;
using inspect::GuestInspection;
using inspect::KernelFacts;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// A made-up guest, read; tests change what it says and plan again.
class Planned {
 public:
  explicit Planned(const std::string& name) : made_(name), spec(made_.machine()) { look(); }

  void look() {
    inspect::InspectOptions reading;
    reading.osinfo_folder = made_.osinfo_folder();
    found = inspect::inspect_guest(made_.guest(), reading);
  }
  /// Writes a file of the guest's root and reads the guest again.
  void put(const std::string& path, const std::string& text) {
    made_.guest().mount({found.chosen_guest()->root, "/", found.chosen_guest()->subvolume, true});
    made_.guest().write_file(path, text);
    look();
  }
  GuestFacts& guest() { return found.guests[*found.chosen]; }
  ConversionPlan plan() const { return plan_conversion(found, spec, options); }

 private:
  test::MadeUpGuest made_;

 public:
  GuestInspection found;
  inspect::MachineSpec spec;
  ConversionOptions options;
};

const PlanStep* step_at(const ConversionPlan& plan, const std::string& path) {
  for (const PlanStep& step : plan.steps) {
    if (step.path == path) return &step;
  }
  return nullptr;
}

std::string after(const ConversionPlan& plan, const std::string& path) {
  const PlanStep* const step = step_at(plan, path);
  return step ? step->after : "(no step)";
}

std::vector<std::string> codes(const ConversionPlan& plan) {
  std::vector<std::string> all;
  for (const inspect::Problem& each : plan.readiness) all.push_back(each.code);
  return all;
}

constexpr const char* kRules = "/etc/udev/rules.d/70-v2vfs-net.rules";
constexpr const char* kFirstBoot = "/usr/local/sbin/v2vfs-firstboot";

DriverFacts& driver(KernelFacts& kernel, const std::string& name) {
  for (DriverFacts& each : kernel.drivers) {
    if (each.name == name) return each;
  }
  throw std::runtime_error(name);
}

// SEMANTICS: "what is left alone (`notes`; files whose edits wait among it)"
TEST(BesideEdits, a_plan_has_no_step_of_what_waits_edited) {
  Planned it("debian12-vmware");
  const std::string text = conversion_json(it.plan());
  ASSERT_THAT(text, HasSubstr("\"path\": \"/etc/fstab\""));
  const std::string beside = plan_beside_edits(text, {"/etc/fstab", "/etc/issue"});
  EXPECT_THAT(beside, Not(HasSubstr("\"path\": \"/etc/fstab\"")));
  EXPECT_THAT(beside, HasSubstr("\"/etc/fstab is left as it was edited\""));
  EXPECT_THAT(beside, HasSubstr("\"path\": \"/boot/grub/grub.cfg\""));
  EXPECT_THAT(beside, Not(HasSubstr("/etc/issue")));
  EXPECT_EQ(plan_beside_edits(text, {}), text);
  EXPECT_EQ(plan_beside_edits("no JSON", {"/etc/fstab"}), "no JSON");
}

TEST(Unsupported, without_a_system) {
  const ConversionPlan plan = plan_conversion({}, {});
  EXPECT_EQ(plan.state, PlanState::unsupported);
  EXPECT_THAT(plan.reason, HasSubstr("no operating system"));
}

TEST(Unsupported, while_a_memory_is_saved) {
  Planned it("debian12-vmware");
  ASSERT_FALSE(it.guest().resume.empty());
  it.guest().resume[0].hibernated = true;
  EXPECT_EQ(it.plan().state, PlanState::unsupported);
  EXPECT_TRUE(it.plan().steps.empty());
}

// SEMANTICS: "Windows, LILO, unified kernel images, OSTree and NixOS are `unsupported`"
TEST(Unsupported, where_the_boot_loader_has_a_map) {
  Planned it("debian12-vmware");
  it.guest().bootloader.kind = "lilo";
  EXPECT_EQ(it.plan().state, PlanState::unsupported);
}

// SEMANTICS: "Windows, LILO, unified kernel images, OSTree and NixOS are `unsupported`"
TEST(Unsupported, where_the_root_is_a_deployment) {
  Planned it("debian12-vmware");
  it.guest().bootloader.entries[0].options += " ostree=/ostree/boot.1/x";
  EXPECT_THAT(it.plan().reason, HasSubstr("OSTree"));
}

TEST(Bus, virtio_scsi_where_there_is_no_virtio_blk) {
  Planned it("debian12-vmware");
  driver(it.guest().kernels[0], "virtio_blk").state = DriverState::absent;
  const ConversionPlan plan = it.plan();
  EXPECT_EQ(plan.capabilities.block_bus, BlockBus::virtio_scsi);
  ASSERT_EQ(plan.initrds.size(), 1u);
  EXPECT_THAT(plan.initrds[0].drivers, Contains("virtio_scsi"));
  EXPECT_THAT(plan.initrds[0].drivers, Not(Contains("virtio_blk")));
}

TEST(Bus, an_image_that_cannot_be_added_to_needs_its_own_drivers) {
  for (int what = 0; what < 4; ++what) {
    Planned it("debian12-vmware");
    inspect::InitrdFacts& image = *it.guest().kernels[0].initrd;
    if (what == 0) image.tail = "unknown";
    if (what == 1) image.problem = "it is cut short";
    if (what == 2) image.segments.clear();
    if (what == 3) it.guest().filesystems[0].space->free_bytes = 1 << 20;
    // The image has AHCI's driver, so SATA is left.
    EXPECT_EQ(it.plan().capabilities.block_bus, BlockBus::sata) << what;
    EXPECT_NE(it.plan().reason, "") << what;
    driver(it.guest().kernels[0], "ahci").in_initrd = false;
    EXPECT_EQ(it.plan().state, PlanState::unsupported) << what;
  }
}

TEST(Bus, what_is_built_in_needs_nothing) {
  Planned it("debian12-vmware");
  for (const char* const name : {"virtio_blk", "virtio_pci"}) {
    driver(it.guest().kernels[0], name).state = DriverState::builtin;
  }
  it.guest().kernels[0].initrd->files.clear();
  const ConversionPlan plan = it.plan();
  EXPECT_EQ(plan.capabilities.block_bus, BlockBus::virtio_blk);
  EXPECT_EQ(step_at(plan, "/usr/share/initramfs-tools/modules.d/v2vfs"), nullptr);
}

TEST(Kernels, a_debug_kernel_is_no_default) {
  Planned it("debian12-vmware");
  KernelFacts second = it.guest().kernels[0];
  second.version = "6.1.0-17-amd64";
  second.is_default = it.guest().kernels[0].is_default = false;
  it.guest().kernels[0].debug = true;
  it.guest().kernels.push_back(second);
  EXPECT_EQ(default_kernel(it.guest())->version, "6.1.0-17-amd64");
}

TEST(Kernels, without_a_default_the_newest_counts) {
  Planned it("debian12-vmware");
  it.guest().kernels[0].is_default = false;
  it.guest().bootloader.default_entry.reset();
  EXPECT_EQ(default_kernel(it.guest()), &it.guest().kernels[0]);
  EXPECT_EQ(it.plan().state, PlanState::planned);
}

TEST(Kernels, every_bootable_one_is_seen_to) {
  Planned it("debian12-vmware");
  KernelFacts second = it.guest().kernels[0];
  second.version = "6.1.0-17-amd64";
  second.initrd->path = second.initrd->real_path = "/boot/initrd.img-6.1.0-17-amd64";
  second.is_default = false;
  KernelFacts third = second;
  third.version = "3.0";
  driver(third, "virtio_blk").state = DriverState::absent;
  it.guest().kernels.push_back(second);
  it.guest().kernels.push_back(third);
  const ConversionPlan plan = it.plan();
  ASSERT_EQ(plan.initrds.size(), 2u);
  EXPECT_EQ(plan.initrds[1].path, "/boot/initrd.img-6.1.0-17-amd64");
  EXPECT_THAT(codes(plan), Contains("kernel-left"));
}

TEST(Drivers, have_the_kernels_names) {
  Planned it("debian12-vmware");
  for (const char* const name :
       {"virtio_pci", "virtio_blk", "scsi_mod", "sd_mod", "virtio_scsi", "virtio_net", "virtio_rng",
        "virtio_balloon", "virtio_console", "ahci", "e1000", "e1000e"}) {
    EXPECT_NE(find_driver(it.guest().kernels[0], name), nullptr) << name;
  }
}

TEST(BootMenus, a_stub_on_the_esp_stays) {
  Planned it("debian12-uefi");
  EXPECT_EQ(step_at(it.plan(), "/boot/efi/EFI/debian/grub.cfg"), nullptr);
  EXPECT_NE(step_at(it.plan(), "/boot/grub/grub.cfg"), nullptr);
}

TEST(BootMenus, without_an_initrd_the_kernel_reads_partitions_uuids_alone) {
  Planned it("debian-no-initrd");
  EXPECT_THAT(after(it.plan(), "/boot/extlinux/extlinux.conf"),
              HasSubstr("append root=PARTUUID=deadbee0-01 rootfstype"));
  it.guest().kernels[0].version = "3.2.0";
  EXPECT_THAT(after(it.plan(), "/boot/extlinux/extlinux.conf"), HasSubstr("root=/dev/vda1 "));
  EXPECT_THAT(codes(it.plan()), Contains("compat-unfit"));
}

TEST(Storage, what_has_no_uuid_is_named_by_its_partition) {
  Planned it("debian12-vmware");
  for (inspect::BlockDevice& device : it.found.disks.storage.devices) {
    if (device.name == "/dev/sda5") device.uuid.clear();
  }
  EXPECT_THAT(after(it.plan(), "/etc/fstab"), HasSubstr("\nPARTUUID=deadbee0-05 "));
  EXPECT_THAT(codes(it.plan()), Not(Contains("compat-unfit")));
  // mount(8) of that time does not know PARTUUID.
  it.guest().kernels[0].version = "2.6.32-5-amd64";
  EXPECT_THAT(after(it.plan(), "/etc/fstab"), HasSubstr("\n/dev/vda5 "));
  EXPECT_THAT(codes(it.plan()), Contains("compat-unfit"));
}

TEST(Network, a_name_by_its_slot) {
  Planned it("debian12-vmware");
  EXPECT_THAT(after(it.plan(), kRules), HasSubstr("ATTR{address}==\"00:50:56:aa:00:0a\", "
                                                  "ATTR{type}==\"1\", NAME=\"ens192\"\n"));
  EXPECT_TRUE(it.plan().assumptions.empty());
}

TEST(Network, without_slots_names_go_in_order_as_an_assumption) {
  Planned it("debian12-two-disks");
  const std::string rules = after(it.plan(), kRules);
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:01\", ATTR{type}==\"1\", NAME=\"ens192\""));
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:02\", ATTR{type}==\"1\", NAME=\"ens224\""));
  EXPECT_EQ(it.plan().assumptions.size(), 2u);
}

TEST(Network, macs_are_those_that_the_domain_gives) {
  Planned it("debian12-vmware");
  it.spec.nics[0].mac.reset();
  EXPECT_EQ(step_at(it.plan(), kRules), nullptr);
  EXPECT_THAT(codes(it.plan()), Contains("nic-name"));
  it.options.nic_macs = {"52:54:00:01:02:03"};
  EXPECT_THAT(after(it.plan(), kRules), HasSubstr("52:54:00:01:02:03"));
}

TEST(Network, slots_say_which_card_whatever_the_order) {
  Planned it("debian12-two-disks");
  it.spec.nics[0].pci_slot = 224;
  it.spec.nics[1].pci_slot = 192;
  const std::string rules = after(it.plan(), kRules);
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:01\", ATTR{type}==\"1\", NAME=\"ens224\""));
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:02\", ATTR{type}==\"1\", NAME=\"ens192\""));
}

TEST(Network, cards_of_bridges_and_vlans_count) {
  Planned it("debian12-two-disks");
  it.put("/etc/network/interfaces",
         "auto br0\niface br0 inet static\n\tbridge_ports ens192 none\nauto ens224.5\n"
         "iface ens224.5 inet dhcp\n");
  const std::string rules = after(it.plan(), kRules);
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:01\", ATTR{type}==\"1\", NAME=\"ens192\""));
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:01:02\", ATTR{type}==\"1\", NAME=\"ens224\""));
}

TEST(Network, a_key_of_netplan_is_no_name_where_the_slot_says_another) {
  Planned it("ubuntu-netplan");
  it.put("/etc/netplan/00-installer-config.yaml",
         "network:\n  version: 2\n  ethernets:\n    ens192:\n"
         "      match: {macaddress: '00:50:56:aa:02:01'}\n      dhcp4: true\n");
  it.spec.nics[0].pci_slot = 160;
  it.spec.nics[1].pci_slot = 192;
  const std::string rules = after(it.plan(), kRules);
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:02:01\", ATTR{type}==\"1\", NAME=\"ens160\""));
  EXPECT_THAT(rules, HasSubstr("\"00:50:56:aa:02:02\", ATTR{type}==\"1\", NAME=\"ens192\""));
}

TEST(Network, a_rule_of_the_guests_own_is_enough) {
  Planned it("debian12-ready");
  EXPECT_EQ(step_at(it.plan(), kRules), nullptr);
}

/// The initrd's udev would call it enp1s0, and udev's own rule looks for eth*.
TEST(Network, a_rule_that_comes_too_late_is_in_the_initrd_as_well) {
  Planned it("debian12-vmware");
  it.put("/etc/udev/rules.d/70-persistent-net.rules",
         "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
         "ATTR{address}==\"00:50:56:aa:00:0a\", KERNEL==\"eth*\", NAME=\"eth0\"\n");
  const ConversionPlan plan = it.plan();
  EXPECT_EQ(step_at(plan, kRules), nullptr);
  ASSERT_EQ(plan.initrds.size(), 1u);
  EXPECT_THAT(plan.initrds[0].files.back().after,
              HasSubstr("\"00:50:56:aa:00:0a\", ATTR{type}==\"1\", NAME=\"eth0\"\n"));
}

TEST(Network, the_initrd_names_cards_as_well) {
  Planned it("debian12-vmware");
  const ConversionPlan plan = it.plan();
  ASSERT_EQ(plan.initrds.size(), 1u);
  bool seen = false;
  for (const ImageFile& file : plan.initrds[0].files) {
    if (file.name != "etc/udev/rules.d/70-v2vfs-net.rules") continue;
    EXPECT_EQ(file.after, after(plan, kRules));
    seen = true;
  }
  EXPECT_TRUE(seen);
}

TEST(Network, the_initrd_does_not_contradict_the_users_rules) {
  Planned it("debian12-vmware");
  it.options.edited_paths = {kRules};
  const ConversionPlan plan = it.plan();
  ASSERT_EQ(plan.initrds.size(), 1u);
  for (const ImageFile& file : plan.initrds[0].files) {
    EXPECT_NE(file.name, "etc/udev/rules.d/70-v2vfs-net.rules");
  }
}

// SEMANTICS: "`keep-tools` leaves the old hypervisor's services as they are"
TEST(Tools, are_masked_and_can_be_kept) {
  Planned it("debian12-vmware");
  const PlanStep* const mask = step_at(it.plan(), "/etc/systemd/system/open-vm-tools.service");
  ASSERT_NE(mask, nullptr);
  it.options.keep_tools = true;
  EXPECT_EQ(step_at(it.plan(), "/etc/systemd/system/open-vm-tools.service"), nullptr);
  EXPECT_THAT(it.plan().notes, Contains(HasSubstr("keep-tools")));
}

TEST(Tools, aliases_that_lead_to_each_other_end) {
  Planned it("debian12-vmware");
  it.guest().found.push_back(
      {"/etc/systemd/system/vgauth.service", inspect::FileKind::symlink, "/x/vgauthd.service"});
  it.guest().found.push_back(
      {"/etc/systemd/system/vgauthd.service", inspect::FileKind::symlink, "/x/vgauth.service"});
  it.guest().hypervisor_items.push_back(
      {"unit", "vmware", "vgauth.service", "/etc/systemd/system/vgauth.service"});
  EXPECT_EQ(it.plan().state, PlanState::planned);
}

// SEMANTICS: "add a unit by which the guest itself does that at its next boot"
TEST(FirstBoot, uses_the_guests_package_manager) {
  Planned it("rhel8-kernelopts");
  EXPECT_EQ(step_at(it.plan(), kFirstBoot), nullptr);
  it.options.firstboot_remove_tools = it.options.firstboot_guest_agent = true;
  const std::string script = after(it.plan(), kFirstBoot);
  EXPECT_THAT(script, HasSubstr("dnf -y --disableplugin=subscription-manager "));
  EXPECT_THAT(script, HasSubstr(" remove open-vm-tools || "));
  EXPECT_THAT(script, HasSubstr("dnf -y install qemu-guest-agent || "));
  EXPECT_EQ(step_at(it.plan(), kFirstBoot)->permissions, 0755u);
}

TEST(FirstBoot, removes_no_more_than_the_tools) {
  Planned it("rhel8-kernelopts");
  it.options.firstboot_remove_tools = true;
  const std::string script = after(it.plan(), kFirstBoot);
  EXPECT_THAT(script, HasSubstr("--setopt=clean_requirements_on_remove=False"));
  EXPECT_THAT(script, HasSubstr("--disableplugin=subscription-manager"));
}

TEST(FirstBoot, keeps_what_ubuntu_server_needs) {
  Planned it("ubuntu-netplan");
  it.options.firstboot_remove_tools = true;
  EXPECT_EQ(step_at(it.plan(), kFirstBoot), nullptr);
}

/// The guest's words go into a shell's line.
TEST(FirstBoot, names_that_are_none_are_left_out) {
  Planned it("rhel8-kernelopts");
  it.options.firstboot_remove_tools = true;
  it.guest().hypervisor_items.push_back({"package", "vmware", "open-vm-tools;reboot", ""});
  it.guest().hypervisor_items.push_back({"package", "vmware", "--allmatches", ""});
  const std::string script = after(it.plan(), kFirstBoot);
  EXPECT_THAT(script, Not(HasSubstr("reboot")));
  EXPECT_THAT(script, Not(HasSubstr("--allmatches")));
}

TEST(Labels, are_set_at_boot_only_without_a_list) {
  Planned it("rhel8-kernelopts");
  EXPECT_NE(step_at(it.plan(), "/.autorelabel"), nullptr);
  it.guest().selinux.file_contexts = "/etc/selinux/targeted/contexts/files/file_contexts";
  EXPECT_EQ(step_at(it.plan(), "/.autorelabel"), nullptr);
  it.guest().selinux.file_contexts.clear();
  it.guest().selinux.mode = "disabled";
  EXPECT_EQ(step_at(it.plan(), "/.autorelabel"), nullptr);
}

TEST(HostilePlan, large_and_odd_files_end) {
  Planned it("debian12-vmware");
  std::string lines;
  while (lines.size() < (1 << 20) - 64)
    lines += "/dev/sda1 /x" + std::to_string(lines.size()) + " ext4 d 0 0\n";
  it.put("/etc/fstab", lines);
  const ConversionPlan plan = it.plan();
  EXPECT_EQ(plan.state, PlanState::planned);
  EXPECT_THAT(after(plan, "/etc/fstab"), Not(HasSubstr("/dev/sda1 ")));
  EXPECT_FALSE(conversion_json(plan).empty());
}

TEST(HostilePlan, texts_come_out_clean) {
  Planned it("debian12-vmware");
  it.put("/etc/fstab", "/dev/sda1 / ext4 \x1b[2J\xff d 0 1\n/dev/sdz9\x07 /x ext4 d 0 0\n");
  const std::string json = conversion_json(it.plan());
  for (const char c : json) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(json.find('\xff'), std::string::npos);
}

}  // namespace
}  // namespace v2vfs::convert
