#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian guests that VMware held, each bound to its hardware in another way, boot on virtio from the mount.

Each guest of tests/lib/boot_guests.py is mounted, its domain.xml defined and started, with no other word, and what it has
to find is asked for on its serial console: disks, swap, network card, name and address, failed units. Units that fail are
let pass where they failed before, too: then the source is booted, once, as it is. Another mount then starts
domain-compat.xml of some of them: a converted guest still runs on hardware like the source's. Some have their initrds made
anew by their own tools (initramfs=rebuild). And where the names of
network cards are not kept, which a file of the user's own sees to, guests do without their addresses.

A guest with a data disk that its fstab calls /dev/sdb1 is the shop's db, which convert-boot boots.

Only with --full (making the guests takes as long as booting them): `tests/run --full boot-matrix` boots all, `tests/run --full boot-matrix.lvm` one; what passed is not run again.
"""
import contextlib
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import boot_guests  # noqa: E402
from boot_guests import ADDRESS, GUESTS, PASSWORD  # noqa: E402
from cases import Cases, Skip, Steps  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt  # noqa: E402
from mount import Mount, fingerprint  # noqa: E402
from scene import expect, need, run  # noqa: E402

ALSO_COMPATIBLE = ("networkd", "lvm-root", "swap-resume")
ALSO_UNNAMED = ("networkd", "network-manager", "two-nics")
ALSO_REBUILT = {"lz4": "update-initramfs", "dracut": "dracut"}
RULES = "etc/udev/rules.d/70-v2vfs-net.rules"
LOGIN_SECONDS = 900  # 30 s on an idle machine
MOST_OVERLAY_BYTES = 64 << 20


@contextlib.contextmanager
def mounted(name: str, more: str = ""):
    need("debootstrap", "guestfish", "virsh")
    if GUESTS[name].firmware == "efi" and not pathlib.Path("/usr/share/OVMF").exists():
        raise Skip("ovmf")
    start_libvirt()
    source = boot_guests.make(name)
    before = fingerprint(sorted(source.iterdir()))
    options = f"accel=tcg,{network_option()}{GUESTS[name].options.format(source=source)}"
    mount = Mount(source / f"{name}.vmx", options + more)
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


def failed_units(console) -> list:
    console.command("systemctl is-system-running --wait; true", timeout=300)
    lines = console.command("systemctl --failed --no-legend --no-pager --plain").splitlines()
    return sorted(line.split()[0] for line in lines if line.strip())


def failed_in_source(name: str) -> list:
    """Of the guest as it was exported; what it answered is kept beside its disks."""
    kept = boot_guests.make(name).with_suffix(".failed")
    if not kept.exists():
        with mounted(name, ",convert=off") as mount, Machine(mount.point / name / "domain-compat.xml") as machine:
            units = failed_units(machine.start_and_login(PASSWORD, LOGIN_SECONDS))
            machine.power_off()
        kept.write_text(json.dumps(units))
    return json.loads(kept.read_text())


def expect_calm(name: str, failed: list) -> None:
    """No unit fails that did not fail in the source."""
    if failed:
        print(f"    failed: {failed}", flush=True)
        expect(sorted(set(failed) - set(failed_in_source(name))), [], "units that failed only after the conversion")


# SEMANTICS: "Boots the guest as whoever uses its disks gets it"
def boots(name: str, tool: str = "") -> None:
    """`tool`: the guest's own, which is to make its initrd anew."""
    with mounted(name, ",initramfs=rebuild" if tool else "") as mount:
        steps, vm = Steps(), mount.point / name
        with Machine(vm / "domain.xml") as machine:
            steps.done(f"{name}: domain.xml defined")
            console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
            steps.done(f"{name}: converted, started, logged in")
            ask(console, GUESTS[name].checks)
            failed = failed_units(console)
            machine.power_off()
        steps.done(f"{name}: asked, and powered off")
        check_conversion(vm)
        ran = [step["rebuild"][0] for step in read_json(vm / "conversion.json")["steps"] if "rebuild" in step]
        expect(ran, [tool] if tool else [], "the tools that ran")
    expect_calm(name, failed)


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
            ask(console, [("lsblk -rno NAME,MOUNTPOINT", ["sda"])])
            failed = failed_units(console)
            machine.power_off()
    expect_calm(name, failed)


def is_lost_without_names(name: str) -> None:
    """The user has a file where the cards' names would be kept, and conversion leaves it alone."""
    with mounted(name) as mount:
        vm = mount.point / name
        planned = (vm / "guest" / RULES).read_text()
        expect("ens192" in planned, True, f"a name in {RULES} as planned")
        (vm / "guest" / RULES).write_text("# None.\n")
        with Machine(vm / "domain.xml") as machine:
            console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
            console.command("systemctl is-system-running --wait; true", timeout=300)
            cards = console.command("ls /sys/class/net; ip -br -4 addr")
            machine.power_off()
        expect([word for word in ("ens192", ADDRESS) if word in cards], [], f"what is there all the same ({cards})")


def main() -> int:
    cases = Cases("boot-matrix")
    for name in GUESTS:
        cases.run(name, lambda name=name: boots(name), full=True)
    for name in ALSO_COMPATIBLE:
        cases.run(f"{name}-compatible", lambda name=name: boots_compatible(name), full=True)
    for name, tool in ALSO_REBUILT.items():
        cases.run(f"{name}-rebuilt", lambda name=name, tool=tool: boots(name, tool), full=True)
    for name in ALSO_UNNAMED:
        cases.run(f"{name}-unnamed", lambda name=name: is_lost_without_names(name), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
