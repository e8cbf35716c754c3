# SPDX-License-Identifier: MIT
"""Disks of made-up guests, put together inside an appliance (this host may have no device-mapper, md or btrfs).

    disks = GuestDisks(folder)
    disks.add_made_up("debian12")       # a guest of tests/golden/guests, on the layers that it says
    disks.make()                        # one run of the appliance makes all of them
    disks.owner("/dev/sdc2")            # whose disk that is, where all disks are one machine's

Several guests would be parts of one machine: their UUIDs differ.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
MAKE = PROJECT / "tests" / "golden" / "guests" / "make.py"
sys.path.insert(0, str(MAKE.parent))

import registry_hive  # noqa: E402

DISK_MIB = 420
DIRECT = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg", "LIBGUESTFS_MEMSIZE": "2560"}


def letters(number: int) -> str:
    return (chr(ord("a") + number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def name_disk(number: int, parts: int = 6) -> str:
    """A shell command for the appliance: /tmp/disks/b is the second disk given, /tmp/disks/b1 its first partition.

    libguestfs's own calls translate /dev/sdb; a shell sees what the kernel, which looks for disks side by side, made of it.
    """
    name = letters(number)
    return (f"mkdir -p /tmp/disks; d=`ls /sys/bus/scsi/devices/*:0:{number}:0/block`; ln -s /dev/$d /tmp/disks/{name}; "
            f"for p in {' '.join(map(str, range(1, parts + 1)))}; do ln -s /dev/$d$p /tmp/disks/{name}$p; done")


class GuestDisks:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.disks = []       # (path, whose)
        self.script = []
        self.guests = 0

    def new_disk(self, owner: str) -> str:
        path = self.folder / f"disk{len(self.disks)}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, f"{DISK_MIB}M"], check=True)
        self.disks.append((path, owner))
        return f"/dev/sd{letters(len(self.disks) - 1)}"

    def owner(self, device: str) -> str:
        """By a disk or partition; None for what lies on another layer."""
        for number, (_, owner) in enumerate(self.disks):
            if re.fullmatch(rf"/dev/sd{letters(number)}\d*", device):
                return owner
        return None

    def do(self, *words) -> None:
        self.script.append(" ".join(str(word) for word in words))

    def sh(self, command: str) -> None:
        """In the appliance itself, whose kernel may have found the disks in another order."""
        command = re.sub(r"/dev/sd([a-z]{1,2})(\d*)\b", r"/tmp/disks/\1\2", command)
        self.script.append(f'debug sh "{command}"')

    def partition(self, disk: str, sizes: list, kind: str = "gpt") -> None:
        """sizes in MiB, from the start on; a size of 0 leaves that number out."""
        self.do("part-init", disk, kind)
        start = 2048
        for size in sizes:
            taken = (size or 1) * 2048
            self.do("part-add", disk, "p", start, start + taken - 1)
            start += taken
        for number, size in enumerate(sizes, 1):
            if size == 0:
                self.do("part-del", disk, number)

    def filesystem(self, device: str, kind: str, uuid: str, label: str = "") -> None:
        if kind == "vfat":
            self.sh(f"mkfs.vfat -i {uuid.replace('-', '')[:8]} {device}")
        elif kind == "ntfs":
            self.sh(f"mkfs.ntfs -q -Q -F {device}")
        elif kind == "swap":
            self.sh(f"mkswap -U {uuid} {device}")
        elif kind == "btrfs":
            self.sh(f"mkfs.btrfs -q -f -U {uuid} " + (f"-L {label} " if label else "") + device)
        elif kind == "xfs":
            self.sh(f"mkfs.xfs -q -f -m uuid={uuid} {device}")
        else:
            self.sh(f"mke2fs -q -F -t {kind} -U {uuid} {device}")
            if label:
                self.do("set-label", device, f'"{label}"')

    def fill(self, device: str, tree: pathlib.Path, subvolume: str = "") -> None:
        tar = self.folder / f"tree{len(self.script)}.tar"
        subprocess.run(["tar", "-C", tree, "--numeric-owner", "--owner=0", "--group=0", "-cf", tar, "."], check=True)
        if subvolume:
            self.do("mount-options", f"subvol={subvolume}", device, "/")
        else:
            self.do("mount", device, "/")
        self.do("tar-in", tar, "/")
        self.do("umount-all")

    # A guest of tests/golden/guests, on the partitions, volumes and subvolumes that its says.json names.

    def add_made_up(self, name: str) -> None:
        self.guests += 1
        folder = self.folder / f"guest-{name}"
        subprocess.run([sys.executable, "-B", MAKE, name, folder], check=True)
        shutil.rmtree(folder / "osinfo")
        self.make_unique(folder)
        says = json.loads((folder / "says.json").read_text())
        disk = self.new_disk(name)
        storage = says["storage"]
        parts = {part["number"]: part for part in storage["partitions"]}
        types = {each["name"]: each.get("type") for each in storage["devices"]}
        self.partition(disk, [self.part_mib(types, parts.get(number)) for number in range(1, max(parts, default=0) + 1)],
                       "mbr" if says["registry"] else "gpt")
        self.add_registry(disk, says["registry"], folder)
        names = {}
        for number, part in parts.items():
            names[part["device"]] = f"{disk}{number}"
            if part["gpt_type"]:
                self.do("part-set-gpt-type", disk, number, part["gpt_type"].upper())
            if "-4000-8000-" in part["partuuid"]:
                self.do("part-set-gpt-guid", disk, number, part["partuuid"].upper())
        self.add_volumes(storage, names)
        for device in storage["devices"]:
            if device["kind"] != "disk" and device["type"] != "LVM2_member":
                self.add_device(names.get(device["name"], device["name"]), device, says, folder)

    @staticmethod
    def part_mib(types: dict, part: dict) -> int:
        """mkfs.xfs and mkfs.btrfs refuse less."""
        if part is None:
            return 0
        return 310 if types[part["device"]] == "xfs" else 120

    def add_registry(self, disk: str, hives: dict, folder: pathlib.Path) -> None:
        """Real hives in place of the files that stand for them; drive C: is this disk's first partition."""
        for hive, keys in hives.items():
            for key in keys.values():
                for value in key["values"].values():
                    value["hex"] = value["hex"].replace(struct.pack("<I", 0xdeadbee0).hex(), struct.pack("<I", 0xdeadbe00 + self.guests).hex())
            for root in folder.glob("_dev_*"):
                registry_hive.write(root / hive.lstrip("/"), keys)
        if hives:
            self.sh(f"sfdisk -q --disk-id {disk} {0xdeadbe00 + self.guests:#x}")

    def add_volumes(self, storage: dict, names: dict) -> None:
        members = [each["name"] for each in storage["devices"] if each.get("type") == "LVM2_member"]
        groups = {volume["group"] for volume in storage["volumes"]}
        for group in groups:
            for member in members:
                self.do("pvcreate", names[member])
            self.do("vgcreate", group, '"' + " ".join(names[member] for member in members) + '"')
        for volume in storage["volumes"]:
            self.do("lvcreate", volume["name"], volume["group"], 40)

    def add_device(self, device: str, described: dict, says: dict, folder: pathlib.Path) -> None:
        self.filesystem(device, described["type"], described["uuid"], described.get("label", ""))
        if described["type"] == "swap":
            return
        subvolumes = says["subvolumes"].get(described["name"], [])
        if subvolumes:
            self.do("mount", device, "/")
            for number, each in enumerate(subvolumes, 256):
                parent = pathlib.PurePath(each["path"]).parent
                if parent.parts:
                    self.do("mkdir-p", f"/{parent}")
                self.do("btrfs-subvolume-create", "/" + each["path"])
                if each["is_default"]:
                    self.do("btrfs-subvolume-set-default", number, "/")
            self.do("umount-all")
        for each in says["folders"]:
            if each["device"] == described["name"] and (each["subvolume"] or not subvolumes):
                self.fill(device, folder / each["folder"], each["subvolume"])

    def make_unique(self, folder: pathlib.Path) -> None:
        """The number of the guest in every UUID, wherever it stands."""
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                text = path.read_bytes()
                path.write_bytes(text.replace(b"-0000-4000-8000-", b"-%04x-4000-8000-" % self.guests))

    def make(self) -> None:
        script = self.folder / "make.fish"
        names = "".join(f'debug sh "{name_disk(number)}"\n' for number in range(len(self.disks)))
        script.write_text("run\n" + names + "\n".join(self.script) + "\n")
        disks = [word for path, _ in self.disks for word in ("-a", path)]
        subprocess.run(["guestfish", "--format=qcow2", *disks, "-f", script], check=True, env={**os.environ, **DIRECT},
                       stdout=subprocess.DEVNULL, timeout=1800)
