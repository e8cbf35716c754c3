#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both guests of the shop, from one OVA, through the mount and libvirt to their login, and back.

web comes up with the name and the address that were written to its files from here.
define, start, log in on the serial console, write a file, power off, unmount, mount again: the file is there.
`--full` boots them a second time; else the file is read from the disk without the guest.
"""
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from cases import Cases, Steps  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt  # noqa: E402
from mount import Mount, fingerprint, make_vapp  # noqa: E402

PASSWORD = "v2vfs"
LOGIN_SECONDS = 600  # 30 s on an idle machine
ROOT_OFFSET = 1 << 20
ADDRESS, NEW_ADDRESS = "192.168.50.11", "192.168.50.77"

# What a guest must find: (command, words in its answer).
EXPECTED = {
    "web": [("hostname", ["shopfront"]),
            ("lsblk -rno NAME,MOUNTPOINT", ["sda1 /", "sda2 [SWAP]"]),
            ("ip -br addr show ens192", [f"{NEW_ADDRESS}/24"]),
            ("cat /sys/class/net/ens192/address; basename $(readlink /sys/class/net/ens192/device/driver)",
             ["00:50:56:8a:11:01", "vmxnet3"])],
    "db": [("hostname", ["db"]),
           ("lsblk -rno NAME,MOUNTPOINT", ["sda1 /", "sda2 [SWAP]", "sdb1 /srv"]),
           ("cat /sys/class/net/en*/address; basename $(readlink /sys/class/net/en*/device/driver)",
            ["00:50:56:8a:11:02", "e1000"]),
           ("head -1 /srv/orders/README", ["Orders, seven segments"])],
}


def note(vm: str) -> str:
    return f"written in {vm} by boot-vapp"


def look_around(console, vm: str) -> None:
    for command, words in EXPECTED[vm]:
        answer = console.command(command)
        for word in words:
            if word not in answer:
                raise AssertionError(f"{vm}: `{command}` has no `{word}`: {answer}")


def boot(mount: Mount, vm: str, in_guest) -> None:
    """Defines, starts, logs in, does what is to be done there, powers off; says the seconds of each."""
    steps = Steps()
    with Machine(mount.point / vm / "domain.xml") as machine:
        steps.done(f"{vm}: virsh define")
        console = machine.start_and_login(PASSWORD, LOGIN_SECONDS)
        steps.done(f"{vm}: started and logged in")
        in_guest(console)
        steps.done(f"{vm}: commands")
        machine.power_off()
        steps.done(f"{vm}: powered off")


def edit_web(mount: Mount) -> None:
    """As a user does, before web is started for the first time; the start has them applied."""
    steps = Steps()
    guest = mount.point / "web" / "guest"
    (guest / "etc/hostname").write_text("shopfront\n")
    output_of("sed", "-i", f"s/{ADDRESS}/{NEW_ADDRESS}/", guest / "etc/network/interfaces")
    steps.done("web: name and address edited")


def write_in_guest(vm: str):
    def body(console):
        look_around(console, vm)
        console.command(f"echo '{note(vm)}' > /var/local/note")
        # Enough to make qemu allocate clusters, and to have something to compare.
        console.command("dd if=/dev/urandom of=/var/local/noise bs=1M count=4 status=none && cd /var/local && "
                        "sha256sum noise > noise.sha256 && sync")
    return body


def read_in_guest(vm: str):
    def body(console):
        look_around(console, vm)
        answer = console.command("cat /var/local/note && cd /var/local && sha256sum -c noise.sha256")
        if note(vm) not in answer or "noise: OK" not in answer:
            raise AssertionError(f"{vm}: after the remount: {answer}")
    return body


def output_of(*argv) -> str:
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(map(str, argv))}`: {done.returncode}: {done.stdout.strip()[-500:]}")
    return done.stdout


def read_from_disk(mount: Mount, vm: str) -> None:
    """The guest's file without the guest: the disk as raw, its root file system checked and read."""
    steps = Steps()
    raw = mount.folder / f"{vm}.raw"
    output_of("qemu-img", "convert", "-O", "raw", mount.point / vm / "disk.qcow2", raw)
    steps.done(f"{vm}: qemu-img convert")
    root = f"{raw}?offset={ROOT_OFFSET}"
    answer = output_of("debugfs", "-R", "cat /var/local/note", root)
    output_of("e2fsck", "-f", "-n", root)
    raw.unlink()
    steps.done(f"{vm}: read and checked its file system")
    if note(vm) not in answer:
        raise AssertionError(f"{vm}: /var/local/note after the remount: {answer}")


def check_disks(mount: Mount) -> None:
    disks = sorted(mount.point.glob("*/disk*.qcow2"))
    if len(disks) != 3:
        raise AssertionError(f"three disks were to be in the mount, not {disks}")
    for disk in disks:
        output_of("qemu-img", "check", "-q", disk)


def main() -> int:
    cases = Cases("boot-vapp", independent=False)
    mount = None

    def prepare():
        nonlocal mount, before
        start_libvirt()
        steps = Steps()
        vapp = make_vapp()
        steps.done("the guests are made")
        ova = vapp / "shop.ova"
        before = fingerprint([ova])
        steps.done("sha256 of the source")
        mount = Mount(ova, f"convert=off,accel=tcg,{network_option()}")
        mount.mount()
        steps.done("mounted")

    def remount():
        mount.unmount()
        mount.mount()

    # SEMANTICS: "A source is never written, and its modification time never moves"
    def source_untouched():
        mount.unmount()
        after = fingerprint([mount.source])
        if after != before:
            raise AssertionError(f"the source changed: {before} -> {after}")

    before = {}
    try:
        if not cases.run("prepare", prepare):
            return cases.exit_code()
        cases.run("web-edited", lambda: edit_web(mount))
        for vm in EXPECTED:
            cases.run(f"{vm}-boots", lambda: boot(mount, vm, write_in_guest(vm)))
        cases.run("remount", remount)
        cases.run("check-clean", lambda: check_disks(mount))
        for vm in EXPECTED:
            cases.run(f"{vm}-file-kept", lambda: read_from_disk(mount, vm))
            cases.run(f"{vm}-boots-again", lambda: boot(mount, vm, read_in_guest(vm)), full=True)
        cases.run("check-clean-again", lambda: check_disks(mount), full=True)
        cases.run("source-untouched", source_untouched)
    finally:
        if mount:
            mount.close()
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
