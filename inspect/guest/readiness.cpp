// SPDX-License-Identifier: MIT
#include "inspect/guest/readiness.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "inspect/base/text.h"
#include "inspect/guest/fstab.h"

namespace v2vfs::inspect {
namespace {

/// What a supplement of an initrd may need, with room for two of them.
constexpr std::uint64_t kRoomPerInitrd = 4 << 20;

class ReadinessCheck {
 public:
  explicit ReadinessCheck(const GuestInspection& inspection) : inspection_(inspection) {}

  std::vector<Problem> run() {
    containers();
    roots();
    if (const GuestFacts* const guest = inspection_.chosen_guest()) {
      if (guest->os.type == "linux") linux_guest(*guest);
      if (guest->windows) windows_guest(*guest->windows);
    }
    return std::move(found_);
  }

 private:
  void add(const char* code, Severity severity, std::string what, std::string fix) {
    found_.push_back({code, severity, std::move(what), std::move(fix)});
  }

  void containers() {
    for (const LuksFacts& luks : inspection_.disks.luks) {
      if (!luks.mapping.empty()) continue;
      add("luks-locked", Severity::error,
          fmt::format("{} is encrypted (LUKS {}) and closed: {}", clean_text(luks.device),
                      clean_text(luks.uuid), luks.problem),
          fmt::format("mount with -o keyfile={}:FILE",
                      luks.uuid.empty() ? clean_text(luks.device) : clean_text(luks.uuid)));
    }
    for (const BlockDevice& device : inspection_.disks.storage.devices) {
      if (device.type != "BitLocker") continue;
      add("bitlocker", Severity::error, clean_text(device.name) + " is encrypted with BitLocker",
          "suspend or remove BitLocker in the guest before it is exported");
    }
  }

  static std::string name_of(const GuestFacts& guest) {
    std::string name = clean_text(guest.root);
    if (!guest.subvolume.empty()) name += ":" + clean_text(guest.subvolume);
    return name + " (" + clean_text(guest.os.product_name) + ")";
  }

  void roots() {
    if (inspection_.guests.empty()) {
      add("no-root", Severity::error, "no operating system was found on the disks",
          "if it is encrypted give the key with -o keyfile=DEVICE:FILE; a blank disk stays as it "
          "is");
    }
    if (inspection_.guests.size() < 2) return;
    std::string all;
    for (const GuestFacts& guest : inspection_.guests) {
      all += (all.empty() ? "" : ", ") + name_of(guest);
    }
    const GuestFacts* const chosen = inspection_.chosen_guest();
    add("several-roots", Severity::warning,
        fmt::format("{} operating systems: {}; {} is meant", inspection_.guests.size(), all,
                    chosen ? name_of(*chosen) : "none"),
        "mount with -o root=DEVICE for another one");
  }

  void linux_guest(const GuestFacts& guest) {
    if (guest.os.distro == "unknown") {
      add("unknown-os", Severity::warning, "a Linux whose distribution is not known",
          "it is served and converted by what its files show");
    }
    for (const ResumeFacts& resume : guest.resume) {
      if (!resume.hibernated) continue;
      add("hibernated", Severity::error,
          clean_text(resume.device) + " holds the memory of a guest that was suspended to disk",
          "start the guest where it was, shut it down cleanly and export it again");
    }
    bootloader(guest);
    kernels(guest);
    boot_room(guest);
    fragile_names(guest);
    for (const MountpointFacts& point : guest.mountpoints) {
      const bool optional = FstabEntry{0, "", "", "", point.options, 0}.has_option("nofail") ||
                            FstabEntry{0, "", "", "", point.options, 0}.has_option("noauto");
      if (!point.device.empty() || optional) continue;
      add("mount-missing", Severity::warning,
          fmt::format("/etc/fstab mounts {} on {}, which is on none of the disks",
                      clean_text(point.spec), clean_text(point.path)),
          "the guest waits for it at boot: add the disk, or nofail to the line");
    }
  }

  /// Each name once for a file: a boot menu repeats it in every entry.
  void fragile_names(const GuestFacts& guest) {
    std::set<std::pair<std::string, std::string>> said;
    for (const FragileDevice& fragile : guest.fragile_devices) {
      if (!said.insert({fragile.file, fragile.name}).second) continue;
      add("fragile-device", fragile.replacement.empty() ? Severity::warning : Severity::info,
          fmt::format("{} line {} names {}, which another controller changes",
                      clean_text(fragile.file), fragile.line, clean_text(fragile.name)),
          fragile.replacement.empty() ? "put a UUID there"
                                      : "conversion writes " + clean_text(fragile.replacement));
    }
  }

