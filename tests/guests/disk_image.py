# SPDX-License-Identifier: MIT
"""Raw disk images with an MBR, made without loop devices or mounts, so that they can be made in a container.

GRUB is put in by hand where grub-install would put it: boot.img's code in sector 0, core.img from sector 1 on.
Both have these places as their defaults (boot.S: kernel sector 1; diskboot.S: the rest follows at sector 2).
"""
import pathlib
import struct

from steps import run

SECTOR = 512
MIB = 1 << 20
LINUX, SWAP = 0x83, 0x82


def make_disk(path: pathlib.Path, size: int, partitions: list, boot_code: bytes = b"",
              core: bytes = b"", disk_id: int = 0) -> None:
    """An empty sparse disk with a partition table: [(type, first byte, bytes)], the first one active."""
    entries = b""
    for index, (kind, start, length) in enumerate(partitions):
        entries += struct.pack("<B3sB3sII", 0x80 if index == 0 else 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff",
                               start // SECTOR, length // SECTOR)
    mbr = boot_code[:440].ljust(440, b"\0") + struct.pack("<IH", disk_id, 0) + entries.ljust(64, b"\0") + b"\x55\xaa"
    if SECTOR + len(core) > min(start for _, start, _ in partitions):
        raise ValueError(f"GRUB's core image ({len(core)} bytes) does not fit before the first partition")
    with open(path, "xb") as disk:
        disk.write(mbr + core)
        disk.truncate(size)


def add_ext4(path: pathlib.Path, start: int, length: int, tree: pathlib.Path, label: str, uuid: str) -> None:
    """An ext4 file system with a folder's content, owners and modes, at a place in the disk.

    The two features are left out because Debian 12's GRUB cannot read them.
    """
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-L", label, "-U", uuid,
        "-E", f"offset={start},root_owner=0:0", "-d", tree, path, f"{length // 1024}k")


def add_swap(path: pathlib.Path, start: int, length: int, uuid: str) -> None:
    """A swap area: mkswap writes nothing but the first page."""
    area = path.with_suffix(".swap")
    with open(area, "xb") as file:
        file.truncate(length)
    run("mkswap", "-U", uuid, area)
    with open(area, "rb") as file, open(path, "r+b") as disk:
        disk.seek(start)
        disk.write(file.read(4096))
    area.unlink()


def to_stream_optimized(raw: pathlib.Path, vmdk: pathlib.Path) -> None:
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o",
        "subformat=streamOptimized,adapter_type=lsilogic", raw, vmdk)
