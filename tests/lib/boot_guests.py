# SPDX-License-Identifier: MIT
"""Debian guests that boot, each as VMware held it: a .vmx, raw disks behind VMDK descriptors, names of its hardware.

    folder = boot_guests.make("lvm-root")    # NAME.vmx and its disks; cached
    boot_guests.GUESTS["lvm-root"]           # what it is to find once it is converted

All are made from one debootstrap, which is the shop's with more packages. Filesystems that mke2fs does not make are made
by an appliance. No guest is booted here.
"""
import fcntl
import hashlib
import inspect
import os
import pathlib
import sys
import tempfile

FILES = pathlib.Path(__file__).resolve().parents[1] / "guests"
sys.path.insert(0, str(FILES))

import boot_kinds  # noqa: E402
import boot_layouts  # noqa: E402
import boot_tree  # noqa: E402
import rootfs  # noqa: E402
from boot_layouts import ADDRESS  # noqa: E402
from boot_tree import Guest, Tree  # noqa: E402
from steps import run, step  # noqa: E402

PASSWORD = "v2vfs"
MAC, SECOND_MAC = "00:50:56:8a:33:01", "00:50:56:8a:33:02"
MORE_PACKAGES = ["lvm2", "btrfs-progs", "xfsprogs", "cryptsetup-initramfs", "network-manager", "grub-efi-amd64-bin"]
# Nothing else of the kernel's modules is needed here, and half of a tree would be modules.
KEPT_MODULES = ["arch", "block", "crypto", "lib", "net", "drivers/virtio", "drivers/block", "drivers/scsi", "drivers/ata", "drivers/md",
                "drivers/message", "drivers/net/vmxnet3", "drivers/net/ethernet/intel/e1000", "drivers/net/virtio_net",
                "drivers/net/net_failover", "drivers/char", "drivers/cdrom", "drivers/nvme", "drivers/ptp", "drivers/pps",
                "drivers/input", "fs/ext4", "fs/jbd2", "fs/mbcache", "fs/xfs", "fs/btrfs", "fs/fat", "fs/nls", "fs/autofs",
                "fs/binfmt_misc", "fs/fuse", "fs/efivarfs", "fs/configfs", "fs/isofs", "fs/udf"]


ROOT = ("lsblk -rno NAME,MOUNTPOINT", ["vda1 /"])
EFI = ("lsblk -rno NAME,MOUNTPOINT; ls -d /sys/firmware/efi", ["vda2 /", "vda1 /boot/efi", "/sys/firmware/efi"])
NIC = ("ip -br addr show ens192; cat /sys/class/net/ens192/address; basename $(readlink -f /sys/class/net/ens192/device/driver)",
       [ADDRESS, MAC, "virtio_net"])
SWAP_ON = ("swapon --noheadings --show=NAME", ["/dev/vda2"])
# What starts vgauth is not a target, but the other one.
NO_TOOLS = ("systemctl is-enabled open-vm-tools.service vgauth.service; systemctl is-active open-vm-tools.service vgauth.service; true",
            ["masked\nmasked\ninactive\ninactive"])

GUESTS = {
    "networkd": Guest(boot_layouts.networkd, [ROOT, SWAP_ON, NIC, ("networkctl list --no-legend --no-pager", ["ens192"]), NO_TOOLS]),
    "swap-resume": Guest(boot_layouts.swap_resume, [ROOT, SWAP_ON, ("cat /sys/power/resume", ["254:2"]), NIC]),
    "lvm-root": Guest(boot_layouts.lvm_root, [("lsblk -rno NAME,MOUNTPOINT", ["web--vg-root /", "vda1 /boot"]),
                                              ("swapon --noheadings --show=NAME", ["/dev/dm-"]), NIC]),
    "by-path": Guest(boot_layouts.by_path, [ROOT, SWAP_ON, NIC]),
    "network-manager": Guest(boot_layouts.network_manager, [ROOT, NIC, ("nmcli -t -f DEVICE,STATE device", ["ens192:connected"])], slots=(None,)),
    "two-nics": Guest(boot_layouts.two_nics, [ROOT, NIC, ("ip -br addr show ens224; cat /sys/class/net/ens224/address",
                                                          ["192.168.61.5/24", SECOND_MAC])], slots=(None, None)),
    "uefi-gpt": Guest(boot_layouts.uefi_gpt, [EFI, NIC], "efi"),
    "btrfs-subvolumes": Guest(boot_layouts.btrfs_subvolumes, [("findmnt -no SOURCE,OPTIONS /", ["/dev/vda1[/@rootfs]"]),
                                                              ("cat /home/note", ["kept"]), NIC]),
    "xfs-root": Guest(boot_layouts.xfs_root, [("findmnt -no SOURCE,FSTYPE /", ["/dev/vda2 xfs"]), ("findmnt -no SOURCE /boot", ["/dev/vda1"]), NIC]),
    "menu-lst": Guest(boot_layouts.menu_lst, [ROOT, SWAP_ON, ("cat /proc/cmdline", ["clocksource=acpi_pm"]), NIC]),
    "virtio-there": Guest(boot_kinds.virtio_there, [ROOT, SWAP_ON, NIC]),
    "luks-root": Guest(boot_kinds.luks_root, [("lsblk -rno NAME,TYPE,MOUNTPOINT", ["root_crypt crypt /", "vda1 part /boot"]), NIC],
                       options=",keyfile=all:{source}/key"),
    "lz4": Guest(boot_kinds.lz4, [ROOT, SWAP_ON, NIC]),
    "dracut": Guest(boot_kinds.dracut, [ROOT, SWAP_ON, NIC]),
    "xz-modules": Guest(boot_kinds.xz_modules, [ROOT, SWAP_ON, NIC, ("modinfo -F filename virtio_net", [".ko.xz"])]),
    "systemd-boot": Guest(boot_kinds.systemd_boot, [EFI, NIC], "efi"),
    "debian-11": Guest(boot_kinds.plain, [ROOT, SWAP_ON, NIC, ("cat /etc/debian_version", ["11."])], suite="bullseye"),
    "debian-13": Guest(boot_kinds.plain, [ROOT, SWAP_ON, NIC, ("cat /etc/debian_version", ["13."])], suite="trixie"),
}


