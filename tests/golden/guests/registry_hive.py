# SPDX-License-Identifier: MIT
"""Windows registry hives: a minimal one written here, filled by hivexregedit (libwin-hivex-perl).

The format is that of the "Windows registry file format specification" (regf 1.3): a header of 4 KiB, then bins of
cells. The minimal hive has one bin with the root key and the security descriptor that all its keys share.
"""
import pathlib
import struct
import subprocess

BIN = 4096
NONE = 0xffffffff
ROOT_FLAGS = 0x2c  # the hive's root, not to be deleted, its name in ASCII


def cell(content: bytes) -> bytes:
    """A used cell has a negative size; sizes are multiples of 8."""
    size = -(-(len(content) + 4) // 8) * 8
    return struct.pack("<i", -size) + content.ljust(size - 4, b"\0")


def root_key(name: bytes, security: int) -> bytes:
    head = struct.pack("<2sHQII", b"nk", ROOT_FLAGS, 0, 0, NONE)
    lists = struct.pack("<IIIIIIII", 0, 0, NONE, NONE, 0, NONE, security, NONE)
    return head + lists + struct.pack("<IIIIIHH", 0, 0, 0, 0, 0, len(name), 0) + name


def security_key(own: int) -> bytes:
    """A descriptor that says nothing: self-relative, no owner, no lists."""
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    return struct.pack("<2sHIIII", b"sk", 0, own, own, 1, len(descriptor)) + descriptor


def minimal() -> bytes:
    first = 0x20  # of the bin's cells
    security = first + len(cell(root_key(b"$$$PROTO.HIV", 0)))
    cells = cell(root_key(b"$$$PROTO.HIV", security)) + cell(security_key(security))
    free = BIN - first - len(cells)
    hive_bin = struct.pack("<4sIIQQI", b"hbin", 0, BIN, 0, 0, 0) + cells + struct.pack("<i", free).ljust(free, b"\0")
    header = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, first, BIN, 1)
    header = header.ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", header):
        checksum ^= word
    return (header + struct.pack("<I", checksum)).ljust(BIN, b"\0") + hive_bin


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reg_text(keys: dict) -> str:
    """A .reg file, parents before children; values as their bytes."""
    paths = set()
    for path, key in keys.items():
        for whole in [path] + [f"{path}\\{name}" for name in key["keys"]]:
            parts = whole.split("\\")
            paths |= {"\\".join(parts[:count]) for count in range(1, len(parts) + 1)}
    text = "Windows Registry Editor Version 5.00\n"
    for path in sorted(paths, key=lambda each: (each.count("\\"), each)):
        text += f"\n[HIVE\\{path}]\n"
        for name, value in keys.get(path, {"values": {}})["values"].items():
            content = ",".join(f"{byte:02x}" for byte in bytes.fromhex(value["hex"]))
            text += f"{quoted(name)}=hex({value['type']:x}):{content}\n"
    return text


def write(path: pathlib.Path, keys: dict) -> None:
    """`keys` as Guest.key() of tree.py has them: path -> {"keys": [name], "values": {name: {"type", "hex"}}}."""
    path.write_bytes(minimal())
    registry = path.with_suffix(".reg")
    registry.write_text(reg_text(keys))
    done = subprocess.run(["hivexregedit", "--merge", "--prefix", "HIVE", path, registry], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    registry.unlink()
    if done.returncode != 0:
        raise RuntimeError(f"hivexregedit: {done.stdout[-500:]}")
