# SPDX-License-Identifier: MIT
"""Debian guests that boot, each as VMware held it: a .vmx, raw disks behind VMDK descriptors, names of its hardware.

    folder = boot_guests.make("lvm-root")    # NAME.vmx and its disks; cached
    boot_guests.GUESTS["lvm-root"]           # what it is to find once it is converted

All are made from one debootstrap, which is the shop's with more packages. Filesystems that mke2fs does not make are made
by an appliance. No guest is booted here.
"""
import dataclasses
import fcntl
import hashlib
import inspect
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[2]
FILES = PROJECT / "tests" / "guests"
sys.path.insert(0, str(FILES))

import disk_image  # noqa: E402
import rootfs  # noqa: E402
from disk_image import LINUX, MIB, SWAP  # noqa: E402
from guest_disks import DIRECT  # noqa: E402
from steps import run, step  # noqa: E402

PASSWORD = "v2vfs"
MAC, SECOND_MAC = "00:50:56:8a:33:01", "00:50:56:8a:33:02"
ADDRESS = "192.168.60.5/24"
MORE_PACKAGES = ["lvm2", "btrfs-progs", "xfsprogs", "cryptsetup-initramfs", "network-manager", "grub-efi-amd64-bin"]
LVM, ESP_TYPE, LINUX_TYPE = 0x8e, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
DISK = 1536 * MIB
# Nothing else of the kernel's modules is needed here, and half of a tree would be modules.
KEPT_MODULES = ["arch", "crypto", "lib", "net", "drivers/virtio", "drivers/block", "drivers/scsi", "drivers/ata", "drivers/md",
                "drivers/message", "drivers/net/vmxnet3", "drivers/net/ethernet/intel/e1000", "drivers/net/virtio_net",
                "drivers/net/net_failover", "drivers/char", "drivers/cdrom", "drivers/nvme", "drivers/ptp", "drivers/pps",
                "drivers/input", "fs/ext4", "fs/jbd2", "fs/mbcache", "fs/xfs", "fs/btrfs", "fs/fat", "fs/nls", "fs/autofs",
                "fs/fuse", "fs/efivarfs", "fs/configfs", "fs/isofs", "fs/udf"]


class Tree:
    """The root file system of one guest, to be configured."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.folder, self.name = folder, name
        self.kernel = next((folder / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        self.put("etc/hostname", name + "\n")
        self.put("etc/network/interfaces", "auto lo\niface lo inet loopback\n")

    def put(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)

    def grub(self, root: str, options: str = "", prefix: str = "/boot") -> None:
        """grub.cfg in the shape of grub-mkconfig; `prefix`: /boot as GRUB sees it."""
        line = f"root={root} ro {options}console=tty0 console=ttyS0,115200n8"
        self.put("boot/grub/grub.cfg", "set default=\"0\"\nserial --unit=0 --speed=115200\nterminal_input console serial\n"
                 "terminal_output console serial\nset timeout=1\n\n### BEGIN /etc/grub.d/10_linux ###\n"
                 "menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os "
                 f"$menuentry_id_option 'gnulinux-simple-{root}' {{\n\tinsmod gzio\n"
                 f"\tlinux\t{prefix}/vmlinuz-{self.kernel} {line}\n\tinitrd\t{prefix}/initrd.img-{self.kernel}\n}}\n"
                 "### END /etc/grub.d/10_linux ###\n")

    def interfaces(self, *names) -> None:
        text = "auto lo\niface lo inet loopback\n"
        for number, name in enumerate(names):
            text += f"\nallow-hotplug {name}\niface {name} inet static\n    address 192.168.6{number}.5/24\n"
        self.put("etc/network/interfaces", text)

    def enable(self, unit: str, target: str = "multi-user.target") -> None:
        link = self.folder / f"etc/systemd/system/{target}.wants/{unit}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/lib/systemd/system/{unit}")

    def mask(self, *units) -> None:
        for unit in units:
            link = self.folder / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")

    def initramfs(self, *modules) -> None:
        """Its own disks' drivers, as MODULES=list has it; no virtio."""
        with open(self.folder / "etc/initramfs-tools/modules", "a") as file:
            file.write("".join(name + "\n" for name in modules))
        run("chroot", self.folder, "update-initramfs", "-c", "-k", self.kernel)

    def core(self, prefix: str, *modules, config: str = "") -> tuple:
        """GRUB for BIOS: (boot code, core image)."""
        folder = self.folder / "boot/grub/i386-pc"
        shutil.copytree(self.folder / "usr/lib/grub/i386-pc", folder, dirs_exist_ok=True)
        more = []
        if config:
            self.put("tmp/core.cfg", config)
            more = ["-c", "/tmp/core.cfg"]
        run("chroot", self.folder, "grub-mkimage", "-O", "i386-pc", "-p", prefix, "-o", "/boot/grub/i386-pc/core.img", *more,
            "biosdisk", "part_msdos", *modules)
        return (folder / "boot.img").read_bytes(), (folder / "core.img").read_bytes()

    def tar(self, path: pathlib.Path) -> pathlib.Path:
        run("tar", "-C", self.folder, "--numeric-owner", "-cf", path, ".")
        return path