  void bootloader(const GuestFacts& guest) {
    const std::string& kind = guest.bootloader.kind;
    if (kind.empty()) {
      add("no-bootloader", Severity::warning, "no boot loader's configuration was found",
          "the guest keeps hardware like its own");
    } else if (kind == "uki") {
      add("uki", Severity::warning,
          "the guest boots a unified kernel image, whose initrd is not changed",
          "virtio has to be in it already; else the guest keeps hardware like its own");
    } else if (kind == "lilo" || kind == "elilo") {
      add("lilo", Severity::warning,
          "LILO reads kernel and initrd by their blocks, so an initrd is not changed",
          "the guest keeps hardware like its own");
    }
  }

  void kernels(const GuestFacts& guest) {
    if (guest.kernels.empty() && guest.bootloader.kind != "uki") {
      add("no-kernel", Severity::error, "no kernel was found in the guest",
          "it cannot boot by itself; check that /boot is on one of the disks");
    }
    for (const KernelFacts& kernel : guest.kernels) {
      if (!kernel.in_bootloader && !kernel.is_default) continue;
      const Severity severity = kernel.is_default ? Severity::error : Severity::warning;
      const std::string name = clean_text(kernel.version);
      if (kernel.xen_pv_only) {
        add("xen-kernel", severity, "kernel " + name + " runs under Xen only",
            "install a kernel for all machines in the guest and make it the default");
      }
      if (!has_virtio(kernel)) {
        add("no-virtio", Severity::warning, "kernel " + name + " has no virtio-blk driver",
            "the guest gets SATA or IDE disks");
      }
      if (kernel.initrd) initrd(*kernel.initrd);
    }
  }

  static bool has_virtio(const KernelFacts& kernel) {
    return std::any_of(kernel.drivers.begin(), kernel.drivers.end(), [](const DriverFacts& driver) {
      return (driver.name == "virtio_blk" || driver.name == "virtio_scsi") &&
             driver.state != DriverState::absent;
    });
  }

  void initrd(const InitrdFacts& initrd) {
    if (!initrd.problem.empty()) {
      add("initrd-unreadable", Severity::warning,
          clean_text(initrd.path) + ": " + clean_text(initrd.problem, 1024),
          "the guest keeps hardware like its own, unless its initrd has virtio");
    } else if (initrd.tail == "unknown") {
      add("initrd-unknown", Severity::warning,
          clean_text(initrd.path) +
              " has something behind its last archive that the kernel cannot read",
          "it is not changed: make it anew in the guest, or mount with -o initramfs=rebuild");
    }
  }

  void boot_room(const GuestFacts& guest) {
    const FilesystemFacts* boot = nullptr;
    for (const FilesystemFacts& each : guest.filesystems) {
      const bool root = each.mountpoint == "/" && !boot;
      if (each.mountpoint == "/boot" || root) boot = &each;
    }
    if (!boot || !boot->space || boot->space->free_bytes >= 2 * kRoomPerInitrd) return;
    add("boot-full", Severity::error,
        fmt::format("{} has {} KiB free, too little to add drivers to the initrds",
                    clean_text(boot->mountpoint), boot->space->free_bytes >> 10),
        "remove an old kernel in the guest");
  }

  void windows_guest(const WindowsFacts& windows) {
    if (windows.hibernated) {
      add("hibernated", Severity::error,
          "Windows is hibernated, or was shut down with Fast Startup: its filesystems are in use",
          "start it where it was and run: shutdown /s /t 0 (with Fast Startup: powercfg /h off)");
    } else if (windows.fast_startup) {
      add("fast-startup", Severity::info, "Windows has Fast Startup on",
          "shut it down with: shutdown /s /t 0");
    }
    if (windows.group_policy) {
      add("group-policy", Severity::info, "a group policy may forbid new drivers",
          "if it stops at boot, allow the installation of drivers");
    }
    if (windows.antivirus) {
      add("antivirus", Severity::info, "an antivirus program may block new drivers",
          "if it stops at boot, remove it in the guest first");
    }
  }

  const GuestInspection& inspection_;
  std::vector<Problem> found_;
};

}  // namespace

std::vector<Problem> readiness_of(const GuestInspection& inspection) {
  return ReadinessCheck(inspection).run();
}

}  // namespace v2vfs::inspect
