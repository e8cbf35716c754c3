# SPDX-License-Identifier: MIT
"""What inspection.xml says against what virt-inspector says of the same disks, field by field.

    referee.judge("md", ours, disks, "raw", "--key=...")     # ours: <operatingsystems>
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
# Guests of which virt-inspector 1.48 says nothing, each as the installers make it: what it prints, and why. With
# --no-applications, when it mounts nothing, it does.
REFUSED = {
    "luks-argon2id": ("mount_ro_stub: /dev/mapper/sda2_crypt: No such file or directory",
                      "fstab has the name that crypttab gives; libguestfs opens the container as luks-UUID"),
    "gpt-esp": ("you must call 'mount' first to mount the root filesystem",
                "fstab has PARTUUID= for /, which libguestfs does not know"),
    "md": ("mount_ro_stub: /dev/md0: No such file or directory",
           "mdadm.conf calls the array md0; in an appliance it is md127"),
}
# Debian's librpm reads no database of SUSE's kind (Packages.db); virt-inspector lists no package of these.
NDB = ["sles15", "opensuse154", "tumbleweed"]
# fstab's name of a place on the old hypervisor's bus, which no disk in an appliance has: virt-inspector gives it as a
# filesystem without type or UUID and then prints that mounting it failed; ours says in readiness that it is on none of the disks.
BY_PATH = "/dev/disk/by-path/"
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


def is_explained(root: str, field: str, mine, other) -> bool:
    if field == "root":  # of the systems on a btrfs the one that boots is one; libguestfs takes a snapshot of it for another
        return root.startswith("btrfsvol:") and not mine
    return mine is None and BY_PATH in f"{field} {other}" or any(field == known and mine and other and fits(mine, other) for known, fits, _ in EXPLAINED)


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
        if name not in REFUSED or REFUSED[name][0] not in str(error):
            raise
        mine, other = without_applications(mine), virt_inspector(disks, kind, "--no-applications", *options)
    if name in NDB:
        if other.find("operatingsystem/applications/application") is not None:
            raise AssertionError("virt-inspector lists packages: then they are to be compared")
        mine = without_applications(mine)
    keep(name, mine, other)
    compare(mine, other)


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