@dataclasses.dataclass
class Guest:
    make: object                  # (Tree, folder for its disks) -> [(disk's name)]
    checks: list                  # (command, words in its answer) once it runs converted
    firmware: str = "bios"
    slots: tuple = (192,)         # VMware's slot of each network card; None: the source does not say
    options: str = ""             # of the mount
    secrets: dict = dataclasses.field(default_factory=dict)  # files beside the disks


def uuid(name: str, number: int) -> str:
    return f"5d0c9{hashlib.sha256(name.encode()).hexdigest()[:3]}-0000-4000-8000-{number:012x}"


def add_root(disk: pathlib.Path, tree: Tree, start: int, length: int, number: int = 1) -> None:
    disk_image.add_ext4(disk, start, length, tree.folder, "", uuid(tree.name, number))


def mbr_disk(tree: Tree, out: pathlib.Path, boot: tuple, root_mib: int = 1300) -> list:
    """Root and swap on /dev/sda1 and /dev/sda2, as an installer lays them."""
    disk, root, swap = out / f"{tree.name}.raw", root_mib * MIB, 128 * MIB
    disk_image.make_disk(disk, DISK, [(LINUX, MIB, root), (SWAP, MIB + root, swap)], *boot, disk_id=0x51094001)
    add_root(disk, tree, MIB, root)
    disk_image.add_swap(disk, MIB + root, swap, uuid(tree.name, 2))
    return [disk]


def fish(disks: list, commands: str) -> None:
    """In an appliance; disks are /dev/sda, /dev/sdb, ..."""
    adds = [word for disk in disks for word in ("-a", str(disk))]
    done = subprocess.run(["guestfish", "--format=raw", *adds], input=f"run\n{commands}\n", text=True,
                          env={**os.environ, **DIRECT}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=3000)
    if done.returncode != 0:
        raise RuntimeError(f"guestfish: {done.stdout[-1500:]}")


# The guests.

FSTAB_SDA = "/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sda2 none swap sw 0 0\n"


