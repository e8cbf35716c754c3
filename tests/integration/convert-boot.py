#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests of the shop, which know sda, ens192 and no virtio, are converted and boot on virtio from the mount.

The plan is shown before anything is changed. `echo convert > ctl`, then domain.xml is defined and started; on the serial
console: disks, swap, network card, its name and address, failed units. `--full`: the guest with two disks too.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from cases import Cases, Steps  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt  # noqa: E402
from mount import Mount, fingerprint, make_vapp  # noqa: E402
from scene import expect, expect_errno, run  # noqa: E402

PASSWORD = "v2vfs"
LOGIN_SECONDS = 600  # 30 s on an idle machine
MOST_OVERLAY_BYTES = 64 << 20

NIC = "cat /sys/class/net/{0}/address; basename $(readlink -f /sys/class/net/{0}/device/driver)"
# What a guest must find: (command, words in its answer).
EXPECTED = {
    "web": [("lsblk -rno NAME,MOUNTPOINT", ["vda1 /", "vda2 [SWAP]"]),
            ("ip -br addr show ens192", ["192.168.50.11/24"]),
            (NIC.format("ens192"), ["00:50:56:8a:11:01", "virtio_net"]),
            ("systemctl --failed --no-legend --plain | wc -l", ["0"])],
    "db": [("lsblk -rno NAME,MOUNTPOINT", ["vda1 /", "vda2 [SWAP]", "vdb1 /srv"]),
           (NIC.format("ens192"), ["00:50:56:8a:11:02", "virtio_net"]),
           ("head -1 /srv/orders/README", ["Orders, seven segments"])],
}


def read_json(path: pathlib.Path):
    return json.loads(path.read_text())


def show_plan(mount: Mount, vm: str) -> None:
    """Before anything was done."""
    plan = read_json(mount.point / vm / "conversion.json")
    expect(plan["state"], "planned", f"{vm}: state in conversion.json")
    expect(plan["capabilities"]["block_bus"], "virtio", f"{vm}: block_bus")
    steps = {step["path"]: step for step in plan["steps"]}
    for path in ("/etc/fstab", "/boot/grub/grub.cfg"):
        if "+" not in steps[path]["diff"] or steps[path]["outcome"] is not None:
            raise AssertionError(f"{vm}: {path} has no diff, or an outcome: {steps[path]}")
    expect(read_json(mount.point / vm / "status.json")["state"], "unconverted", f"{vm}: state after the plan")


def convert(mount: Mount, vm: str) -> None:
    disk = mount.point / vm / "disk.qcow2"
    size = disk.stat().st_size
    steps = Steps()
    (mount.point / vm / "ctl").write_text("convert\n")
    steps.done(f"{vm}: converted")
    status, done = read_json(mount.point / vm / "status.json"), read_json(mount.point / vm / "conversion.json")
    expect(status["state"], "converted", f"{vm}: state")
    expect(done["state"], "converted", f"{vm}: state in conversion.json")
    left = [step for step in done["steps"] if step["outcome"] != "done"]
    expect(left, [], f"{vm}: steps that are not done")
    expect(disk.stat().st_size, size, f"{vm}: size of disk.qcow2")
    written = sum(disk["overlay_bytes"] for disk in status["disks"])
    if not 0 < written <= MOST_OVERLAY_BYTES:
        raise AssertionError(f"{vm}: {written} bytes were written")
    for path in sorted(disk.parent.glob("disk*.qcow2")):
        run("qemu-img", "check", "-q", path)


def boot(mount: Mount, vm: str) -> None:
    steps = Steps()
    with Machine(mount.point / vm / "domain.xml") as machine:
        console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
        steps.done(f"{vm}: started and logged in")
        for command, words in EXPECTED[vm]:
            answer = console.command(command)
            for word in words:
                if word not in answer:
                    raise AssertionError(f"{vm}: `{command}` has no `{word}`: {answer}")
        machine.power_off()
    steps.done(f"{vm}: commands, and powered off")


def remount(mount: Mount, vm: str) -> None:
    """What was converted is known to be, and starts no work."""
    mount.unmount()
    mount.mount()
    expect(read_json(mount.point / vm / "status.json")["state"], "converted", f"{vm}: state after a remount")
    if "virtio" not in (mount.point / vm / "domain.xml").read_text():
        raise AssertionError("domain.xml after a remount has no virtio")


def start_over(mount: Mount, vm: str) -> None:
    (mount.point / vm / "ctl").write_text("reset\n")
    expect(read_json(mount.point / vm / "status.json")["state"], "unconverted", f"{vm}: state after a reset")
    domain = (mount.point / vm / "domain.xml").read_text()
    expect(domain, (mount.point / vm / "domain-compat.xml").read_text(), "domain.xml after a reset")


def refuse_beside_a_writer(mount: Mount, vm: str) -> None:
    import errno
    with open(mount.point / vm / "disk.qcow2", "r+b"):
        expect_errno(errno.EBUSY, "convert beside a writer",
                     lambda: (mount.point / vm / "ctl").write_text("convert\n"))


def main() -> int:
    cases = Cases("convert-boot", independent=False)
    mount, before = None, {}

    def prepare():
        nonlocal mount, before
        start_libvirt()
        ova = make_vapp() / "shop.ova"
        before = fingerprint([ova])
        mount = Mount(ova, f"accel=tcg,{network_option()}")
        mount.mount()

    def source_untouched():
        mount.unmount()
        expect(fingerprint([mount.source]), before, "the source")

    try:
        if not cases.run("prepare", prepare):
            return cases.exit_code()
        cases.run("web-plan", lambda: show_plan(mount, "web"))
        cases.run("web-refused-beside-a-writer", lambda: refuse_beside_a_writer(mount, "web"))
        cases.run("web-converts", lambda: convert(mount, "web"))
        cases.run("web-boots", lambda: boot(mount, "web"))
        cases.run("remount", lambda: remount(mount, "web"))
        cases.run("db-converts", lambda: convert(mount, "db"), full=True)
        cases.run("db-boots", lambda: boot(mount, "db"), full=True)
        cases.run("reset", lambda: start_over(mount, "web"))
        cases.run("source-untouched", source_untouched)
    finally:
        if mount:
            mount.close()
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
