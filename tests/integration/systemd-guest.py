#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The package in a Debian 12 that runs systemd: the service, the automount units and a line of fstab, in a guest of QEMU.

    systemd-guest.py [--full]
"""
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip, Steps  # noqa: E402
from clean_root import CleanRoot, make_package, need_build  # noqa: E402
from console import Console  # noqa: E402
from scene import expect, need, run  # noqa: E402

PASSWORD = "v2vfs"
PACKAGES = "systemd-sysv udev kmod dbus linux-image-cloud-amd64 initramfs-tools"


def make_guest(folder: pathlib.Path, steps: Steps) -> CleanRoot:
    """The tree of a Debian with the package, a vApp in /srv, and what is to be tried."""
    package = make_package(folder)
    root = CleanRoot(folder)
    steps.done("cpack, debootstrap")
    shutil.copy(package, root.tree / "srv")
    root.run(f"apt-get update -q; apt-get install -q -y --no-install-recommends {PACKAGES} /srv/{package.name}; apt-get clean; "
             f"echo root:{PASSWORD} | chpasswd; echo guest > /etc/hostname; rm -f /etc/resolv.conf /usr/sbin/policy-rc.d")
    steps.done("apt-get install")
    (root.tree / "srv/exports").mkdir()
    shutil.copy(mount.make_vapp("--small") / "kiosk.ova", root.tree / "srv/exports/vapp.ova")
    (root.tree / "etc/v2vfs/kiosk.conf").write_text("SOURCE=/srv/exports/vapp.ova\nMOUNTPOINT=/mnt/kiosk\nOPTIONS=accel=tcg,convert=off\n")
    for unit in (mount.PROJECT / "examples/systemd").glob("*mount"):
        shutil.copy(unit, root.tree / "etc/systemd/system")
    shutil.copy(mount.PROJECT / "examples/fstab-line", root.tree / "usr/local/bin")
    return root


def start_guest(root: CleanRoot, folder: pathlib.Path) -> Console:
    disk = folder / "disk.raw"
    run("mke2fs", "-q", "-t", "ext4", "-d", root.tree, disk, "3G", timeout=300)
    kernel = next((root.tree / "boot").glob("vmlinuz-*"))
    initrd = next((root.tree / "boot").glob("initrd.img-*"))
    return Console(["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-nographic", "-nic", "none",
                    "-kernel", str(kernel), "-initrd", str(initrd), "-append", "root=/dev/vda rw console=ttyS0 quiet",
                    "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"])


# SEMANTICS: "`v2vfs@NAME.service` mounts what /etc/v2vfs/NAME.conf says"
def service(console: Console) -> None:
    """It is up when the mount answers; a stop waits for who writes, and unmounts."""
    console.command("systemctl start v2vfs@kiosk && test -f /mnt/kiosk/till/domain.xml")
    expect(console.command("systemctl is-active v2vfs@kiosk"), "active", "state of the service")
    expect("v2vfs" in console.command("cat /proc/$(systemctl show -p MainPID --value v2vfs@kiosk)/comm"), True, "its main process")
    console.command("(exec 9<>/mnt/kiosk/till/disk.qcow2; printf kept >&9; sleep 40) & sleep 1")
    console.command("systemctl stop v2vfs@kiosk; ! mountpoint -q /mnt/kiosk", timeout=120)
    said = console.command("journalctl --no-pager -u v2vfs@kiosk | cat")
    expect("is written by" in said, True, f"the journal names who holds it: {said[-600:]}")
    console.command("systemctl start v2vfs@kiosk")
    expect(console.command("head -c 4 /mnt/kiosk/till/disk.qcow2"), "kept", "what was written while it was stopped")
    console.command("systemctl stop v2vfs@kiosk")


def automount(console: Console) -> None:
    console.command("systemctl start mnt-vapp.automount && ! grep -q fuse.v2vfs /proc/mounts")
    expect("till" in console.command("ls /mnt/vapp", timeout=120), True, "what a look brings")
    console.command("grep -q fuse.v2vfs /proc/mounts && systemctl stop mnt-vapp.automount mnt-vapp.mount && ! grep -q fuse.v2vfs /proc/mounts")


def fstab(console: Console) -> None:
    console.command("rm /etc/systemd/system/mnt-vapp.*; systemctl daemon-reload; mkdir -p /mnt/line")
    said = console.command("fstab-line /srv/exports/vapp.ova /mnt/line accel=tcg", timeout=120)
    expect("screen" in said, True, f"what a look brings: {said}")
    expect("fuse.v2vfs" in console.command("findmnt -n -o FSTYPE /mnt/line | tail -1"), True, "mounted")


def in_a_guest():
    need_build()
    need("qemu-system-x86_64", "mke2fs")
    if os.geteuid() != 0:
        raise Skip("root")
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="v2vfs-test-") as name:
        folder = pathlib.Path(name)
        console = start_guest(make_guest(folder, steps), folder)
        try:
            console.login(PASSWORD, 600)
            steps.done("booted")
            for part in (service, automount, fstab):
                part(console)
                steps.done(part.__name__)
        except Exception:
            print(console.tail(60))
            raise
        finally:
            console.close()


def main() -> int:
    cases = Cases("systemd-guest")
    cases.run("service-automount-fstab", in_a_guest, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