def uefi_gpt(tree: Tree, out: pathlib.Path) -> list:
    """The loader lies where the NVRAM of the old machine had it, and nowhere else."""
    tree.put("etc/fstab", "/dev/sda2 / ext4 errors=remount-ro 0 1\n/dev/sda1 /boot/efi vfat umask=0077 0 1\n")
    (tree.folder / "boot/efi").mkdir(exist_ok=True)
    tree.grub("/dev/sda2")
    tree.interfaces("ens192")
    tree.initramfs("vfat", "nls_cp437", "nls_ascii")
    tree.put("tmp/esp.cfg", f"search.fs_uuid {uuid(tree.name, 1)} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n")
    shutil.copytree(tree.folder / "usr/lib/grub/x86_64-efi", tree.folder / "boot/grub/x86_64-efi", dirs_exist_ok=True)
    run("chroot", tree.folder, "grub-mkimage", "-O", "x86_64-efi", "-p", "/EFI/debian", "-c", "/tmp/esp.cfg", "-o", "/tmp/grubx64.efi",
        "part_gpt", "fat", "ext2", "search_fs_uuid", "configfile", "normal", "linux", "gzio", "serial", "terminal", "efi_gop", "all_video")
    disk, esp, esp_bytes = out / f"{tree.name}.raw", out / "esp", 64 * MIB
    with open(disk, "xb") as file:
        file.truncate(DISK)
    run("sfdisk", "-q", disk, input=f"label: gpt\nstart=2048, size={esp_bytes // 512}, type={ESP_TYPE}\ntype={LINUX_TYPE}\n")
    with open(esp, "xb") as file:
        file.truncate(esp_bytes)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-i", "5D0C9001", esp)
    run("mmd", "-i", esp, "::EFI", "::EFI/debian")
    run("mcopy", "-i", esp, tree.folder / "tmp/grubx64.efi", "::EFI/debian/grubx64.efi")
    add_root(disk, tree, MIB + esp_bytes, DISK - esp_bytes - 2 * MIB)
    with open(disk, "r+b") as file:
        file.seek(MIB)
        file.write(esp.read_bytes())
    esp.unlink()
    return [disk]


def lvm_root(tree: Tree, out: pathlib.Path) -> list:
    tree.put("etc/fstab", "/dev/mapper/web--vg-root / ext4 errors=remount-ro 0 1\n/dev/sda1 /boot ext2 defaults 0 2\n"
             "/dev/mapper/web--vg-swap_1 none swap sw 0 0\n")
    tree.put("etc/initramfs-tools/conf.d/resume", "RESUME=/dev/mapper/web--vg-swap_1\n")
    tree.grub("/dev/mapper/web--vg-root", prefix="")
    tree.interfaces("ens192")
    tree.initramfs("dm_mod", "ext2")
    boot = tree.core("(hd0,msdos1)/grub", "ext2")
    disk = out / f"{tree.name}.raw"
    disk_image.make_disk(disk, DISK, [(LINUX, MIB, 150 * MIB), (LVM, 151 * MIB, DISK - 152 * MIB)], *boot, disk_id=0x51094002)
    tar = tree.tar(out / "tar")
    fish([disk], f"""pvcreate /dev/sda2
vgcreate web-vg /dev/sda2
lvcreate root web-vg 1100
lvcreate swap_1 web-vg 64
mkfs ext4 /dev/web-vg/root
mkfs ext2 /dev/sda1
mkswap /dev/web-vg/swap_1
mount /dev/web-vg/root /
mkdir /boot
mount /dev/sda1 /boot
tar-in {tar} /
umount-all
vg-activate-all false""")
    tar.unlink()
    return [disk]


def btrfs_subvolumes(tree: Tree, out: pathlib.Path) -> list:
    tree.put("etc/fstab", "/dev/sda1 / btrfs defaults,subvol=@rootfs 0 0\n/dev/sda1 /home btrfs defaults,subvol=@home 0 0\n")
    tree.grub("/dev/sda1", "rootflags=subvol=@rootfs ", "/@rootfs/boot")
    tree.interfaces("ens192")
    tree.initramfs("btrfs", "crc32c_generic", "xxhash_generic", "blake2b_generic")
    boot = tree.core("(hd0,msdos1)/@rootfs/boot/grub", "btrfs")
    disk = out / f"{tree.name}.raw"
    disk_image.make_disk(disk, DISK, [(LINUX, MIB, DISK - 2 * MIB)], *boot, disk_id=0x51094003)
    tar = tree.tar(out / "tar")
    fish([disk], f"""mkfs btrfs /dev/sda1
mount /dev/sda1 /
btrfs-subvolume-create /@rootfs
btrfs-subvolume-create /@home
tar-in {tar} /@rootfs
write /@home/note "kept\\n"
umount-all""")
    tar.unlink()
    return [disk]


