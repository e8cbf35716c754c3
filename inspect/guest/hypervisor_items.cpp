// SPDX-License-Identifier: MIT
#include "inspect/guest/hypervisor_items.h"

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

struct Sign {
  std::string_view start;  // of the name
  std::string_view hypervisor;
};

constexpr Sign kPackages[] = {
    {"open-vm-tools", "vmware"},
    {"vmware-tools", "vmware"},
    {"vmwaretools", "vmware"},
    {"vmware tools", "vmware"},
    {"kmod-vmware-tools", "vmware"},
    {"xserver-xorg-video-vmware", "vmware"},
    {"xorg-x11-drv-vmware", "vmware"},
    {"xorg-x11-drv-vmmouse", "vmware"},
    {"xserver-xorg-input-vmmouse", "vmware"},
    {"virtualbox-guest", "virtualbox"},
    {"virtualbox-ose-guest", "virtualbox"},
    {"oracle vm virtualbox guest additions", "virtualbox"},
    {"xe-guest-utilities", "xen"},
    {"xen-guest", "xen"},
    {"citrix hypervisor", "xen"},
    {"citrix xenserver", "xen"},
    {"red hat paravirtualized xen", "xen"},
    {"hyperv-daemons", "hyperv"},
    {"hyperv-tools", "hyperv"},
    {"linux-cloud-tools", "hyperv"},
    {"hypervvssd", "hyperv"},
    {"hypervkvpd", "hyperv"},
    {"parallels tools", "parallels"},
    {"parallels-tools", "parallels"},
    {"prl-tools", "parallels"},
    {"qemu-guest-agent", "kvm"},
    {"spice-vdagent", "kvm"},
};

constexpr Sign kUnits[] = {
    {"vmtoolsd", "vmware"},
    {"open-vm-tools", "vmware"},
    {"vgauth", "vmware"},
    {"vmware-tools", "vmware"},
    {"run-vmblock", "vmware"},
    {"vboxadd", "virtualbox"},
    {"vboxservice", "virtualbox"},
    {"virtualbox-guest", "virtualbox"},
    {"xe-linux-distribution", "xen"},
    {"xe-daemon", "xen"},
    {"hv-kvp", "hyperv"},
    {"hv-vss", "hyperv"},
    {"hypervkvpd", "hyperv"},
    {"prltoolsd", "parallels"},
    {"qemu-guest-agent", "kvm"},
};

constexpr Sign kModules[] = {
    {"vmw_", "vmware"},     {"vmware", "vmware"},   {"vmxnet", "vmware"},  {"vmhgfs", "vmware"},
    {"vmblock", "vmware"},  {"vmmemctl", "vmware"}, {"pvscsi", "vmware"},  {"vmci", "vmware"},
    {"mptspi", "vmware"},   {"mptsas", "vmware"},   {"mptbase", "vmware"}, {"BusLogic", "vmware"},
    {"vbox", "virtualbox"}, {"xen_", "xen"},        {"xennet", "xen"},     {"xenblk", "xen"},
    {"hv_", "hyperv"},      {"prl_", "parallels"},
};

constexpr std::pair<const char*, const char*> kTools[] = {
    {"/usr/bin/vmware-uninstall-tools.pl", "vmware"},
    {"/etc/vmware-tools/locations", "vmware"},
    {"/usr/bin/vmtoolsd", "vmware"},
    {"/var/lib/VBoxGuestAdditions/config", "virtualbox"},
    {"/usr/sbin/VBoxService", "virtualbox"},
    {"/usr/lib/parallels-tools/install", "parallels"},
    {"/usr/sbin/xe-daemon", "xen"},
};

template <std::size_t N>
std::string_view match(const Sign (&signs)[N], std::string_view name) {
  for (const Sign& sign : signs) {
    if (name.starts_with(sign.start)) return sign.hypervisor;
  }
  return "";
}

class ItemFinder {
 public:
  ItemFinder(GuestReader& reader, GuestFacts& facts) : reader_(reader), facts_(facts) {}

  void find() {
    for (const Application& application : facts_.applications) {
      add("package", hypervisor_of_package(application.name), application.name, "");
    }
    units();
    for (const auto& [path, hypervisor] : kTools) {
      if (reader_.is_file(path)) add("tool", hypervisor, std::string(base_name(path)), path);
    }
    for (const char* const folder : {"/etc/modprobe.d", "/etc/modules-load.d", "/etc/dracut.conf.d",
                                     "/etc/initramfs-tools/conf.d"}) {
      for (const std::string& path : reader_.files(folder, "")) words_of_file(path);
    }
    for (const char* const path :
         {"/etc/modprobe.conf", "/etc/modules.conf", "/etc/modules", "/etc/initramfs-tools/modules",
          "/etc/dracut.conf", "/etc/mkinitcpio.conf", "/etc/sysconfig/kernel"}) {
      words_of_file(path);
    }
    xorg();
    repositories();
  }

