# SPDX-License-Identifier: MIT
"""The vApp "kiosk": two machines whose small disks have a partition, a file system and files, but no system.

Made in seconds, without debootstrap or root; for quickstart and for tests that do not boot.
"""
import pathlib
import random
import tempfile

import disk_image
from disk_image import LINUX, MIB
from steps import step
from vapp import Appliance, Disk, Machine

NAME = "kiosk"


def make_disk(path: pathlib.Path, size: int, number: int, files: dict) -> pathlib.Path:
    with step(f"kiosk: {path.name}"), tempfile.TemporaryDirectory(prefix="tree-", dir=path.parent) as tree:
        for name, content in files.items():
            file = pathlib.Path(tree) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        disk_image.make_disk(path, size, [(LINUX, MIB, size - MIB)], disk_id=0x51093000 + number)
        disk_image.add_ext4(path, MIB, size - MIB, pathlib.Path(tree), "",
                            f"5d0c7a40-0000-4000-8000-00000000000{number}")
    return path


def make(raw: pathlib.Path, cache: pathlib.Path) -> Appliance:
    del cache
    noise = random.Random(7)
    till = make_disk(raw / "till.raw", 64 * MIB, 1, {
        "etc/hostname": b"till\n",
        "etc/fstab": b"/dev/sda1 / ext4 errors=remount-ro 0 1\n",
        "srv/prices": noise.randbytes(8 * MIB)})
    screen = make_disk(raw / "screen.raw", 48 * MIB, 2, {"etc/hostname": b"screen\n"})
    films = make_disk(raw / "screen-films.raw", 96 * MIB, 3, {"films/short": noise.randbytes(16 * MIB),
                                                              "films/list": b"short\n" * 4000})
    machines = [
        Machine(name="till", scsi="VirtualSCSI", nic="VmxNet3", mac="00:50:56:8a:22:01", network="Street",
                memory_mb=256, cpus=1, annotation="Takes the money.", disks=[Disk(till)]),
        Machine(name="screen", scsi="lsilogicsas", nic="E1000", mac="00:50:56:8a:22:02", network="Street",
                memory_mb=256, cpus=2, cores_per_socket=1, annotation="Shows films.",
                disks=[Disk(screen), Disk(films)]),
    ]
    return Appliance(name=NAME, networks={"Street": "The kiosk's only network"}, machines=machines,
                     start_delay_s=10, properties={"kiosk.city": "Utrecht"})
