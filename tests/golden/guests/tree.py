# SPDX-License-Identifier: MIT
"""The parts that made-up guests are put together from: files, kernels, initrds, package databases."""

import bz2
import gzip
import json
import lzma
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import zlib

ELF_MACHINES = {"x86_64": (2, 62), "i386": (1, 3), "aarch64": (2, 183)}
REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ = 1, 2, 3, 4, 7


def elf(arch="x86_64"):
    """The first bytes of a program: enough to tell the machine."""
    width, machine = ELF_MACHINES[arch]
    return b"\x7fELF" + bytes([width, 1, 1]) + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)


def kernel_image(version):
    """A boot image of Linux/x86: the header's magic, and the version where it points to."""
    image = bytearray(0x400)
    image[0x202:0x206] = b"HdrS"
    image[0x20e:0x210] = struct.pack("<H", 0x100)
    text = f"{version} (builder@example.org) #1 SMP\0".encode()
    image[0x300:0x300 + len(text)] = text
    return bytes(image)


def cpio(entries, trailer=True):
    """A newc archive; `entries` is name -> content, None for a folder."""
    archive = b""
    listed = list(entries.items()) + ([("TRAILER!!!", b"")] if trailer else [])
    for number, (name, content) in enumerate(listed, 1):
        mode = 0o40755 if content is None else 0o100644
        data = content or b""
        data = data.encode() if isinstance(data, str) else data
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        archive += header + raw + bytes(-(len(header) + len(raw)) % 4)
        archive += data + bytes(-len(data) % 4)
    return archive


def compressed(data, compression):
    if compression == "none":
        return data
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    if compression == "bzip2":
        return bz2.compress(data)
    if compression == "xz":
        return lzma.compress(data, check=lzma.CHECK_CRC32)
    if compression == "lzma":
        return lzma.compress(data, format=lzma.FORMAT_ALONE)
    tools = {"zstd": ["zstd", "-q", "-c"], "lz4": ["lz4", "-q", "-l", "-c"]}
    return subprocess.run(tools[compression], input=data, stdout=subprocess.PIPE, check=True).stdout


def text_value(text):
    return {"type": REG_SZ, "hex": (text + "\0").encode("utf-16-le").hex()}


def number_value(number):
    return {"type": REG_DWORD, "hex": struct.pack("<I", number).hex()}


def strings_value(strings):
    return {"type": REG_MULTI_SZ,
            "hex": "".join(s + "\0" for s in strings + [""]).encode("utf-16-le").hex()}


def registry_value(value):
    if isinstance(value, int):
        return number_value(value)
    if isinstance(value, list):
        return strings_value(value)
    if isinstance(value, bytes):
        return {"type": REG_BINARY, "hex": value.hex()}
    return text_value(value)