def xfs_root(tree: Tree, out: pathlib.Path) -> list:
    tree.put("etc/fstab", "/dev/sda2 / xfs defaults 0 0\n/dev/sda1 /boot ext4 defaults 0 2\n")
    tree.grub("/dev/sda2", prefix="")
    tree.interfaces("ens192")
    tree.initramfs("xfs")
    boot = tree.core("(hd0,msdos1)/grub", "ext2")
    disk = out / f"{tree.name}.raw"
    disk_image.make_disk(disk, DISK, [(LINUX, MIB, 150 * MIB), (LINUX, 151 * MIB, DISK - 152 * MIB)], *boot, disk_id=0x51094004)
    tar = tree.tar(out / "tar")
    fish([disk], f"""mkfs xfs /dev/sda2
mkfs ext2 /dev/sda1
mount /dev/sda2 /
mkdir /boot
mount /dev/sda1 /boot
tar-in {tar} /
umount-all""")
    tar.unlink()
    return [disk]


def swap_resume(tree: Tree, out: pathlib.Path) -> list:
    """What wakes a suspended machine is named three times."""
    tree.put("etc/fstab", FSTAB_SDA)
    tree.put("etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda2\n")
    tree.grub("/dev/sda1", "resume=/dev/sda2 ")
    tree.interfaces("ens192")
    tree.initramfs()
    return mbr_disk(tree, out, tree.core("(hd0,msdos1)/boot/grub", "ext2"))


def by_path(tree: Tree, out: pathlib.Path) -> list:
    """Names that udev made of VMware's controller and of its disk."""
    path = "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part"
    tree.put("etc/fstab", f"{path}1 / ext4 errors=remount-ro 0 1\n/dev/disk/by-id/scsi-36000c29f0c1b2a3948576a5b4c3d2e1f-part2 none swap sw 0 0\n")
    tree.grub(f"{path}1")
    tree.interfaces("ens192")
    tree.initramfs()
    return mbr_disk(tree, out, tree.core("(hd0,msdos1)/boot/grub", "ext2"))


def networkd(tree: Tree, out: pathlib.Path) -> list:
    """No rule and no .link: VMware's slot made the name."""
    tree.put("etc/fstab", FSTAB_SDA)
    tree.put("etc/systemd/network/10-wired.network", f"[Match]\nName=ens192\n\n[Network]\nAddress={ADDRESS}\n")
    tree.enable("systemd-networkd.service")
    tree.mask("systemd-networkd-wait-online.service")
    tree.grub("/dev/sda1")
    tree.initramfs()
    return mbr_disk(tree, out, tree.core("(hd0,msdos1)/boot/grub", "ext2"))


def network_manager(tree: Tree, out: pathlib.Path) -> list:
    """The source does not say the slot: the only name that is used is the only card's."""
    tree.put("etc/fstab", FSTAB_SDA)
    keyfile = "etc/NetworkManager/system-connections/wired.nmconnection"
    tree.put(keyfile, "[connection]\nid=wired\nuuid=5d0c9000-0000-4000-8000-0000000000ff\ntype=ethernet\ninterface-name=ens192\n\n"
             f"[ipv4]\nmethod=manual\naddress1={ADDRESS}\n\n[ipv6]\nmethod=disabled\n")
    (tree.folder / keyfile).chmod(0o600)
    tree.enable("NetworkManager.service")
    tree.mask("NetworkManager-wait-online.service")
    tree.grub("/dev/sda1")
    tree.initramfs()
    return mbr_disk(tree, out, tree.core("(hd0,msdos1)/boot/grub", "ext2"))


