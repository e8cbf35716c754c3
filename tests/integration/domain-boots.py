#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every golden domain finds its system: the firmware that the domain names boots the first disk.

Each disk holds nothing but a boot sector and \\EFI\\BOOT\\BOOTX64.EFI that write the disk's number to the
serial line. The number that comes must be the one of the disk with boot order 1. Under Secure Boot the
program, which nobody signed, must be refused. Needs root, libvirt (tests/integration/domain-libvirt.sh
starts it), mkfs.vfat and mcopy. Names of golden files as arguments: those only; --quick: one of each kind.
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree as ET

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "domain"
NAME = f"v2vfs-boots-{os.getpid()}"
QUICK = ["pvscsi-only", "lsisas", "sata-8-disks", "uefi"]  # a controller of each kind, and UEFI
SECONDS = 300  # SMM under TCG, on a busy host


def virsh(*words, check=True):
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *words], capture_output=True, text=True,
                          check=False)
    if check and done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.returncode


def boot_sector(text):
    """16-bit code at 0x7c00: each byte of `text` to port 0x3f8, the serial line, then halt."""
    code = bytes.fromhex("31c0 8ed8 be157c ac 84c0 7406 baf803 ee ebf5 f4 ebfd")
    return (code + text + b"\0").ljust(440, b"\0")


def efi_program(text):
    """A PE32+ file (Microsoft's PE format, EFI application) with the same code for 64 bits."""
    code = bytes.fromhex("488d350f000000 ac 84c0 7407 66baf803 ee ebf4 f4 ebfd") + text + b"\0"
    page = 0x200
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, page, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QII6HIIIIHH", 0x400000, 0x1000, page, *[0] * 6, 0, 0x2000, page, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0x1000, 0x1000, 0x1000, 0x1000, 0, 16) + bytes(16 * 8)
    section = b".text\0\0\0" + struct.pack("<IIIIIIHHI", len(code), 0x1000, page, page, 0, 0, 0, 0,
                                           0xE0000020)
    return (dos + coff + optional + section).ljust(page, b"\0") + code.ljust(page, b"\0")


def make_disk(path, number):
    """A FAT file system on the whole disk, as removable media have it, with a boot sector of ours."""
    text = f"<DISK {number}>\r\n".encode()
    raw = path.with_suffix(".raw")
    program = path.with_suffix(".efi")
    program.write_bytes(efi_program(text))
    with open(raw, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.vfat", "-F", "16", raw], check=True, capture_output=True)
    for folder in ("::/EFI", "::/EFI/BOOT"):
        subprocess.run(["mmd", "-i", raw, folder], check=True)
    subprocess.run(["mcopy", "-i", raw, program, "::/EFI/BOOT/BOOTX64.EFI"], check=True)
    put_boot_sector(raw, boot_sector(text))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
    raw.unlink()
    program.unlink()


def put_boot_sector(raw, code):
    """Behind FAT's own fields, which end at byte 62; a jump leads there."""
    with open(raw, "r+b") as file:
        file.write(b"\xeb\x3c\x90")
        file.seek(62)
        file.write(code.replace(bytes.fromhex("be157c"), bytes.fromhex("be537c"))[:510 - 62])
        file.seek(510)
        file.write(b"\x55\xaa")


def prepare(domain, work, serial):
    """The golden domain with a name, disks and a serial file of this run; where KVM or a network may be
    missing, what every host has. Returns the number of the disk that must boot."""
    domain.set("type", "qemu")
    domain.find("name").text = NAME
    domain.find("uuid").text = str(uuid.uuid4())
    expected = None
    for number, disk in enumerate(domain.findall("devices/disk[@device='disk']"), 1):
        path = work / f"disk-{number}.qcow2"
        disk.find("source").set("file", str(path))
        make_disk(path, number)
        if disk.find("boot").get("order") == "1":
            expected = number
    for nic in domain.findall("devices/interface"):
        nic.set("type", "user")
        for source in nic.findall("source"):
            nic.remove(source)
    line = domain.find("devices/serial")
    line.set("type", "file")
    ET.SubElement(line, "source", path=str(serial))
    return expected


def wait_for(serial, words):
    """What came first of `words`; None after SECONDS."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        text = serial.read_bytes().decode(errors="replace") if serial.exists() else ""
        text = re.sub(r"\r\n?|\n", "", text)  # the firmware's console breaks lines anywhere
        found = [word for word in words if word in text]
        if found:
            return found[0]
        time.sleep(0.2)
    return None


# SEMANTICS: "Under UEFI the disks of the boot disk's controller are on SATA"
def boots(name, work):
    tree = ET.parse(GOLDEN / f"{name}.xml")
    domain = tree.getroot()
    serial = work / "serial.log"
    expected = prepare(domain, work, serial)
    if expected is None:
        return "ok", "no disk"
    tree.write(work / "domain.xml")
    secure = domain.find("os/firmware/feature[@name='secure-boot'][@enabled='yes']") is not None
    wanted = "Access Denied" if secure else f"<DISK {expected}>"
    virsh("define", str(work / "domain.xml"))
    virsh("start", NAME)
    others = [f"<DISK {n}>" for n in range(1, 99)]
    seen = wait_for(serial, [wanted, *others])
    return ("ok" if seen == wanted else "FAIL"), f"wanted {wanted}, saw {seen}"


def check(name):
    work = pathlib.Path(tempfile.mkdtemp(prefix="v2vfs-boots.", dir="/var/tmp"))
    work.chmod(0o755)
    try:
        return boots(name, work)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return "FAIL", str(error)
    finally:
        virsh("destroy", NAME, check=False)
        virsh("undefine", "--nvram", NAME, check=False)
        shutil.rmtree(work, ignore_errors=True)


def main():
    missing = [tool for tool in ("virsh", "qemu-img", "mkfs.vfat", "mcopy") if not shutil.which(tool)]
    if missing:
        print(f"SKIP domain-boots {', '.join(missing)}")
        return 0
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    if not names:
        names = QUICK if "--quick" in sys.argv else sorted(path.stem for path in GOLDEN.glob("*.xml"))
    failed = False
    for name in names:
        start = time.monotonic()
        outcome, detail = check(name)
        if outcome == "ok":
            print(f"PASS domain-boots.{name} {time.monotonic() - start:.1f}", flush=True)
        else:
            print(f"FAIL domain-boots.{name} {detail}", flush=True)
        failed |= outcome != "ok"
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
