# SPDX-License-Identifier: MIT
"""What inspection.xml says against what virt-inspector says of the same disks, field by field.

    referee.compare(ours, referee.virt_inspector(disks, "raw", "--key=..."))     # two <operatingsystems>
"""
import os
import subprocess
import xml.etree.ElementTree as ET

from guest_disks import DIRECT

MINT = "os-release has ID=linuxmint and VERSION_ID; virt-inspector gives the Ubuntu that Mint is made from"
# Where virt-inspector 1.48 is wrong: field, (ours, theirs) -> whether that is it, and why. `virt-inspector -a DISK`
# prints what stands there as theirs; the guest's file beside it says otherwise.
EXPLAINED = [
    ("product_name", lambda a, b: a.startswith("Debian GNU/Linux") and b[:1].isdigit(),
     "os-release has PRETTY_NAME; virt-inspector gives the line of /etc/debian_version, which is a version"),
    ("osinfo", lambda a, b: a.replace("sle15", "sles15") == b, "osinfo-db calls it sle15spN"),
    ("distro", lambda a, b: (a, b) == ("linuxmint", "ubuntu"), MINT),
    ("major_version", lambda a, b: (a, b) == ("21", "22"), MINT),
    ("minor_version", lambda a, b: (a, b) == ("1", "4"), MINT),
    ("osinfo", lambda a, b: (a, b) == ("linuxmint21.1", "ubuntu22.04"), MINT),
]
BY_UUID = "/dev/disk/by-uuid/"  # fstab's name, which virt-inspector gives as it stands there


def virt_inspector(disks: list, kind: str, *options) -> ET.Element:
    words = [str(word) for disk in disks for word in ("-a", disk)]
    done = subprocess.run(["virt-inspector", "--no-icon", f"--format={kind}", *words, *options], check=True,
                          stdout=subprocess.PIPE, env={**os.environ, **DIRECT}, timeout=1800)
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


def is_explained(_root: str, field: str, mine, other) -> bool:
    return any(field == known and mine and other and fits(mine, other) for known, fits, _ in EXPLAINED)


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

    return {" ".join(device(word) for word in name.split(" ")): device(value) for name, value in system.items()}


def compare(mine: ET.Element, other: ET.Element) -> None:
    ours = systems(mine)
    theirs = {root: with_devices(system, ours.get(root, {})) for root, system in systems(other).items()}
    left = [each for each in differences(ours, theirs) if not is_explained(*each)]
    for root, field, a, b in left[:60]:
        print(f"    {root} {field}: ours {a!r}, virt-inspector {b!r}", flush=True)
    if left:
        raise AssertionError(f"{len(left)} differences that nobody explains")
    if not systems(other):
        raise AssertionError("virt-inspector found no system to compare")