def two_nics(tree: Tree, out: pathlib.Path) -> list:
    """Two cards, told apart by nothing but the order of the names; the source gives no slot."""
    tree.put("etc/fstab", FSTAB_SDA)
    tree.interfaces("ens192", "ens224")
    tree.grub("/dev/sda1")
    tree.initramfs()
    return mbr_disk(tree, out, tree.core("(hd0,msdos1)/boot/grub", "ext2"))


def menu_lst(tree: Tree, out: pathlib.Path) -> list:
    """As in 2010: menu.lst and nothing newer; GRUB 2 reads it in place of the GRUB that read it then."""
    tree.put("etc/fstab", FSTAB_SDA)
    (tree.folder / "boot/grub/grub.cfg").unlink()
    tree.put("boot/grub/device.map", "(hd0)\t/dev/sda\n")
    tree.put("boot/grub/menu.lst", "default\t\t0\ntimeout\t\t1\n\n### BEGIN AUTOMAGIC KERNELS LIST\n"
             "# kopt=root=/dev/sda1 ro clocksource=acpi_pm\n# groot=(hd0,0)\n\ntitle\t\tDebian GNU/Linux\nroot\t\t(hd0,0)\n"
             f"kernel\t\t/boot/vmlinuz-{tree.kernel} root=/dev/sda1 ro clocksource=acpi_pm console=tty0 console=ttyS0,115200n8\n"
             f"initrd\t\t/boot/initrd.img-{tree.kernel}\n\n### END DEBIAN AUTOMAGIC KERNELS LIST\n")
    tree.interfaces("ens192")
    tree.initramfs()
    core = tree.core("(hd0,msdos1)/boot/grub", "ext2", "configfile", "legacycfg", "normal", "linux", "linux16", "gzio", "echo", "test", "sleep",
                     "terminal", "minicmd", config="legacy_configfile (hd0,msdos1)/boot/grub/menu.lst\n")
    shutil.rmtree(tree.folder / "boot/grub/i386-pc")
    return mbr_disk(tree, out, core)


ROOT = ("lsblk -rno NAME,MOUNTPOINT", ["vda1 /"])
NIC = ("ip -br addr show ens192; cat /sys/class/net/ens192/address; basename $(readlink -f /sys/class/net/ens192/device/driver)",
       [ADDRESS, MAC, "virtio_net"])
CALM = ("systemctl --failed --no-legend --plain; systemctl --failed --no-legend --plain | wc -l", ["0"])
SWAP_ON = ("swapon --noheadings --show=NAME", ["/dev/vda2"])