 private:
  void add(const char* kind, std::string_view hypervisor, std::string name, std::string path) {
    if (hypervisor.empty() || facts_.hypervisor_items.size() >= kMost) return;
    facts_.hypervisor_items.push_back(
        {kind, std::string(hypervisor), std::move(name), std::move(path)});
  }

  /// Units that are enabled, whoever wants them, or start scripts of the system's own.
  void units() {
    const std::string systemd = "/etc/systemd/system";
    std::vector<std::string> folders = {"/etc/init.d", "/etc/init", systemd};
    for (const FileEntry& entry : reader_.list(systemd)) {
      const bool wanted = entry.name.ends_with(".wants") || entry.name.ends_with(".requires");
      if (wanted && folders.size() < kMost) folders.push_back(systemd + "/" + entry.name);
    }
    for (const std::string& folder : folders) units_in(folder);
  }

  void units_in(const std::string& folder) {
    for (const FileEntry& entry : reader_.list(folder)) {
      if (entry.stat.kind == FileKind::directory) continue;
      add("unit", match(kUnits, entry.name), entry.name, folder + "/" + entry.name);
    }
  }

  /// "alias eth0 vmxnet3", "install vmhgfs ...", "add_drivers+=...": each module once a file.
  void words_of_file(const std::string& path) {
    if (++files_read_ > kMost) return;
    const auto text = reader_.config(path);
    if (!text) return;
    std::vector<std::string> seen;
    for (const std::string_view line : lines_of(*text)) {
      if (trim(line).starts_with('#')) continue;
      for (const std::string_view word : words_of(line)) {
        std::string module(word);
        std::erase_if(module, [](char c) { return c == '"' || c == '\'' || c == '(' || c == ')'; });
        module = module_name(module.substr(module.rfind('=') + 1));
        const std::string hypervisor = hypervisor_of_module(module);
        const bool again = std::find(seen.begin(), seen.end(), module) != seen.end();
        if (hypervisor.empty() || again || seen.size() >= kMost) continue;
        seen.push_back(module);
        add("modprobe", hypervisor, module, path);
      }
    }
  }

  void xorg() {
    std::vector<std::string> paths = {"/etc/X11/xorg.conf", "/etc/X11/XF86Config"};
    for (std::string& path : reader_.files("/etc/X11/xorg.conf.d", ".conf")) {
      if (paths.size() < kMost) paths.push_back(std::move(path));
    }
    for (const std::string& path : paths) {
      const auto text = reader_.config(path);
      if (!text) continue;
      for (const std::string_view line : lines_of(*text)) {
        const auto words = shell_words(trim(line));
        if (words.size() < 2 || !equals_ignoring_case(words[0], "Driver")) continue;
        const std::string driver = to_lower(words[1]);
        if (driver == "vmware" || driver == "vmmouse") add("xorg", "vmware", driver, path);
        if (driver.starts_with("vbox")) add("xorg", "virtualbox", driver, path);
      }
    }
  }

  void repositories() {
    for (const std::string& path : reader_.files("/etc/yum.repos.d", ".repo")) {
      if (++files_read_ > 2 * kMost) return;
      const auto text = reader_.config(path);
      if (text && text->find("packages.vmware.com") != std::string::npos) {
        add("repository", "vmware", std::string(base_name(path)), path);
      }
    }
  }

  static constexpr std::size_t kMost = 200;
  GuestReader& reader_;
  GuestFacts& facts_;
  std::size_t files_read_ = 0;
};

}  // namespace

std::string hypervisor_of_package(std::string_view name) {
  return std::string(match(kPackages, to_lower(name)));
}

std::string hypervisor_of_module(std::string_view module) {
  // virtio's transport of VMware's socket family is KVM's own.
  if (module == "vmw_vsock_virtio_transport" || module == "vmw_vsock_virtio_transport_common")
    return "";
  return std::string(match(kModules, module));
}

void find_hypervisor_items(GuestReader& reader, GuestFacts& facts) {
  ItemFinder(reader, facts).find();
}

}  // namespace v2vfs::inspect
