# SPDX-License-Identifier: MIT
"""The vApp "shop": two Debian 12 guests as VMware held them, tied to their hardware by name.

web  pvscsi, vmxnet3; its interface is called ens192 by its MAC address
db   LSI Logic SAS, e1000; ens192 is what VMware's slot made of it; /srv is on a second disk
"""
import pathlib
import random
import tempfile

import disk_image
import rootfs
from disk_image import LINUX, MIB, SWAP
from steps import run, step
from vapp import Appliance, Disk, Machine

NAME = "shop"
ROOT_PASSWORD = "v2vfs"
FILES = pathlib.Path(__file__).resolve().parent / "files"

ROOT_START, ROOT_LENGTH = MIB, 1792 * MIB
SWAP_START, SWAP_LENGTH = ROOT_START + ROOT_LENGTH, 255 * MIB
SYSTEM_SIZE = 2048 * MIB
DATA_SIZE = 1024 * MIB
# Incompressible, so that the disk's VMDK is large enough for the benchmarks.
DATA_FILES, DATA_FILE_SIZE = 7, 64 * MIB


def make_system_disk(name: str, number: int, raw: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    disk = raw / f"{name}.raw"
    with step(f"{name}: system disk"), tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as tree:
        tree = pathlib.Path(tree)
        run("tar", "-C", tree, "--numeric-owner", "--xattrs", "-xpf", rootfs.base_tar(cache))
        tree.chmod(0o755)
        boot_code, core = rootfs.configure(tree, [FILES / "common", FILES / name], ROOT_PASSWORD)
        disk_image.make_disk(disk, SYSTEM_SIZE, [(LINUX, ROOT_START, ROOT_LENGTH), (SWAP, SWAP_START, SWAP_LENGTH)],
                             boot_code, core, disk_id=0x51092000 + number)
        disk_image.add_ext4(disk, ROOT_START, ROOT_LENGTH, tree, "", f"5d0c7a10-0000-4000-8000-00000000000{number}")
        disk_image.add_swap(disk, SWAP_START, SWAP_LENGTH, f"5d0c7a20-0000-4000-8000-00000000000{number}")
    return disk


def make_data_disk(raw: pathlib.Path) -> pathlib.Path:
    disk = raw / "db-data.raw"
    with step("db: data disk"), tempfile.TemporaryDirectory(prefix="data-", dir=raw) as tree:
        folder = pathlib.Path(tree) / "orders"
        folder.mkdir()
        source = random.Random(2026)
        for index in range(DATA_FILES):
            (folder / f"segment-{index}").write_bytes(source.randbytes(DATA_FILE_SIZE))
        (folder / "README").write_text("Orders, seven segments. Made by tests/guests; every byte is made up.\n")
        disk_image.make_disk(disk, DATA_SIZE, [(LINUX, MIB, DATA_SIZE - MIB)], disk_id=0x51092010)
        disk_image.add_ext4(disk, MIB, DATA_SIZE - MIB, pathlib.Path(tree), "", "5d0c7a30-0000-4000-8000-000000000000")
    return disk


def make(raw: pathlib.Path, cache: pathlib.Path) -> Appliance:
    web = Machine(name="web", scsi="VirtualSCSI", nic="VmxNet3", mac="00:50:56:8a:11:01", network="Shop floor",
                  memory_mb=512, cpus=2, cores_per_socket=2, annotation="Shows the shop.",
                  disks=[Disk(make_system_disk("web", 1, raw, cache))])
    # One CPU: two would look for db's two disks at the same time, and db knows them as sda and sdb.
    db = Machine(name="db", scsi="lsilogicsas", nic="E1000", mac="00:50:56:8a:11:02", network="Shop floor",
                 memory_mb=512, cpus=1, annotation="Keeps the orders.",
                 disks=[Disk(make_system_disk("db", 2, raw, cache)), Disk(make_data_disk(raw))])
    return Appliance(name=NAME, networks={"Shop floor": "Where web and db meet"}, machines=[db, web],
                     start_delay_s=30, properties={"shop.title": "Corner shop", "shop.currency": "EUR"})