GUESTS = {
    "uefi-gpt": Guest(uefi_gpt, [("lsblk -rno NAME,MOUNTPOINT", ["vda2 /", "vda1 /boot/efi"]), ("ls -d /sys/firmware/efi", ["efi"]), NIC, CALM], "efi"),
    "lvm-root": Guest(lvm_root, [("lsblk -rno NAME,MOUNTPOINT", ["web--vg-root /", "vda1 /boot"]), ("swapon --noheadings --show=NAME", ["/dev/dm-"]),
                                 NIC, CALM]),
    "btrfs-subvolumes": Guest(btrfs_subvolumes, [("findmnt -no SOURCE,OPTIONS /", ["/dev/vda1[/@rootfs]"]), ("cat /home/note", ["kept"]), NIC, CALM]),
    "xfs-root": Guest(xfs_root, [("findmnt -no SOURCE,FSTYPE /", ["/dev/vda2 xfs"]), ("findmnt -no SOURCE /boot", ["/dev/vda1"]), NIC, CALM]),
    "swap-resume": Guest(swap_resume, [ROOT, SWAP_ON, ("cat /sys/power/resume", ["254:2"]), NIC, CALM]),
    "by-path": Guest(by_path, [ROOT, SWAP_ON, NIC, CALM]),
    "networkd": Guest(networkd, [ROOT, SWAP_ON, NIC, ("networkctl list --no-legend --no-pager", ["ens192"]), CALM]),
    "network-manager": Guest(network_manager, [ROOT, NIC, ("nmcli -t -f DEVICE,STATE device", ["ens192:connected"]), CALM], slots=(None,)),
    "two-nics": Guest(two_nics, [ROOT, NIC, ("ip -br addr show ens224; cat /sys/class/net/ens224/address", ["192.168.61.5/24", SECOND_MAC]), CALM],
                      slots=(None, None)),
    "menu-lst": Guest(menu_lst, [ROOT, SWAP_ON, ("cat /proc/cmdline", ["clocksource=acpi_pm"]), NIC, CALM]),
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


def add_packages(tree: pathlib.Path) -> None:
    """Starts none of their services, and makes no initrd."""
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    environment = {**os.environ, "INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"}
    run("chroot", tree, "apt-get", "update", "-q", env=environment)
    run("chroot", tree, "apt-get", "install", "-q", "-y", "--no-install-recommends", *MORE_PACKAGES, env=environment)
    run("chroot", tree, "apt-get", "clean")
    policy.unlink()
    for name in (tree / "boot").glob("initrd.img-*"):
        name.unlink()
    for name in rootfs.NOT_WANTED:
        shutil.rmtree(tree / name, ignore_errors=True)


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


def trimmed_tar(cache: pathlib.Path) -> pathlib.Path:
    """The tree that all guests begin with."""
    key = hashlib.sha256(repr((rootfs.PACKAGES, MORE_PACKAGES, KEPT_MODULES)).encode()).hexdigest()[:12]
    tar = cache / f"boot-guests-{key}.tar"
    if tar.exists():
        return tar
    with step("boot guests: the tree"), tempfile.TemporaryDirectory(prefix="making-", dir=cache) as work:
        tree, partial = pathlib.Path(work) / "tree", pathlib.Path(work) / "tar"
        tree.mkdir()
        run("tar", "-C", tree, "--numeric-owner", "--xattrs", "-xpf", rootfs.base_tar(cache))
        add_packages(tree)
        kernel = next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        modules = tree / "usr/lib/modules" / kernel / "kernel"
        for path in modules.rglob("*.ko"):
            if not any(str(path.relative_to(modules)).startswith(kept) for kept in KEPT_MODULES):
                path.unlink()
        run("chroot", tree, "depmod", kernel)
        run("tar", "-C", tree, "--numeric-owner", "--xattrs", "-cf", partial, ".")
        partial.rename(tar)
    return tar


def lay(name: str, work: pathlib.Path, cache: pathlib.Path) -> Tree:
    folder = work / "tree"
    folder.mkdir()
    run("tar", "-C", folder, "--numeric-owner", "--xattrs", "-xpf", trimmed_tar(cache))
    folder.chmod(0o755)
    rootfs.lay_files(FILES / "files/common", folder, {"KERNEL": "none"})
    run("chroot", folder, "chpasswd", input=f"root:{PASSWORD}\n")
    tree = Tree(folder, name)
    tree.put("etc/machine-id", "")
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
    makers = [guest.make, Tree, lay, trimmed_tar, mbr_disk, add_root, fish, descriptor, vmx]
    said = "".join(inspect.getsource(maker) for maker in makers) + repr((name, guest.firmware, guest.slots, MORE_PACKAGES, KEPT_MODULES, DISK))
    return hashlib.sha256(said.encode() + (FILES / "rootfs.py").read_bytes()).hexdigest()[:12]


def make(name: str) -> pathlib.Path:
    """The folder of its export."""
    cache = pathlib.Path(os.environ.get("V2VFS_TEST_CACHE") or
                         os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "v2vfs-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"boot-{name}-{digest_of(name)}"
    with open(cache / "boot-guests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            build(name, target, cache)
    return target


if __name__ == "__main__":
    for wanted in sys.argv[1:] or GUESTS:
        print(make(wanted), flush=True)