# The export: a .vmx beside VMDK descriptors over raw extents.

def descriptor(raw: pathlib.Path) -> str:
    sectors = raw.stat().st_size // 512
    return ("# Disk DescriptorFile\nversion=1\nCID=5d0c9001\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\n"
            f"RW {sectors} VMFS \"{raw.name}\"\n\nddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"19\"\n"
            f"ddb.geometry.cylinders = \"{sectors // (255 * 63)}\"\nddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n")


def vmx(name: str, guest: Guest, disks: list) -> str:
    lines = {".encoding": "UTF-8", "config.version": "8", "virtualHW.version": "19", "displayName": name, "guestOS": "debian12-64",
             "memSize": "512", "numvcpus": "1", "firmware": guest.firmware, "scsi0.present": "TRUE", "scsi0.virtualDev": "pvscsi",
             "scsi0.pciSlotNumber": "160", "uuid.bios": "56 4d 5d 0c 90 00 40 00-80 00 " + " ".join(f"{byte:02x}" for byte in
                                                                                            hashlib.sha256(name.encode()).digest()[:6])}
    for number, disk in enumerate(disks):
        lines |= {f"scsi0:{number}.present": "TRUE", f"scsi0:{number}.fileName": disk.with_suffix(".vmdk").name,
                  f"scsi0:{number}.deviceType": "scsi-hardDisk"}
    for number, (slot, mac) in enumerate(zip(guest.slots, (MAC, SECOND_MAC))):
        card = f"ethernet{number}"
        lines |= {f"{card}.present": "TRUE", f"{card}.virtualDev": "vmxnet3", f"{card}.networkName": "VM Network",
                  f"{card}.addressType": "static", f"{card}.address": mac}
        if slot:
            lines[f"{card}.pciSlotNumber"] = str(slot)
    return "".join(f'{key} = "{value}"\n' for key, value in lines.items())


def domain(name: str, source: pathlib.Path) -> str:
    """The same machine as libvirt would have it, for who cannot read a .vmx of raw extents."""
    guest = GUESTS[name]
    disks = "".join(f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>"
                    f"<target dev='sd{chr(ord('a') + number)}' bus='scsi'/></disk>"
                    for number, disk in enumerate(sorted(source.glob("*.raw"))))
    cards = "".join(f"<interface type='network'><mac address='{mac}'/><source network='default'/><model type='vmxnet3'/></interface>"
                    for mac in (MAC, SECOND_MAC)[:len(guest.slots)])
    firmware = " firmware='efi'" if guest.firmware == "efi" else ""
    return (f"<domain type='kvm'><name>{name}</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>"
            f"<os{firmware}><type arch='x86_64'>hvm</type></os><features><acpi/></features><devices>{disks}{cards}</devices></domain>\n")


