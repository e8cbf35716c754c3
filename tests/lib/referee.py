# SPDX-License-Identifier: MIT
"""What inspection.xml says against what virt-inspector says of the same disks, field by field.

    referee.judge("md", ours, disks, "raw", "--key=...")     # ours: <operatingsystems>
"""
import functools
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ET

from guest_disks import DIRECT


@functools.cache
def osinfo_names() -> set:
    texts = (path.read_text() for path in pathlib.Path("/usr/share/osinfo/os").rglob("*.xml"))
    return {name for text in texts for name in re.findall("<short-id>(.*?)</short-id>", text)}


FSTAB = ("a name that fstab may have and libguestfs does not resolve: PARTUUID=, subvolid=, a label with \\040, by-path, and "
         "those of crypttab and mdadm.conf")
DRIVE = "fstab's /dev/hdc is a CD drive; libguestfs takes it for the third disk"
KERNEL = "of UUID= libguestfs gives the name in its appliance's kernel, which now and then finds the appliance's own disk first"
SNAPSHOT = "libguestfs takes a snapshot of a system for another one"
PRETTY = "os-release has PRETTY_NAME; virt-inspector gives a line of debian_version or of a release file"
OSINFO = "osinfo-db has it, or has it with point releases; virt-inspector puts its own words for distro and version together"
MINT = "os-release has ID=linuxmint and VERSION_ID; virt-inspector gives the Ubuntu that Mint is made from"
AMAZON = "libguestfs does not know Amazon Linux"
WINDOWS = "the build number says Windows 11 or Server 2025, the registry's ProductName still the one before"
NDB = "Debian's librpm does not read SUSE's databases (Packages.db)"
# Where virt-inspector 1.48 is wrong: guests, field, (ours, theirs) -> whether that is it, and why. What
# `virt-inspector -a DISK` prints is theirs; the guest's file says otherwise.
EXPLAINED = [
    ("debian12", r"filesystem /dev/disk/by-path/.*|mountpoint /srv", lambda a, b: not a, FSTAB),
    ("luks-argon2id", r"(filesystem /dev/mapper/|mountpoint /).*", lambda a, b: "sda2_crypt" not in a, FSTAB),
    ("md", r"filesystem /dev/md(0|127)|mountpoint /", lambda a, b: a != "/dev/md0", FSTAB),
    ("gpt-esp|arch", r"filesystem /dev/sda2|mountpoint /", lambda a, b: not b, FSTAB),
    ("fedora37", r"filesystem (/dev/sda2|btrfsvol:/dev/sda3/home)|mountpoint /boot", lambda a, b: not b, FSTAB),
    ("fedora37", r"filesystem /dev/sda3|mountpoint /home", lambda a, b: "btrfsvol:" not in b, FSTAB),
    ("rhel5", "filesystem /dev/sdc|mountpoint /media", lambda a, b: not a, DRIVE),
    ("sles15", "filesystem btrfsvol:/dev/sd[ab]1/@/home", lambda a, b: not a or not b, KERNEL),
    ("sles15", "mountpoint /home", lambda a, b: a.replace("/sda1", "/sdb1") == b, KERNEL),
    ("btrfs|fedora37", "root", lambda a, b: not a, SNAPSHOT),
    (".*", "product_name", lambda a, b: a.startswith("Debian GNU/Linux") and b[:1].isdigit(), PRETTY),
    (".*", "product_name", lambda a, b: a == b.replace(" release ", " "), PRETTY),
    ("sles15", "osinfo", lambda a, b: a.replace("sle15", "sles15") == b, OSINFO),
    ("rocky8", "osinfo", lambda a, b: a.startswith(b + "."), OSINFO),
    (".*", "osinfo", lambda a, b: a in osinfo_names() and b not in osinfo_names(), OSINFO),
    ("mint21", "distro|osinfo|m(aj|in)or_version", lambda a, b: True, MINT),
    ("win11|win2025", "osinfo|product_name", lambda a, b: re.search("11|2025|2k25", a), WINDOWS),
    ("amazon2023", "osinfo|package_.*|application .*", lambda a, b: not b, AMAZON),
    ("sles15|opensuse154|tumbleweed", "application .*", lambda a, b: not b, NDB),
]
# Guests of which virt-inspector says nothing, each as the installers make it: what it prints. With --no-applications, when
# it mounts nothing, it does.
REFUSED = {
    "luks-argon2id": "mount_ro_stub: /dev/mapper/sda2_crypt: No such file or directory",
    "gpt-esp": "you must call 'mount' first to mount the root filesystem",
    "arch": "you must call 'mount' first to mount the root filesystem",
    "md": "mount_ro_stub: /dev/md0: No such file or directory",
}
BY_UUID = "/dev/disk/by-uuid/"  # fstab's name, which virt-inspector gives as it stands there


