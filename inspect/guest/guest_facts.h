// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/model.h"

/// What the inside of a machine's disks says of it: plain data, no I/O. Texts are the guest's own,
/// not cleaned: whoever shows one cleans it. Devices are names of BlockDevice. Paths are absolute
/// in the guest. An empty text or nullopt means that the guest does not say.
namespace v2vfs::inspect {

/// What a root is, by its release files.
struct OsFacts {
  std::string type = "unknown";  // "linux", "windows", "unknown"
  std::string distro =
      "unknown";   // libguestfs's words where it has one: "debian", "rhel", "sles", ...
  std::string id;  // os-release ID
  std::vector<std::string> id_like;
  std::optional<unsigned> major;
  std::optional<unsigned> minor;
  std::string product_name;  // "Debian GNU/Linux 12 (bookworm)"
  std::string variant;       // os-release VARIANT; Windows: "Server", "Client", "Server Core"
  std::string codename;
};

struct MountpointFacts {
  std::string path;       // "/", "/boot"
  std::string device;     // what it was resolved to; empty: nothing that the disks hold
  std::string subvolume;  // btrfs
  std::string spec;       // as fstab has it: "UUID=...", "/dev/sda1"; empty: found without fstab
  std::string uuid;
  std::string label;
  std::string type;
  std::string options;
  bool mounted = false;  // it is part of the tree
};

struct FilesystemFacts {
  std::string device;
  std::string type;
  std::string uuid;
  std::string label;
  std::string mountpoint;                // of this root; empty: none
  std::uint64_t device_bytes = 0;        // of the block device
  std::optional<FilesystemSpace> space;  // where it was mounted
};

struct Application {
  std::string name;
  std::string display_name;  // Windows
  std::string epoch;
  std::string version;
  std::string release;
  std::string arch;
  std::string publisher;
  std::string install_path;
  std::string url;
  std::string source_package;
  std::string summary;      // a line
  std::string description;  // lines; at most kDescriptionBytes
};

enum class DriverState { absent, module, builtin };

/// One driver that matters for moving a guest between hypervisors.
struct DriverFacts {
  std::string name;  // "virtio_blk", with underscores
  DriverState state = DriverState::absent;
  std::string path;        // of the module, relative to the modules' folder; empty else
  bool in_initrd = false;  // as a module in the kernel's initrd
};

/// One part of an initrd image, as the kernel unpacks it (Documentation/driver-api/early-userspace
/// and lib/decompress.c): an archive, plain or compressed, and the zero bytes behind it.
struct InitrdSegment {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;    // stored, without the padding
  std::uint64_t padding = 0;  // zero bytes behind it
  std::string compression;    // "none", "gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"
  std::size_t entries = 0;
  bool has_trailer = false;  // the cpio archive in it ends with TRAILER!!!
};

struct InitrdFacts {
  std::string path;       // as the boot entry or the name says it
  std::string real_path;  // symlinks resolved
  std::uint64_t bytes = 0;
  std::string compression;  // of the last segment: what a supplement has to go with
  std::string generator;  // "initramfs-tools", "dracut", "mkinitcpio", "mkinitfs", "mkinitrd", ...
  std::vector<InitrdSegment> segments;
  std::string tail;  // "", "bootconfig", "unknown": what is behind the last archive
  std::size_t entries = 0;
  std::vector<std::string> modules;  // "kernel/drivers/block/virtio_blk.ko.xz" as they lie in it
  std::string modules_folder;        // "usr/lib/modules/6.1.0" in it; empty: none
  std::map<std::string, std::string> files;  // small configuration files in it, by name
  std::string problem;                       // why it could not be read to its end; empty: it was
};

struct KernelFacts {
  std::string version;      // of the modules' folder: "6.1.0-18-amd64"
  std::string path;         // "/boot/vmlinuz-..."; empty: modules without a kernel
  std::string modules_dir;  // "/lib/modules/..."; empty: none
  std::string arch;
  std::string config_path;
  std::vector<DriverFacts> drivers;  // every one of known_drivers()
  std::optional<InitrdFacts> initrd;
  bool in_bootloader = false;  // an entry names it
  bool is_default = false;     // the default entry does
  bool debug = false;
  bool xen_pv_only = false;                // cannot run outside Xen
  std::vector<std::string> initrd_codecs;  // CONFIG_RD_*=y: "gzip", "zstd", ...; empty: no config
};

struct BootEntry {
  std::string title;
  std::string id;      // grub2 --id, BLS file name without .conf
  std::string kernel;  // path in the guest's tree
  std::vector<std::string> initrds;
  std::string options;  // the kernel's command line
  std::string file;     // that it stands in
};

struct BootloaderFacts {
  std::string kind;  // "grub2", "grub", "systemd-boot", "extlinux", "uki", "lilo", ...; empty
  std::string config_path;  // the file that decides
  std::vector<BootEntry> entries;
  std::optional<std::size_t> default_entry;
  std::string default_source;  // "grubenv", "config", "first", "loader.conf"
  bool uses_bls = false;
  std::string defaults_path;     // "/etc/default/grub"
  std::string defaults_cmdline;  // GRUB_CMDLINE_LINUX and _DEFAULT there
};

struct NicFacts {
  std::string name;                    // as the guest calls it: "ens192"
  std::string mac;                     // lower case with colons; empty: not said
  std::string method;                  // "static", "dhcp", "auto", "manual", "none", "unknown"
  std::vector<std::string> addresses;  // "192.0.2.5/24"
  std::vector<std::string> gateways;
  std::vector<std::string> dns;
  std::string file;
  std::string style;  // "ifupdown", "netplan", "networkmanager", "ifcfg", "networkd", "windows"
};

/// A NIC name that a file ties to a MAC address (udev rule or .link file).
struct NicNameRule {
  std::string name;
  std::string mac;
  std::string file;
};

/// A line that names a block device by a name that another bus or controller changes.
struct FragileDevice {
  std::string file;
  std::size_t line = 0;
  std::string name;         // "/dev/sda1"
  std::string device;       // what it means; empty: unknown
  std::string replacement;  // "UUID=...": the same, stable; empty: none known
};

/// Something that belongs to the hypervisor the guest came from.
struct HypervisorItem {
  std::string kind;        // "package", "unit", "modprobe", "xorg", "tool", "driver", "repository"
  std::string hypervisor;  // "vmware", "virtualbox", "xen", "hyperv", "parallels", "kvm"
  std::string name;
  std::string path;
};

struct SelinuxFacts {
  bool installed = false;
  std::string mode;    // "enforcing", "permissive", "disabled"
  std::string policy;  // "targeted"
  std::string file_contexts;
  bool relabel_pending = false;
};

struct ResumeFacts {
  std::string spec;  // as written
  std::string file;
  std::string device;
  bool hibernated = false;  // the device holds a saved memory
};

struct WindowsFacts {
  std::string systemroot;  // "/Windows"
  std::string software_hive;
  std::string system_hive;
  std::string current_control_set;  // "ControlSet001"
  std::string build;                // "22631"
  std::string edition;              // EditionID
  std::string display_version;      // "23H2"
  std::string installation_type;    // "Client", "Server", "Server Core"
  bool hibernated = false;
  bool fast_startup = false;
  bool group_policy = false;
  bool antivirus = false;
  std::vector<std::pair<std::string, std::string>> drive_mappings;  // "C" -> device
};

/// A text file of the guest that was read, for whoever plans changes of it.
struct ConfigFile {
  std::string real_path;  // where it was itself a symlink: what that leads to
  std::string text;
};

/// Something of the guest that is there, for whoever plans changes of it: a cache, a start link, a
/// unit, a boot loader on the ESP, a folder for drop-ins.
struct FoundPath {
  std::string path;  // absolute; no symlink in it but perhaps the last part
  FileKind kind = FileKind::file;
  std::string target;  // of a symlink
};

/// One root: one operating system.
struct GuestFacts {
  std::string root;       // device of "/"
  std::string subvolume;  // btrfs
  OsFacts os;
  std::string arch;          // "x86_64", "i386", "aarch64", ...
  std::string osinfo;        // the true short id: "debian12"
  std::string osinfo_known;  // the nearest that this host's osinfo-db has; empty: none
  std::string hostname;
  std::string package_format;      // "deb", "rpm", "apk", "pacman"
  std::string package_management;  // "apt", "dnf", "yum", "zypper", "apk", "pacman", ...
  std::string init;                // "systemd", "upstart", "sysvinit", "openrc"
  std::vector<MountpointFacts> mountpoints;
  std::vector<FilesystemFacts> filesystems;
  std::vector<Application> applications;
  std::vector<KernelFacts> kernels;
  BootloaderFacts bootloader;
  std::vector<NicFacts> network;
  std::vector<NicNameRule> nic_names;
  std::vector<FragileDevice> fragile_devices;
  std::vector<HypervisorItem> hypervisor_items;
  SelinuxFacts selinux;
  std::vector<std::string> swap_devices;
  std::vector<ResumeFacts> resume;
  std::optional<WindowsFacts> windows;
  /// How the tree is mounted, "/" first. Read-only; whoever writes sets `writable`.
  std::vector<GuestMount> mount_plan;
  /// Configuration files by the path they were asked for: fstab, boot entries, network, ...
  std::map<std::string, ConfigFile> config;
  std::vector<FoundPath> found;    // at most kPathsFound
  std::vector<std::string> notes;  // what could not be read, one sentence each, cleaned
};

struct LuksFacts {
  std::string device;
  std::string uuid;
  std::string mapping;  // BlockDevice::name of what was opened; empty: locked
  std::string problem;  // why not, one sentence, cleaned
};

struct BtrfsFacts {
  std::string device;
  std::vector<BtrfsSubvolume> subvolumes;
};

/// What the filesystems say of how the guest ended.
struct FilesystemsLeft {
  std::vector<std::string> in_use;  // sentences: what a guest that was shut down does not leave
  std::vector<std::string> unmounted, untold;  // devices: those that say so, those that cannot
};

/// All disks of the machine together.
struct DiskFacts {
  Storage storage;
  Firmware firmware = Firmware::unknown;  // as the partition tables show it
  std::string esp;                        // device of the EFI system partition
  std::vector<LuksFacts> luks;
  std::vector<BtrfsFacts> btrfs;
  FilesystemsLeft left;
};

struct GuestInspection {
  DiskFacts disks;
  std::vector<GuestFacts> guests;
  std::optional<std::size_t> chosen;  // which of them is meant
  std::vector<Problem> readiness;     // texts are cleaned sentences

  const GuestFacts* chosen_guest() const { return chosen ? &guests[*chosen] : nullptr; }
};

}  // namespace v2vfs::inspect