def base_tar(cache: pathlib.Path, suite: str) -> pathlib.Path:
    """The shop's where it is the same Debian."""
    if suite == rootfs.SUITE:
        return rootfs.base_tar(cache)
    tar = cache / f"debian-{suite}-{key_of(rootfs.PACKAGES)}.tar"
    if not tar.exists():
        with step(f"debootstrap {suite}"), tempfile.TemporaryDirectory(prefix="debootstrap-", dir=cache) as work:
            tree, partial = pathlib.Path(work) / "tree", pathlib.Path(work) / "tar"
            run("debootstrap", "--variant=minbase", f"--include={','.join(rootfs.PACKAGES)}", suite, tree, rootfs.MIRROR,
                env={**os.environ, "INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"})
            run("tar", "-C", tree, "--numeric-owner", "--xattrs", "--one-file-system", "-cf", partial, ".")
            partial.rename(tar)
    return tar


def key_of(*what) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def trimmed_tar(cache: pathlib.Path, suite: str) -> pathlib.Path:
    """The tree that all guests of one Debian begin with."""
    tar = cache / f"boot-guests-{suite}-{key_of(rootfs.PACKAGES, MORE_PACKAGES, KEPT_MODULES)}.tar"
    if tar.exists():
        return tar
    with step(f"boot guests: the tree of {suite}"), tempfile.TemporaryDirectory(prefix="making-", dir=cache) as work:
        folder, partial = pathlib.Path(work) / "tree", pathlib.Path(work) / "tar"
        folder.mkdir()
        run("tar", "-C", folder, "--numeric-owner", "--xattrs", "-xpf", base_tar(cache, suite))
        tree = Tree(folder, suite)
        tree.install(*MORE_PACKAGES)
        modules = folder / "usr/lib/modules" / tree.kernel / "kernel"
        for path in modules.rglob("*.ko*"):
            if not any(str(path.relative_to(modules)).startswith(kept) for kept in KEPT_MODULES):
                path.unlink()
        run("chroot", folder, "depmod", tree.kernel)
        run("tar", "-C", folder, "--numeric-owner", "--xattrs", "-cf", partial, ".")
        partial.rename(tar)
    return tar


def lay(name: str, work: pathlib.Path, cache: pathlib.Path) -> Tree:
    folder = work / "tree"
    folder.mkdir()
    run("tar", "-C", folder, "--numeric-owner", "--xattrs", "-xpf", trimmed_tar(cache, GUESTS[name].suite))
    folder.chmod(0o755)
    rootfs.lay_files(FILES / "files/common", folder, {"KERNEL": "none"})
    run("chroot", folder, "chpasswd", input=f"root:{PASSWORD}\n")
    tree = Tree(folder, name)
    tree.put("etc/machine-id", "")
    tree.put("etc/hostname", name + "\n")
    tree.put("etc/network/interfaces", "auto lo\niface lo inet loopback\n")
    for unit in ("NetworkManager.service", "NetworkManager-wait-online.service", "NetworkManager-dispatcher.service"):
        for link in (folder / "etc/systemd/system").rglob(unit):
            link.unlink()
    for link in (folder / "etc/systemd/system").glob("dbus-org.freedesktop.nm-dispatcher.service"):
        link.unlink()
    return tree


def build(name: str, target: pathlib.Path, cache: pathlib.Path) -> None:
    guest = GUESTS[name]
    with step(f"{name}: its disks"), tempfile.TemporaryDirectory(prefix="making-", dir=cache) as work:
        work = pathlib.Path(work)
        out = work / "out"
        out.mkdir()
        disks = guest.make(lay(name, work, cache), out)
        for disk in disks:
            disk.with_suffix(".vmdk").write_text(descriptor(disk))
        (out / f"{name}.vmx").write_text(vmx(name, guest, disks))
        out.rename(target)


def digest_of(name: str) -> str:
    """Of all that its disks are made by: a check more makes no new guest."""
    guest = GUESTS[name]
    makers = [guest.make, Tree, lay, trimmed_tar, boot_tree.mbr_disk, boot_tree.esp_disk, boot_tree.add_root, boot_tree.fish, descriptor, vmx]
    said = "".join(inspect.getsource(maker) for maker in makers)
    said += repr((name, guest.firmware, guest.slots, guest.suite, MORE_PACKAGES, KEPT_MODULES, boot_tree.DISK))
    return hashlib.sha256(said.encode() + (FILES / "rootfs.py").read_bytes()).hexdigest()[:12]


def cache_folder() -> pathlib.Path:
    cache = pathlib.Path(os.environ.get("V2VFS_TEST_CACHE") or
                         os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "v2vfs-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def make(name: str) -> pathlib.Path:
    """The folder of its export."""
    cache = cache_folder()
    target = cache / f"boot-{name}-{digest_of(name)}"
    with open(cache / "boot-guests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            build(name, target, cache)
    return target


if __name__ == "__main__":
    for wanted in sys.argv[1:] or GUESTS:
        print(make(wanted), flush=True)
