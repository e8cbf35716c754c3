# SPDX-License-Identifier: MIT
"""One guest of the boot matrix in the making: its tree of files, and the disks that it goes onto."""
import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "guests"))

import disk_image  # noqa: E402
import rootfs  # noqa: E402
from disk_image import LINUX, MIB, SWAP  # noqa: E402
from guest_disks import DIRECT  # noqa: E402
from steps import run  # noqa: E402

ESP_TYPE, LINUX_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
DISK = 1536 * MIB
CONSOLES = "console=tty0 console=ttyS0,115200n8"


class Tree:
    """The root file system of one guest, to be configured."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.folder, self.name = folder, name

    @property
    def kernel(self) -> str:
        return next((self.folder / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")

    def put(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)

    def grub(self, root: str, options: str = "", prefix: str = "/boot") -> None:
        """grub.cfg in the shape of grub-mkconfig; `prefix`: /boot as GRUB sees it."""
        line = f"root={root} ro {options}{CONSOLES}"
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

    def install(self, *packages) -> None:
        """Starts none of their services, and makes no initrd."""
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        policy = self.folder / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        environment = {**os.environ, "INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"}
        run("chroot", self.folder, "apt-get", "update", "-q", env=environment)
        run("chroot", self.folder, "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, env=environment)
        run("chroot", self.folder, "apt-get", "clean")
        policy.unlink()
        for name in (self.folder / "boot").glob("initrd.img-*"):
            name.unlink()
        for name in rootfs.NOT_WANTED:
            shutil.rmtree(self.folder / name, ignore_errors=True)

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
    options: str = ""             # of the mount; {source}: where its disks lie
    suite: str = rootfs.SUITE


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


def esp_disk(tree: Tree, out: pathlib.Path, files: dict) -> list:
    """A GPT with an EFI system partition and the root; files: where on the first -> what is copied there."""
    disk, esp, esp_bytes = out / f"{tree.name}.raw", out / "esp", 64 * MIB
    with open(disk, "xb") as file:
        file.truncate(DISK)
    run("sfdisk", "-q", disk, input=f"label: gpt\nstart=2048, size={esp_bytes // 512}, type={ESP_TYPE}\ntype={LINUX_TYPE}\n")
    with open(esp, "xb") as file:
        file.truncate(esp_bytes)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-i", "5D0C9001", esp)
    for folder in sorted({str(parent) for name in files for parent in pathlib.PurePath(name).parents} - {"."}):
        run("mmd", "-i", esp, f"::{folder}")
    for name, source in files.items():
        run("mcopy", "-i", esp, source, f"::{name}")
    add_root(disk, tree, MIB + esp_bytes, DISK - esp_bytes - 2 * MIB)
    with open(disk, "r+b") as file:
        file.seek(MIB)
        file.write(esp.read_bytes())
    esp.unlink()
    return [disk]
