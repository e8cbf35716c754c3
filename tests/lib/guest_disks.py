# SPDX-License-Identifier: MIT
"""Disks of made-up guests, put together inside an appliance (this host may have no device-mapper, md or btrfs).

    disks = GuestDisks(folder)
    disks.add_made_up("debian12")       # a guest of tests/golden/guests, on the layers that it says
    disks.add_layout("luks-lvm")        # a small Debian on layers of our own
    disks.make()                        # one run of the appliance makes all of them
    disks.owner("/dev/sdc2")            # whose disk that is, where all disks are one machine's

All guests are parts of one machine, so that one start of an appliance inspects them all: their UUIDs differ.
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
KEY = "open sesame"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
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
        self.luks = []        # UUIDs
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
        """sizes in MiB, from the start on."""
        self.do("part-init", disk, kind)
        start = 2048
        for size in sizes:
            self.do("part-add", disk, "p", start, start + size * 2048 - 1)
            start += size * 2048

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
        parts = sorted(storage["partitions"], key=lambda part: part["number"])
        types = {each["name"]: each.get("type") for each in storage["devices"]}
        # mkfs.xfs and mkfs.btrfs refuse less.
        self.partition(disk, [310 if types[part["device"]] == "xfs" else 120 for part in parts],
                       "mbr" if says["registry"] else "gpt")
        self.add_registry(disk, says["registry"], folder)
        names = {}
        for number, part in enumerate(parts, 1):
            names[part["device"]] = f"{disk}{number}"
            if part["gpt_type"]:
                self.do("part-set-gpt-type", disk, number, part["gpt_type"].upper())
            if "-4000-8000-" in part["partuuid"]:
                self.do("part-set-gpt-guid", disk, number, part["partuuid"].upper())
        self.add_volumes(storage, names)
        for device in storage["devices"]:
            if device["kind"] != "disk" and device["type"] != "LVM2_member":
                self.add_device(names.get(device["name"], device["name"]), device, says, folder)

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

    # A small Debian on layers of our own.

    def tree(self, name: str, fstab: str, files: dict = None) -> pathlib.Path:
        tree = self.folder / f"tree-{name}"
        for path, text in {"etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
                           "etc/debian_version": "12.5\n", "etc/hostname": name + "\n", "etc/fstab": fstab,
                           "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
                           "var/lib/dpkg/status": "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\n"
                                                  "Version: 1.21.22\n\n", **(files or {})}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        for path in ("boot/efi", "home", "bin", "srv"):
            (tree / path).mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", tree / "bin" / "ls")
        return tree

    def uuid(self, number: int) -> str:
        return f"{number:08x}-{0xa000 + self.guests:04x}-4000-8000-{number:012x}"

    def boot_tree(self) -> pathlib.Path:
        tree = self.folder / "tree-boot"
        (tree / "grub").mkdir(parents=True, exist_ok=True)
        (tree / "grub" / "grub.cfg").write_text("menuentry x {\n linux /vmlinuz-6.1.0-1-amd64 ro\n}\n")
        (tree / "vmlinuz-6.1.0-1-amd64").write_text("not a kernel")
        return tree

    def add_layout(self, name: str) -> None:
        self.guests += 1
        getattr(self, "layout_" + name.replace("-", "_"))(name)

    def layout_lvm(self, name: str) -> None:
        disk = self.new_disk(name)
        self.partition(disk, [60, 300], "mbr")
        self.do("pvcreate", disk + "2")
        self.do("vgcreate", "vg-l", disk + "2")
        for volume in ("root", "home"):
            self.do("lvcreate", volume, "vg-l", 100)
            self.filesystem(f"/dev/vg-l/{volume}", "ext4", self.uuid(2 if volume == "root" else 3))
        self.filesystem(disk + "1", "ext4", self.uuid(1))
        self.fill("/dev/vg-l/root", self.tree(name, f"/dev/mapper/vg--l-root / ext4 defaults 0 1\nUUID={self.uuid(1)} /boot "
                                              "ext4 defaults 0 2\n/dev/vg-l/home /home ext4 defaults 0 2\n"))
        self.fill(disk + "1", self.boot_tree())

    def layout_luks_lvm(self, name: str) -> None:
        disk = self.new_disk(name)
        self.partition(disk, [60, 300])
        self.luks_container(disk + "2", "pbkdf2 --pbkdf-force-iterations 1000", "made-lvm")
        self.do("pvcreate", "/dev/mapper/made-lvm")
        self.do("vgcreate", "vgluks", "/dev/mapper/made-lvm")
        self.do("lvcreate", "root", "vgluks", 100)
        self.filesystem("/dev/vgluks/root", "ext4", self.uuid(2))
        self.filesystem(disk + "1", "ext4", self.uuid(1))
        self.fill("/dev/vgluks/root", self.tree(
            name, f"/dev/mapper/vgluks-root / ext4 defaults 0 1\nUUID={self.uuid(1)} /boot ext4 defaults 0 2\n",
            {"etc/crypttab": f"sda2_crypt UUID={self.luks[-1]} none luks\n"}))
        self.fill(disk + "1", self.boot_tree())
        self.do("vg-activate", "false", "vgluks")
        self.do("cryptsetup-close", "/dev/mapper/made-lvm")

    def layout_luks_argon2id(self, name: str) -> None:
        disk = self.new_disk(name)
        self.partition(disk, [300])
        self.luks_container(disk + "1", "argon2id", "made-argon")
        self.filesystem("/dev/mapper/made-argon", "ext4", self.uuid(1))
        self.fill("/dev/mapper/made-argon", self.tree(
            name, "/dev/mapper/root_crypt / ext4 defaults 0 1\n",
            {"etc/crypttab": f"root_crypt UUID={self.luks[-1]} none luks\n"}))
        self.do("cryptsetup-close", "/dev/mapper/made-argon")

    def luks_container(self, device: str, pbkdf: str, mapping: str) -> None:
        uuid = self.uuid(0xc + len(self.luks))
        self.luks.append(uuid)
        self.sh(f"echo -n {KEY.replace(' ', '_')} > /tmp/key; cryptsetup luksFormat --batch-mode --type luks2 --uuid {uuid} "
                f"--pbkdf {pbkdf} {device} /tmp/key; cryptsetup open --key-file /tmp/key {device} {mapping}")

    def layout_btrfs(self, name: str) -> None:
        disk = self.new_disk(name)
        self.partition(disk, [350])
        self.filesystem(disk + "1", "btrfs", self.uuid(1))
        self.do("mount", disk + "1", "/")
        for subvolume in ("@", "@home"):
            self.do("btrfs-subvolume-create", "/" + subvolume)
        self.do("umount-all")
        self.fill(disk + "1", self.tree(name, f"UUID={self.uuid(1)} / btrfs subvol=@ 0 0\n"
                                        f"UUID={self.uuid(1)} /home btrfs subvol=@home 0 0\n"), "@")
        self.do("mount", disk + "1", "/")
        self.do("btrfs-subvolume-snapshot", "/@", "/@before-upgrade")
        self.do("umount-all")

    def layout_xfs_gpt(self, name: str) -> None:
        disk = self.new_disk(name)
        self.partition(disk, [40, 40, 310])
        self.do("part-set-gpt-type", disk, 1, ESP_TYPE)
        for number in (1, 2, 3):
            self.do("part-set-gpt-guid", disk, number, self.uuid(16 + number).upper())
        self.filesystem(disk + "1", "vfat", "ABCD-0001")
        self.filesystem(disk + "2", "ext4", self.uuid(2))
        self.filesystem(disk + "3", "xfs", self.uuid(3))
        self.fill(disk + "3", self.tree(name, f"UUID={self.uuid(3)} / xfs defaults 0 1\n"
                                        f"PARTUUID={self.uuid(16 + 2)} /boot ext4 defaults 0 2\n"
                                        f"/dev/disk/by-uuid/ABCD-0001 /boot/efi vfat umask=077 0 2\n"))
        boot = self.boot_tree()
        (boot / "efi").mkdir(exist_ok=True)
        self.fill(disk + "2", boot)

    def layout_md(self, name: str) -> None:
        first, second = self.new_disk(name), self.new_disk(name)
        for disk in (first, second):
            self.partition(disk, [200])
        md = f"{0xaabbccdd:08x}:11223344:55667788:{self.guests:08x}"
        self.sh(f"mdadm --create /dev/md/made --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean --uuid={md} "
                f"{first}1 {second}1")
        self.sh("udevadm settle")
        self.filesystem("/dev/md/made", "ext4", self.uuid(1))
        self.fill("/dev/md/made", self.tree(name, "/dev/md0 / ext4 defaults 0 1\n", {
            "etc/mdadm/mdadm.conf": f"ARRAY /dev/md0 metadata=1.2 UUID={md} name=x:0\n"}))
        self.sh("mdadm --stop /dev/md/made")

    def make(self) -> None:
        script = self.folder / "make.fish"
        names = "".join(f'debug sh "{name_disk(number)}"\n' for number in range(len(self.disks)))
        script.write_text("run\n" + names + "\n".join(self.script) + "\n")
        disks = [word for path, _ in self.disks for word in ("-a", path)]
        subprocess.run(["guestfish", "--format=qcow2", *disks, "-f", script], check=True, env={**os.environ, **DIRECT},
                       stdout=subprocess.DEVNULL, timeout=1800)
