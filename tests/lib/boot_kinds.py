# SPDX-License-Identifier: MIT
"""Guests of the boot matrix: what made their initrd, what starts their kernel, and how old they are."""
import pathlib

from boot_layouts import FSTAB_SDA
from boot_tree import CONSOLES, DISK, Tree, esp_disk, fish, mbr_disk
import disk_image
from disk_image import LINUX, MIB
from guest_disks import name_disk
from steps import run

GRUB = ("(hd0,msdos1)/boot/grub", "ext2")


def lay_sda(tree: Tree) -> None:
    """What all of these have in common."""
    tree.put("etc/fstab", FSTAB_SDA)
    tree.grub("/dev/sda1")
    tree.interfaces("ens192")


def plain(tree: Tree, out: pathlib.Path) -> list:
    lay_sda(tree)
    tree.initramfs()
    return mbr_disk(tree, out, tree.core(*GRUB))


def virtio_there(tree: Tree, out: pathlib.Path) -> list:
    """Nothing is lacking in its initrd, whose udev names the network card before the root's does."""
    lay_sda(tree)
    tree.initramfs("virtio_pci", "virtio_blk", "virtio_net")
    return mbr_disk(tree, out, tree.core(*GRUB))


def luks_root(tree: Tree, out: pathlib.Path) -> list:
    """The key is in the initrd, and crypttab names the container by its place on the old controller."""
    key = "open_sesame"
    tree.put("etc/keys/root.key", key)
    (tree.folder / "etc/keys/root.key").chmod(0o600)
    tree.put("etc/cryptsetup-initramfs/conf-hook", "KEYFILE_PATTERN=\"/etc/keys/*.key\"\n")
    tree.put("etc/crypttab", "root_crypt /dev/sda2 /etc/keys/root.key luks,initramfs\n")
    tree.put("etc/fstab", "/dev/mapper/root_crypt / ext4 errors=remount-ro 0 1\n/dev/sda1 /boot ext2 defaults 0 2\n")
    tree.grub("/dev/mapper/root_crypt", prefix="")
    tree.interfaces("ens192")
    tree.initramfs("dm_crypt", "algif_skcipher", "xts", "aesni_intel", "sha256_generic")
    boot = tree.core("(hd0,msdos1)/grub", "ext2")
    disk = out / f"{tree.name}.raw"
    disk_image.make_disk(disk, DISK, [(LINUX, MIB, 150 * MIB), (LINUX, 151 * MIB, DISK - 152 * MIB)], *boot, disk_id=0x51094005)
    tar = tree.tar(out / "tar")
    fish([disk], f"""debug sh "{name_disk(0)}"
mkfs ext2 /dev/sda1
debug sh "printf {key} > /tmp/key"
debug sh "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /tmp/disks/a2 /tmp/key"
debug sh "cryptsetup open --key-file /tmp/key /tmp/disks/a2 root_crypt"
mkfs ext4 /dev/mapper/root_crypt
mount /dev/mapper/root_crypt /
mkdir /boot
mount /dev/sda1 /boot
tar-in {tar} /
umount-all
luks-close /dev/mapper/root_crypt""")
    tar.unlink()
    (out / "key").write_text(key)
    return [disk]


def lz4(tree: Tree, out: pathlib.Path) -> list:
    """What follows an lz4 image is taken for more of it."""
    lay_sda(tree)
    tree.install("lz4")
    config = tree.folder / "etc/initramfs-tools/initramfs.conf"
    config.write_text(config.read_text().replace("COMPRESS=zstd", "COMPRESS=lz4"))
    tree.initramfs()
    return mbr_disk(tree, out, tree.core(*GRUB))


def dracut(tree: Tree, out: pathlib.Path) -> list:
    """It replaces initramfs-tools; systemd and its udev start the root."""
    lay_sda(tree)
    tree.install("dracut", "zstd")
    tree.put("etc/dracut.conf.d/disks.conf", "hostonly=no\nadd_drivers+=\" vmw_pvscsi sd_mod \"\n")
    virtio = "virtio virtio_ring virtio_pci virtio_blk virtio_scsi virtio_net virtio_pci_modern_dev virtio_pci_legacy_dev"
    run("chroot", tree.folder, "dracut", "--force", "--zstd", "--omit-drivers", virtio, f"/boot/initrd.img-{tree.kernel}", tree.kernel)
    return mbr_disk(tree, out, tree.core(*GRUB))


def xz_modules(tree: Tree, out: pathlib.Path) -> list:
    """initramfs-tools decompresses them, so that the guest's index is not its image's."""
    lay_sda(tree)
    files = sorted((tree.folder / "usr/lib/modules" / tree.kernel).rglob("*.ko"))
    for start in range(0, len(files), 200):
        run("xz", "-1", "-T1", "--check=crc32", *files[start:start + 200])
    run("chroot", tree.folder, "depmod", tree.kernel)
    tree.initramfs()
    return mbr_disk(tree, out, tree.core(*GRUB))


def systemd_boot(tree: Tree, out: pathlib.Path) -> list:
    """Kernel and initrd lie on the EFI system partition; the loader where the old machine's NVRAM had it."""
    tree.put("etc/fstab", "/dev/sda2 / ext4 errors=remount-ro 0 1\n/dev/sda1 /boot/efi vfat umask=0077 0 1\n")
    tree.install("systemd-boot")
    (tree.folder / "boot/efi").mkdir(exist_ok=True)
    (tree.folder / "boot/grub/grub.cfg").unlink()
    tree.interfaces("ens192")
    options = f"root=/dev/sda2 ro {CONSOLES}"
    tree.put("etc/kernel/cmdline", options + "\n")
    tree.initramfs("vfat", "nls_cp437", "nls_ascii")
    folder, kernel = f"debian/{tree.kernel}", f"vmlinuz-{tree.kernel}"
    tree.put("etc/kernel/entry-token", "debian\n")
    tree.put("tmp/loader.conf", "timeout 1\n")
    tree.put("tmp/entry.conf", f"title Debian GNU/Linux 12\nversion {tree.kernel}\noptions {options}\nlinux /{folder}/linux\n"
             f"initrd /{folder}/initrd.img-{tree.kernel}\n")
    return esp_disk(tree, out, {"EFI/systemd/systemd-bootx64.efi": tree.folder / "usr/lib/systemd/boot/efi/systemd-bootx64.efi",
                                "loader/loader.conf": tree.folder / "tmp/loader.conf",
                                f"loader/entries/debian-{tree.kernel}.conf": tree.folder / "tmp/entry.conf",
                                f"{folder}/linux": tree.folder / "boot" / kernel,
                                f"{folder}/initrd.img-{tree.kernel}": tree.folder / f"boot/initrd.img-{tree.kernel}"})
