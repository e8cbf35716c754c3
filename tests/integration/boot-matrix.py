#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian guests that VMware held, each bound to its hardware in another way, boot on virtio from the mount.

Each guest of tests/lib/boot_guests.py is mounted, its domain.xml defined and started, with no other word, and what it has
to find is asked for on its serial console: disks, swap, network card, name and address, failed units. Another mount then
starts domain-compat.xml of some of them: a converted guest still runs on hardware like the source's.

Only with --full (making the guests takes as long as booting them): `tests/run --full boot-matrix` boots all, `tests/run --full boot-matrix.lvm` one; what passed is not run again.
"""
import contextlib
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import boot_guests  # noqa: E402
from boot_guests import GUESTS, PASSWORD  # noqa: E402
from cases import Cases, Skip, Steps  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt  # noqa: E402
from mount import Mount, fingerprint  # noqa: E402
from scene import expect, need, run  # noqa: E402

ALSO_COMPATIBLE = ("networkd", "lvm-root", "swap-resume")
LOGIN_SECONDS = 900  # 30 s on an idle machine
MOST_OVERLAY_BYTES = 64 << 20


@contextlib.contextmanager
def mounted(name: str):
    need("debootstrap", "guestfish", "virsh")
    if GUESTS[name].firmware == "efi" and not pathlib.Path("/usr/share/OVMF").exists():
        raise Skip("ovmf")
    start_libvirt()
    source = boot_guests.make(name)
    before = fingerprint(sorted(source.iterdir()))
    mount = Mount(source / f"{name}.vmx", f"accel=tcg,{network_option()}{GUESTS[name].options}")
    try:
        mount.mount()
        yield mount
        mount.unmount()
        expect(fingerprint(sorted(source.iterdir())), before, "the source")
    finally:
        mount.close()


def read_json(path: pathlib.Path):
    return json.loads(path.read_text())


def ask(console, checks: list) -> None:
    for command, words in checks:
        answer = console.command(command, timeout=120)
        for word in words:
            if word not in answer:
                raise AssertionError(f"`{command}` has no `{word}`: {answer}")


# SEMANTICS: "Boots the guest as whoever uses its disks gets it"
def boots(name: str) -> None:
    with mounted(name) as mount:
        steps, vm = Steps(), mount.point / name
        with Machine(vm / "domain.xml") as machine:
            steps.done(f"{name}: domain.xml defined")
            console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
            steps.done(f"{name}: converted, started, logged in")
            ask(console, GUESTS[name].checks)
            machine.power_off()
        steps.done(f"{name}: asked, and powered off")
        check_conversion(vm)


def check_conversion(vm: pathlib.Path) -> None:
    status, done = read_json(vm / "status.json"), read_json(vm / "conversion.json")
    expect((status["state"], done["state"]), ("converted", "converted"), "state")
    expect([step for step in done["steps"] if step["outcome"] != "done"], [], "steps that are not done")
    for disk in sorted(vm.glob("disk*.qcow2")):
        run("qemu-img", "check", "-q", disk)


def boots_compatible(name: str) -> None:
    """The domain of the unchanged guest, over the disks of the converted one."""
    with mounted(name) as mount:
        vm = mount.point / name
        (vm / "ctl").write_text("convert\n")
        written = sum(disk["overlay_bytes"] for disk in read_json(vm / "status.json")["disks"])
        if written > MOST_OVERLAY_BYTES:
            raise AssertionError(f"the conversion wrote {written} bytes")
        with Machine(vm / "domain-compat.xml") as machine:
            console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
            ask(console, [("lsblk -rno NAME,MOUNTPOINT", ["sda"]), boot_guests.CALM])
            machine.power_off()


def main() -> int:
    cases = Cases("boot-matrix")
    for name in GUESTS:
        cases.run(name, lambda name=name: boots(name), full=True)
    for name in ALSO_COMPATIBLE:
        cases.run(f"{name}-compatible", lambda name=name: boots_compatible(name), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