def rpm_header(name, version, release, arch):
    """A package's header as the database holds it: index and data, without a region (rpm's lib/header.c)."""
    string, i18n, number = 6, 9, 4
    entries = [(1000, string, name), (1001, string, version), (1002, string, release), (1004, i18n, name),
               (1008, number, 1500000000), (1009, number, 1), (1014, string, "MIT"), (1021, string, "linux"),
               (1022, string, arch),
               (1044, string, f"{name}.src.rpm")]
    index, data = b"", b""
    for tag, kind, value in entries:
        if kind == number:
            data += bytes(-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += struct.pack(">I", value) if kind == number else value.encode() + b"\0"
    return struct.pack(">II", len(entries), len(data)) + index + data


def rpm_settings(folder, database, name):
    """The two files without which librpm knows no place of a database (libguestfs asks it inside the guest's tree)."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = {"Packages": "bdb", "rpmdb.sqlite": "sqlite"}[name]
    (folder / "macros").write_text(f"%_dbpath /{database}\n%_db_backend {backend}\n")
    (folder / "rpmrc").write_text("arch_canon: x86_64: x86_64 1\n")


RPM_INDEXES = ("Name", "Basenames", "Group", "Requirename", "Providename", "Conflictname", "Obsoletename", "Triggername",
               "Dirnames", "Installtid", "Sigmd5", "Sha1header", "Filetriggername", "Transfiletriggername",
               "Recommendname", "Suggestname", "Supplementname", "Enhancename")


def rpm_sqlite(path, headers):
    """RHEL 9, Fedora 33 and later: the table Packages of rpmdb.sqlite."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    for index in RPM_INDEXES:
        kind = "BLOB" if index in ("Sigmd5", "Installtid") else "TEXT"
        database.execute(f"CREATE TABLE '{index}' (key {kind} NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, "
                         "FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))")
    for number, (name, header) in enumerate(headers, 1):
        database.execute("INSERT INTO Packages VALUES (?, ?)", (number, header))
        database.execute("INSERT INTO Name VALUES (?, ?, 0)", (name, number))
    database.commit()
    database.close()


def rpm_berkeley(path, headers):
    """RHEL up to 8: a hash of number -> header; number 0 holds the next one. Little-endian, by db5.3_load."""
    records = [(struct.pack("<I", 0), struct.pack("<I", len(headers)))]
    records += [(struct.pack("<I", number), header) for number, (_, header) in enumerate(headers, 1)]
    berkeley_hash(path, records)
    berkeley_hash(path.with_name(RPM_INDEXES[0]), [])
    for index in RPM_INDEXES[1:]:  # librpm asks that all are there
        shutil.copy(path.with_name(RPM_INDEXES[0]), path.with_name(index))


def berkeley_hash(path, records):
    dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n"
    dump += "".join(f" {key.hex()}\n {value.hex()}\n" for key, value in records)
    path.unlink(missing_ok=True)
    subprocess.run(["db5.3_load", path], input=(dump + "DATA=END\n").encode(), check=True)


def rpm_ndb(path, headers):
    """SUSE from 15 on: pages of slots, then the headers with a head and a checksummed tail (rpm's lib/backend/ndb/rpmpkg.c)."""
    block, slot_pages = 16, 1
    slots = [(0, 0, 0)] * (slot_pages * 4096 // 16 - 2)
    blobs = b""
    start = slot_pages * 4096 // block
    for number, (_, header) in enumerate(headers, 1):
        head = struct.pack("<4sIII", b"BlbS", number, 1, len(header))
        body = head + header + bytes(-(len(head) + len(header) + 12) % block)
        tail = struct.pack("<II4s", zlib.adler32(body), len(header), b"BlbE")
        stored = body + tail
        slots[number - 1] = (number, start + len(blobs) // block, len(stored) // block)
        blobs += stored
    head = struct.pack("<4sIIII", b"RpmP", 0, 1, slot_pages, len(headers) + 1)
    table = b"".join(struct.pack("<4sIII", b"Slot", *slot) for slot in slots)
    path.write_bytes(head.ljust(32, b"\0") + table + blobs)


class Guest:
    """A folder for each filesystem, and says.json with what no folder can say."""

    def __init__(self, folder, filesystem="ext4"):
        self.folder = pathlib.Path(folder)
        self.devices = []
        self.partitions = []
        self.tables = []
        self.volumes = []
        self.folders = {}
        self.subvolumes = {}
        self.rpm = []
        self.registry = {}
        self.nics = []
        self.firmware = "bios"
        self.disk("/dev/sda")
        self.root = self.partition("/dev/sda1", filesystem)

    def disk(self, name, kind="msdos"):
        self.devices.append({"name": name, "kind": "disk", "bytes": 10 << 30})
        self.tables.append({"disk": name, "index": len(self.tables), "kind": kind,
                            "disk_id": f"{0xdeadbee0 + len(self.tables):08x}"})

    def device(self, name, filesystem, kind, below, **more):
        number = len(self.devices)
        # A UUID that tells its device in the golden files.
        uuid = more.pop("uuid", f"{number:08x}-0000-4000-8000-{number:012x}")
        self.devices.append({"name": name, "kind": kind, "below": below, "bytes": 1 << 30,
                             "type": filesystem, "uuid": uuid, **more})
        path = self.folder / name.replace("/", "_")
        path.mkdir(parents=True)
        self.folders[(name, "")] = path
        return name

    def partition(self, name, filesystem, gpt_type="", partuuid="", partlabel="", **more):
        disk = name.rstrip("0123456789")
        number = int(name[len(disk):])
        self.partitions.append({"device": name, "disk": disk, "number": number,
                                "start_bytes": number << 20, "bytes": 1 << 30,
                                "gpt_type": gpt_type, "partlabel": partlabel,
                                "partuuid": partuuid or f"deadbee0-{number:02x}"})
        return self.device(name, filesystem, "partition", [disk], **more)

    def volume(self, group, name, filesystem):
        device = f"/dev/{group}/{name}"
        self.volumes.append({"device": device, "group": group, "name": name,
                             "uuid": f"{group}-{name}-uuid"})
        return self.device(device, filesystem, "logical_volume", ["/dev/sda2"])

    def subvolume(self, device, number, path, default=False, snapshot=False, parent=5):
        self.subvolumes.setdefault(device, []).append(
            {"id": number, "path": path, "is_default": default, "is_snapshot": snapshot,
             "parent_id": parent})
        folder = self.folder / (device.replace("/", "_") + "@" + path.replace("/", "_"))
        folder.mkdir(parents=True)
        self.folders[(device, path)] = folder
        if default:
            self.folders[(device, "")] = folder
        return folder

    def uuid(self, device):
        return next(each["uuid"] for each in self.devices if each["name"] == device)

    def put(self, path, content="", on=None, subvolume=""):
        target = self.folders[(on or self.root, subvolume)] / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())

    def make_folder(self, path, on=None, subvolume=""):
        (self.folders[(on or self.root, subvolume)] / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def link(self, path, target, on=None):
        link = self.folders[(on or self.root, "")] / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def base(self, release, hostname, arch="x86_64", fstab="", passwd=True):
        """What every Linux has; `release` is path -> text."""
        for path, text in release.items():
            self.put(path, text)
        if passwd:
            self.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        self.put("/etc/hostname", hostname + "\n")
        self.put("/etc/fstab", fstab or f"UUID={self.uuid(self.root)} / ext4 defaults 0 1\n")
        self.put("/bin/bash", elf(arch))

    def kernel(self, version, boot=None, prefix="/boot", image="vmlinuz-{}", modules=(), builtin=(),
               config=None, modules_root="/lib/modules"):
        on = {"on": boot} if boot else {}
        self.put(f"{prefix}/{image.format(version)}", kernel_image(version), **on)
        folder = f"{modules_root}/{version}"
        self.put(f"{folder}/modules.dep", "".join(f"kernel/{each}:\n" for each in modules))
        self.put(f"{folder}/modules.builtin", "".join(f"kernel/{each}\n" for each in builtin))
        if config is not None:
            self.put(f"{prefix}/config-{version}", config, **on)

    def initrd(self, path, files, compression, version="", modules=(), early=None, boot=None,
               modules_root="usr/lib/modules"):
        on = {"on": boot} if boot else {}
        entries = dict(files)
        for each in modules:
            entries[f"{modules_root}/{version}/kernel/{each}"] = elf()
        image = b""
        if early:
            image = cpio(early)
            image += bytes(-len(image) % 512)
        self.put(path, image + compressed(cpio(entries), compression), **on)

    def packages(self, *listed):
        """RPMs: (name, version, release)."""
        for name, version, release in listed:
            self.rpm.append({"name": name, "version": version, "release": release, "arch": "x86_64"})

    def write_rpm_database(self):
        """Over the empty file that stands for it, in the format that its name says."""
        headers = [(each["name"], rpm_header(each["name"], each["version"], each["release"], each["arch"]))
                   for each in self.rpm]
        writers = {"Packages": rpm_berkeley, "Packages.db": rpm_ndb, "rpmdb.sqlite": rpm_sqlite}
        for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm"):
            for name, writer in writers.items():
                for root in self.folders.values():
                    path = root / folder / name
                    if path.exists():
                        path.unlink()
                        writer(path, headers)
                        if name != "Packages.db":  # Debian's librpm reads none of those
                            rpm_settings(root / "usr/lib/rpm", folder, name)

    def nic(self, mac, pci_slot=None):
        """A card of the machine as its source describes it."""
        self.nics.append({"mac": mac, "pci_slot": pci_slot})

    def key(self, hive, path, values=None, keys=()):
        self.registry.setdefault(hive, {})[path] = {
            "keys": list(keys),
            "values": {name: registry_value(value) for name, value in (values or {}).items()}}

    def write(self):
        self.write_rpm_database()
        says = {"storage": {"devices": self.devices, "tables": self.tables,
                            "partitions": self.partitions, "volumes": self.volumes},
                "folders": [{"device": device, "subvolume": subvolume, "folder": folder.name}
                            for (device, subvolume), folder in self.folders.items()],
                "subvolumes": self.subvolumes, "rpm_packages": {self.root: self.rpm},
                "registry": self.registry,
                "machine": {"firmware": self.firmware, "nics": self.nics}}
        (self.folder / "says.json").write_text(json.dumps(says, indent=1))
