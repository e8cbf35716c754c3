#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""guest/ through a mount: a real guest's files, listed and read; links stay inside; nothing is written yet.

    guest-mount.py [--quick|--full]
"""
import errno
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases, Steps  # noqa: E402
from inspecting import need_appliance  # noqa: E402
from mount import make_vapp  # noqa: E402
from scene import Scene, expect, expect_errno  # noqa: E402


def links_below(folder: pathlib.Path):
    for where, folders, files in os.walk(folder):
        for name in folders + files:
            path = pathlib.Path(where) / name
            if path.is_symlink():
                yield path


# SEMANTICS: "so that they stay inside guest/ wherever they point in the guest"
def stay_inside(guest: pathlib.Path) -> int:
    """No link's text leads out, wherever the mount lies."""
    count = 0
    for link in links_below(guest / "etc"):
        target = os.readlink(link)
        place = os.path.normpath(link.parent / target)
        if os.path.isabs(target) or not place.startswith(f"{guest}/"):
            raise AssertionError(f"{link} -> {target} leads out of guest/")
        count += 1
    return count


# SEMANTICS: "with the reason in the log. `-o ro`: EROFS"
def refused(guest: pathlib.Path) -> None:
    fstab = guest / "etc/fstab"
    expect_errno(errno.EROFS, "overwriting", lambda: open(fstab, "w"))
    expect_errno(errno.EROFS, "a new file", lambda: open(guest / "etc/new", "x"))
    expect_errno(errno.EROFS, "removing", fstab.unlink)
    expect_errno(errno.EROFS, "chmod", lambda: fstab.chmod(0o600))


# SEMANTICS: "The files of the guest by its mountpoints"
def real_guest() -> None:
    need_appliance()
    with Scene() as scene:
        steps = Steps()
        mounted = scene.run_daemon(make_vapp() / "shop.ova", "ro")
        guest = mounted.point / "web" / "guest"
        expect(guest.is_dir(), True, "guest/")
        start = time.monotonic()
        names = os.listdir(guest)
        steps.done("ls guest/")
        for name in ("etc", "boot", "usr", "bin"):
            if name not in names:
                raise AssertionError(f"guest/ has no {name}: {names}")
        text = (guest / "etc/fstab").read_text()
        if "/dev/sda1" not in text:
            raise AssertionError(f"etc/fstab: {text}")
        expect((guest / "etc/fstab").stat().st_size, len(text), "the size of etc/fstab")
        expect((guest / "etc/hostname").read_text(), "web\n", "etc/hostname")
        if "bookworm" not in (guest / "etc/os-release").read_text():  # by a link into /usr
            raise AssertionError("etc/os-release is not read through its link")
        found = subprocess.run(["grep", "-rl", "50:56:8a:11:01", str(guest / "etc/systemd")], capture_output=True, text=True)
        expect(found.stdout.strip(), str(guest / "etc/systemd/network/10-ens192.link"), "grep -r")
        steps.done("cat, stat, grep -r")
        if stay_inside(guest) < 20:
            raise AssertionError("etc has hardly any links")
        steps.done("links")
        kernel = next((guest / "boot").glob("vmlinuz-*"))
        with open(kernel, "rb") as file:  # the middle of a large file alone
            file.seek(514)
            expect(file.read(4), b"HdrS", "the kernel's header")
        refused(guest)
        again = time.monotonic()
        os.listdir(guest / "etc")
        if time.monotonic() - again > max(2.0, (again - start) / 2):
            raise AssertionError("the second listing was no quicker than the appliance")
        scene.unmount(mounted)


# SEMANTICS: "`-o guest=off` leaves it out"
def left_out() -> None:
    with Scene() as scene:
        scene.vmdk("disk.vmdk", 4 << 20)
        mounted = scene.run_daemon(scene.ovf("vm.ovf", [("vm", ["disk.vmdk"])]), "guest=off")
        expect((mounted.vm() / "guest").exists(), False, "guest/ with guest=off")
        scene.unmount(mounted)


def main() -> int:
    cases = Cases("guest-mount")
    cases.run("left-out", left_out)
    cases.run("real-guest", real_guest)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
