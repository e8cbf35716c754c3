# SPDX-License-Identifier: MIT
"""Guests of the boot matrix: where their root lies, how their files call it, and their network."""
import pathlib
import shutil

import disk_image
from boot_tree import DISK, Tree, esp_disk, fish, mbr_disk, uuid
from disk_image import LINUX, MIB
from steps import run

ADDRESS = "192.168.60.5/24"
LVM = 0x8e

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
    return esp_disk(tree, out, {"EFI/debian/grubx64.efi": tree.folder / "tmp/grubx64.efi"})


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
