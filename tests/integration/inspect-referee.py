#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What we say of a guest is what virt-inspector says, field by field; tests/lib/referee.py explains where it is not.

    tests/integration/inspect-referee.py [--full]

quick: the initrds of this host against lsinitramfs; a Debian that boots (web of tests/guests/make). full: its neighbour
with two disks, and made-up guests of many releases; the registries of made-up Windows against their goldens too.
inspect-guests has the layers: LVM, LUKS, md, btrfs.
Needs guestfish and virt-inspector (libguestfs-tools).
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from cases import Cases, Skip, Steps  # noqa: E402
import referee  # noqa: E402
from guest_disks import GuestDisks  # noqa: E402
from scene import BUILD, expect, need, run  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]
# Each alone: virt-inspector mounts every filesystem for every other one, and what fstab calls sda1 is the first disk's.
RELEASES = ["debian12", "debian6", "ubuntu2204", "mint21", "kali", "rhel5", "rhel6", "rhel7", "centos7", "rhel8", "rhel9",
            "centos-stream9", "alma9", "rocky8", "oracle8", "fedora37", "amazon2023", "sles11", "sles12", "sles15",
            "opensuse154", "tumbleweed", "alpine317", "arch", "alt10", "win7", "win10", "win11", "win2022", "win2025"]
GOLDEN = PROJECT / "tests" / "golden" / "guests"
# What a golden of a Windows guest says that is not of the disks that it was made on.
OF_THE_REGISTRY = ["distro", "version", "product_name", "variant", "arch", "osinfo", "hostname", "network", "windows", "applications",
                   "hypervisor_items", "notes"]


def ours(disks: list, *options) -> bytes:
    folder = disks[0].parent / "appliance"
    folder.mkdir(exist_ok=True)
    done = subprocess.run([BUILD / "tests" / "support" / "guest-inspect", BUILD / "v2vfs", folder, "--memory=2560",
                           *options, *disks], check=True, stdout=subprocess.PIPE, timeout=1800)
    return done.stdout


def shop() -> pathlib.Path:
    done = subprocess.run([PROJECT / "tests" / "guests" / "make"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(done.stdout.split()[-1]) / "raw"


def compare_disks(*names) -> None:
    """Disks of the shop; the appliance opens qcow2 only, and no file behind it."""
    need("virt-inspector")
    steps, raw = Steps(), shop()
    with tempfile.TemporaryDirectory(prefix="v2vfs-referee-") as folder:
        disks = []
        for name in names:
            disks.append(pathlib.Path(folder) / f"{name}.qcow2")
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw / f"{name}.raw", disks[-1])
        steps.done("qemu-img convert")
        mine = ET.fromstring(ours(disks, "--xml"))
        steps.done("guest-inspect")
        referee.judge(names[0], mine, disks, "qcow2")
        steps.done("virt-inspector")


def release(name: str):
    def body() -> None:
        need("virt-inspector", "guestfish", "hivexregedit")
        steps = Steps()
        with tempfile.TemporaryDirectory(prefix="v2vfs-referee-") as folder:
            disks = GuestDisks(pathlib.Path(folder))
            disks.add_made_up(name)
            disks.make()
            steps.done("made the disks")
            paths = [path for path, _ in disks.disks]
            if name.startswith("win"):
                compare_with_goldens(disks, json.loads(ours(paths)))
                steps.done("goldens")
            mine = ET.fromstring(ours(paths, "--xml"))
            steps.done("guest-inspect")
            referee.judge(name, mine, paths, "qcow2")
            steps.done("virt-inspector")
    return body


def compare_with_goldens(disks: GuestDisks, found: dict) -> None:
    """What was read from real hives by libguestfs is what the goldens say of the same values."""
    seen = {disks.owner(guest["root"]): guest for guest in found["guests"]}
    expect(len(seen), 1, "Windows guests")
    for name, guest in seen.items():
        golden = json.loads((GOLDEN / f"{name}.json").read_text())["guests"][0]
        golden["windows"]["drive_mappings"] = {"C": guest["root"]}
        for field in OF_THE_REGISTRY:
            expect(guest[field], golden[field], f"{name}: {field}")


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
    cases.run("web", lambda: compare_disks("web"), full=True)
    cases.run("db", lambda: compare_disks("db", "db-data"), full=True)
    for name in RELEASES:
        cases.run(name, release(name), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
