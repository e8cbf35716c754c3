#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What we say of a guest is what virt-inspector says, field by field, or the difference is explained below.

    tests/integration/inspect-referee.py [--full]

quick: the initrds of this host against lsinitramfs; a Debian that boots (web of tests/guests/make). full: its neighbour with two disks, and made-up guests of many
releases and layers (LVM, LUKS, btrfs with a snapshot, md, xfs with a split /boot) as the disks of one machine, so that
one start of each reader is enough. Needs guestfish and virt-inspector (libguestfs-tools).
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from cases import Cases, Skip, Steps  # noqa: E402
from guest_disks import DIRECT, KEY, GuestDisks  # noqa: E402
from scene import BUILD, need, run  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]
MADE_UP = ["debian12", "debian6", "ubuntu2204", "rhel5", "rhel6", "rhel7", "rhel8", "rhel9", "centos7", "centos-stream9",
           "alma9", "rocky8", "oracle8", "fedora37", "sles11", "sles12", "sles15", "opensuse154", "tumbleweed",
           "alpine317", "arch", "alt10", "mint21", "kali"]
LAYOUTS = ["lvm", "luks-lvm", "luks-argon2id", "btrfs", "xfs-gpt", "md"]

# Where virt-inspector 1.48 is wrong: field, (ours, theirs) -> whether that is it, and why. `virt-inspector -a DISK`
# prints what stands there as theirs; the guest's file beside it says otherwise.
EXPLAINED = [
    ("product_name", lambda a, b: a.startswith("Debian GNU/Linux") and b[:1].isdigit(),
     "os-release has PRETTY_NAME; virt-inspector gives the line of /etc/debian_version, which is a version"),
    ("osinfo", lambda a, b: a.replace("sle15", "sles15") == b, "osinfo-db calls it sle15spN"),
]


def ours(disks: list, *options) -> ET.Element:
    folder = disks[0].parent / "appliance"
    folder.mkdir(exist_ok=True)
    done = subprocess.run([BUILD / "tests" / "support" / "guest-inspect", BUILD / "v2vfs", folder, "--xml", "--memory=2560",
                           *options, *disks], check=True, stdout=subprocess.PIPE, timeout=1800)
    return ET.fromstring(done.stdout)


def theirs(disks: list, *options) -> ET.Element:
    words = [word for disk in disks for word in ("-a", disk)]
    done = subprocess.run(["virt-inspector", "--no-icon", "--format=qcow2", *words, *options], check=True,
                          stdout=subprocess.PIPE, env={**os.environ, **DIRECT}, timeout=1800)
    return ET.fromstring(done.stdout)


def fields(system: ET.Element) -> dict:
    found = {}
    for name in ("name", "arch", "distro", "product_name", "product_variant", "major_version", "minor_version",
                 "package_format", "package_management", "hostname", "osinfo"):
        found[name] = system.findtext(name)
    for point in system.iterfind("mountpoints/mountpoint"):
        found["mountpoint " + point.text] = point.get("dev")
    for each in system.iterfind("filesystems/filesystem"):
        found["filesystem " + each.get("dev")] = tuple(each.findtext(key) for key in ("type", "label", "uuid"))
    for each in system.iterfind("applications/application"):
        found["application " + each.findtext("name")] = tuple(
            each.findtext(key) for key in ("epoch", "version", "release", "arch"))
    return found


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


def compare(mine: ET.Element, other: ET.Element) -> None:
    left = [each for each in differences(systems(mine), systems(other)) if not is_explained(*each)]
    for root, field, a, b in left:
        print(f"    {root} {field}: ours {a!r}, virt-inspector {b!r}", flush=True)
    if left:
        raise AssertionError(f"{len(left)} differences that nobody explains")


def shop() -> pathlib.Path:
    done = subprocess.run([PROJECT / "tests" / "guests" / "make"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(done.stdout.split()[-1]) / "raw"


def compare_disks(*names) -> None:
    """Disks of the shop; the appliance opens qcow2 only."""
    need("virt-inspector")
    steps, raw = Steps(), shop()
    with tempfile.TemporaryDirectory(prefix="v2vfs-referee-") as folder:
        disks = []
        for name in names:
            disks.append(pathlib.Path(folder) / f"{name}.qcow2")
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw / f"{name}.raw", "-F", "raw", disks[-1])
        mine = ours(disks)
        steps.done("guest-inspect")
        other = theirs(disks)
        steps.done("virt-inspector")
        compare(mine, other)


def case_releases() -> None:
    need("virt-inspector", "guestfish")
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="v2vfs-referee-") as folder:
        disks = GuestDisks(pathlib.Path(folder))
        for layout in LAYOUTS:
            disks.add_layout(layout)
        for name in MADE_UP:
            disks.add_made_up(name)
        disks.make()
        steps.done("made the disks")
        paths = [path for path, _ in disks.disks]
        key = pathlib.Path(folder) / "key"
        key.write_text(KEY.replace(" ", "_"))
        mine = ours(paths, f"--key=all:{key}")
        steps.done("guest-inspect")
        other = theirs(paths, *[f"--key={uuid}:file:{key}" for uuid in disks.luks])
        steps.done("virt-inspector")
        if "V2VFS_KEEP" in os.environ:
            for name, tree in (("ours", mine), ("theirs", other)):
                ET.ElementTree(tree).write(f"{os.environ['V2VFS_KEEP']}/{name}.xml")
        compare(mine, other)


def case_initrds() -> None:
    """What Debian's own tool lists of the initrds in /boot, whatever compresses them."""
    need("lsinitramfs")
    images = sorted(pathlib.Path("/boot").glob("initrd.img-*"))
    if not images:
        raise Skip("an initrd in /boot")
    for image in images:
        mine = subprocess.run([BUILD / "tests" / "support" / "initrd-list", image], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout
        other = subprocess.run(["lsinitramfs", image], check=True, stdout=subprocess.PIPE, text=True).stdout
        names = {line.removeprefix("./") for line in other.splitlines()}
        if set(mine.splitlines()) != names:
            raise AssertionError(f"{image}: {sorted(set(mine.splitlines()) ^ names)[:10]}")


def main() -> int:
    cases = Cases("inspect-referee")
    cases.run("initrds", case_initrds)
    cases.run("web", lambda: compare_disks("web"))
    cases.run("db", lambda: compare_disks("db", "db-data"), full=True)
    cases.run("releases", case_releases, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