class Refused(Exception):
    """virt-inspector gave no answer; what it printed."""


def virt_inspector(disks: list, kind: str, *options) -> ET.Element:
    words = [str(word) for disk in disks for word in ("-a", disk)]
    done = subprocess.run(["virt-inspector", "--no-icon", f"--format={kind}", *words, *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, **DIRECT}, timeout=1800)
    if done.returncode != 0:
        raise Refused(done.stderr.decode(errors="replace").strip())
    print(done.stderr.decode(errors="replace"), end="", flush=True)
    return ET.fromstring(done.stdout)


def fields(system: ET.Element) -> dict:
    """Every text that is there, by a name of its own."""
    found = {each.tag: each.text for each in system if len(each) == 0 and each.text and each.tag != "root"}
    for point in system.iterfind("mountpoints/mountpoint"):
        found["mountpoint " + point.text] = point.get("dev")
    for each in system.iterfind("filesystems/filesystem"):
        found["filesystem " + each.get("dev")] = tuple(each.findtext(key) for key in ("type", "label", "uuid"))
    for each in system.iterfind("drive_mappings/drive_mapping"):
        found["drive " + each.get("name")] = each.text
    for each in system.iterfind("applications/application"):
        texts = tuple((part.tag, part.text) for part in each if part.tag != "name")
        found.setdefault("application " + each.findtext("name"), []).append(texts)
    return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}


def systems(top: ET.Element) -> dict:
    return {system.findtext("root"): fields(system) for system in top.iterfind("operatingsystem")}


def is_explained(guest: str, field: str, mine, other) -> bool:
    return any(re.fullmatch(guests, guest) and re.fullmatch(known, field) and fits(mine or "", other or "")
               for guests, known, fits, _ in EXPLAINED)


def without_applications(top: ET.Element) -> ET.Element:
    for system in top.iterfind("operatingsystem"):
        for applications in system.findall("applications"):
            system.remove(applications)
    return top


def judge(name: str, mine: ET.Element, disks: list, kind: str, *options) -> None:
    try:
        other = virt_inspector(disks, kind, *options)
    except Refused as error:
        print(f"    virt-inspector gives nothing: {error}", flush=True)
        if name not in REFUSED or REFUSED[name] not in str(error):
            raise
        mine, other = without_applications(mine), virt_inspector(disks, kind, "--no-applications", *options)
    keep(name, mine, other)
    compare(name, mine, other)


def keep(name: str, mine: ET.Element, other: ET.Element) -> None:
    if "V2VFS_KEEP" in os.environ:
        for whose, tree in (("ours", mine), ("theirs", other)):
            ET.ElementTree(tree).write(f"{os.environ['V2VFS_KEEP']}/{name}-{whose}.xml")


def differences(mine: dict, other: dict):
    """(root, field, ours, theirs)."""
    for root in sorted(set(mine) | set(other)):
        if root not in mine or root not in other:
            yield root, "root", root in mine, root in other
            continue
        for field in sorted(set(mine[root]) | set(other[root])):
            if mine[root].get(field) != other[root].get(field):
                yield root, field, mine[root].get(field), other[root].get(field)


def with_devices(system: dict, mine: dict) -> dict:
    """Their system with the devices that fstab's by-uuid names are."""
    devices = {value[2]: name.removeprefix("filesystem ") for name, value in mine.items() if name.startswith("filesystem ")}

    def device(text):
        return devices.get(text.removeprefix(BY_UUID), text) if isinstance(text, str) and text.startswith(BY_UUID) else text

    def spelt(text):  # of a btrfs, libguestfs keeps the slash of fstab's subvol=/@/home
        return text.replace("//@", "/@") if isinstance(text, str) else text

    return {" ".join(spelt(device(word)) for word in name.split(" ")): spelt(device(value)) for name, value in system.items()}


def compare(guest: str, mine: ET.Element, other: ET.Element) -> None:
    ours = systems(mine)
    theirs = {root: with_devices(system, ours.get(root, {})) for root, system in systems(other).items()}
    left = [each for each in differences(ours, theirs) if not is_explained(guest, *each[1:])]
    for root, field, a, b in left[:60]:
        print(f"    {root} {field}: ours {a!r}, virt-inspector {b!r}", flush=True)
    if left:
        raise AssertionError(f"{len(left)} differences that nobody explains")
    if not systems(other):
        raise AssertionError("virt-inspector found no system to compare")
