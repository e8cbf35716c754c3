#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests of the shop, which know sda, ens192 and no virtio, boot on virtio from the mount; no word is ever written to ctl.

The plan is shown before anything is changed, also in guest/, and what a user edits there wins. domain.xml is defined and
started, which converts; on the serial console: disks, swap, network card, its name and address, failed units. Where the
conversion fails, `virsh start` says so. `--full`: the guest with two disks too, converted by name, and the daemon
killed while it is.
"""
import contextlib
import errno
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from cases import Cases, Steps  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt, virsh  # noqa: E402
from mount import Mount, fingerprint, make_vapp  # noqa: E402
from scene import Scene, expect, expect_errno, run  # noqa: E402

PASSWORD = "v2vfs"
LOGIN_SECONDS = 600  # 30 s on an idle machine
LONGEST_END = 150  # seconds that a daemon may need after the unmount, on a busy machine
MOST_OVERLAY_BYTES = 64 << 20

NIC = "cat /sys/class/net/{0}/address; basename $(readlink -f /sys/class/net/{0}/device/driver)"
# What a guest must find: (command, words in its answer).
EXPECTED = {
    "web": [("lsblk -rno NAME,MOUNTPOINT", ["vda1 /", "vda2 [SWAP]"]),
            ("ip -br addr show ens192", ["192.168.50.11/24"]),
            (NIC.format("ens192"), ["00:50:56:8a:11:01", "virtio_net"]),
            ("findmnt -no OPTIONS /; cat /etc/issue", ["noatime", "Converted and edited"]),
            ("systemctl --failed --no-legend --plain | wc -l", ["0"])],
    "db": [("lsblk -rno NAME,MOUNTPOINT", ["vda1 /", "vda2 [SWAP]", "vdb1 /srv"]),
           (NIC.format("ens192"), ["00:50:56:8a:11:02", "virtio_net"]),
           ("head -1 /srv/orders/README", ["Orders, seven segments"])],
}


def read_json(path: pathlib.Path):
    return json.loads(path.read_text())


def show_plan(mount: Mount, vm: str) -> None:
    """Before anything was done."""
    run("find", mount.point, "-name", "guest", "-prune", "-o", "-type", "f", "-printf", "%s %p\n")
    run("qemu-img", "info", mount.point / vm / "disk.qcow2")
    expect(read_json(mount.point / vm / "status.json")["stage"], None, f"{vm}: what ls and qemu-img info started")
    plan = read_json(mount.point / vm / "conversion.json")
    expect(plan["state"], "planned", f"{vm}: state in conversion.json")
    expect(plan["capabilities"]["block_bus"], "virtio", f"{vm}: block_bus")
    steps = {step["path"]: step for step in plan["steps"]}
    for path in ("/etc/fstab", "/boot/grub/grub.cfg"):
        if "+" not in steps[path]["diff"] or steps[path]["outcome"] is not None:
            raise AssertionError(f"{vm}: {path} has no diff, or an outcome: {steps[path]}")
    expect(read_json(mount.point / vm / "status.json")["state"], "unconverted", f"{vm}: state after the plan")


def edit(mount: Mount, vm: str) -> None:
    """guest/ has files as they will be; what is edited is kept as it is left."""
    guest = mount.point / vm / "guest"
    fstab = (guest / "etc/fstab").read_text()
    if "/dev/sda" in fstab or "UUID=" not in fstab:
        raise AssertionError(f"{vm}: guest/etc/fstab is not as planned: {fstab}")
    (guest / "etc/fstab").write_text(fstab.replace("errors=remount-ro", "errors=remount-ro,noatime"))
    (guest / "etc/issue").write_text("Converted and edited\n")
    file = mount.point / vm / "conversion.json"
    plan = read_json(file)  # SEMANTICS: "files whose edits wait among it"
    expect(file.stat().st_size, len(file.read_bytes()), f"{vm}: size of conversion.json")
    expect([step["path"] for step in plan["steps"] if step["path"] == "/etc/fstab"], [], f"{vm}: steps of what was edited")
    expect("/etc/fstab is left as it was edited" in plan["notes"], True, f"{vm}: a note of that in {plan['notes']}")


# SEMANTICS: "conversion.json has the outcome of each step and domain.xml virtio devices"
def check_converted(mount: Mount, vm: str, left_alone: tuple = ()) -> None:
    status, done = read_json(mount.point / vm / "status.json"), read_json(mount.point / vm / "conversion.json")
    expect(status["state"], "converted", f"{vm}: state")
    expect(done["state"], "converted", f"{vm}: state in conversion.json")
    expect([step for step in done["steps"] if step["outcome"] != "done"], [], f"{vm}: steps that are not done")
    expect([step["path"] for step in done["steps"] if step["path"] in left_alone], [], f"{vm}: steps on edited files")
    written = sum(disk["overlay_bytes"] for disk in status["disks"])
    if not 0 < written <= MOST_OVERLAY_BYTES:
        raise AssertionError(f"{vm}: {written} bytes were written")
    for path in sorted((mount.point / vm).glob("disk*.qcow2")):
        run("qemu-img", "check", "-q", path)


# SEMANTICS: "EBUSY: somebody uses a disk, or the guest was not shut down"
# SEMANTICS: "The disks' sizes do not change"
def convert_by_name(mount: Mount, vm: str) -> None:
    disk = mount.point / vm / "disk.qcow2"
    size = disk.stat().st_size
    with open(disk, "r+b"):
        expect_errno(errno.EBUSY, "convert beside a writer", lambda: (mount.point / vm / "ctl").write_text("convert\n"))
    steps = Steps()
    (mount.point / vm / "ctl").write_text("convert\n")
    steps.done(f"{vm}: converted")
    check_converted(mount, vm)
    expect(disk.stat().st_size, size, f"{vm}: size of disk.qcow2")


@contextlib.contextmanager
def stages_of(mount: Mount, vm: str):
    """Gives the list of what status.json says that goes on, while the block runs."""
    seen, ended = [], threading.Event()

    def look():
        while not ended.wait(0.2):
            stage = read_json(mount.point / vm / "status.json")["stage"]
            if stage and stage not in seen:
                seen.append(stage)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


# SEMANTICS: "A Linux guest is converted to virtio by the first access to content of any of its disks"
# SEMANTICS: "`stage` is null or what goes on now"
def boot(mount: Mount, vm: str, stages: list = ()) -> None:
    steps, size = Steps(), (mount.point / vm / "disk.qcow2").stat().st_size
    with Machine(mount.point / vm / "domain.xml") as machine:
        steps.done(f"{vm}: defined")
        with stages_of(mount, vm) as seen:
            console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
        expect([stage for stage in seen if stage in stages], list(stages), f"{vm}: stages among {seen}")
        steps.done(f"{vm}: started and logged in")
        for command, words in EXPECTED[vm]:
            answer = console.command(command)
            for word in words:
                if word not in answer:
                    raise AssertionError(f"{vm}: `{command}` has no `{word}`: {answer}")
        machine.power_off()
    steps.done(f"{vm}: commands, and powered off")
    expect((mount.point / vm / "disk.qcow2").stat().st_size, size, f"{vm}: size of disk.qcow2")


# SEMANTICS: "A guest that libvirt saved (`virsh managedsave`) was not shut down."
def saved_by_libvirt(mount: Mount, vm: str) -> None:
    """Nobody has its disks open, and yet it remembers their files."""
    hostname = mount.point / vm / "guest/etc/hostname"
    with Machine(mount.point / vm / "domain.xml") as machine:
        machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
        machine.save()
        expect_errno(errno.EBUSY, "an edit of a guest that was saved", lambda: hostname.write_text("edited\n"))
        expect("edited" in machine.start().command("cat /etc/hostname"), False, "the edit is in the guest")
        machine.power_off()
    hostname.write_text("edited\n")
    (mount.point / vm / "ctl").write_text("apply\n")
    with Machine(mount.point / vm / "domain.xml") as machine:
        console = machine.start_and_login(PASSWORD, LOGIN_SECONDS, tries=1)
        expect("edited" in console.command("cat /etc/hostname"), True, "the edit is in the guest once it was off")
        machine.power_off()


def mount_once_free(mount: Mount) -> None:
    """What the guest wrote is synced before the daemon ends, which takes long on a disk that is busy."""
    start = time.monotonic()
    while True:
        try:
            mount.mount()
            break
        except RuntimeError as error:
            if "is in use by" not in str(error) or time.monotonic() - start > LONGEST_END:
                raise
    print(f"      the state was free after {time.monotonic() - start:.0f} s", flush=True)


def remount(mount: Mount, vm: str) -> None:
    """What was converted is known to be, and starts no work."""
    mount.unmount()
    mount_once_free(mount)
    expect(read_json(mount.point / vm / "status.json")["state"], "converted", f"{vm}: state after a remount")
    if "virtio" not in (mount.point / vm / "domain.xml").read_text():
        raise AssertionError("domain.xml after a remount has no virtio")


def start_over(mount: Mount, vm: str) -> None:
    (mount.point / vm / "ctl").write_text("reset\n")
    expect(read_json(mount.point / vm / "status.json")["state"], "unconverted", f"{vm}: state after a reset")
    written = sum(disk["overlay_bytes"] for disk in read_json(mount.point / vm / "status.json")["disks"])
    expect(written, 0, f"{vm}: bytes that are left after a reset")


# SEMANTICS: "so `virsh start` fails with a message"
def refuse_to_start(vm: str) -> None:
    """There is no room for what a conversion writes: a message, and nothing is booted."""
    with Scene() as scene:
        scene.state.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", scene.state)
        mounted = scene.mount(make_vapp() / "shop.ova", f"convert=auto,{network_option()}")
        with Machine(mounted.vm(vm) / "domain.xml") as machine:
            said = virsh("start", machine.name, check=False)
            expect(virsh("domstate", machine.name), "shut off", f"{vm} after `{said}`")
        # libvirt's own errno for a file that it could not open has been seen to be another one's.
        if "unable to open" not in said or f"{vm}/disk.qcow2" not in said:
            raise AssertionError(f"virsh start: {said}")
        status = mounted.status(vm)
        expect((status["state"], status["error"]["code"]), ("failed", "conversion-failed"), f"{vm}: state")
        scene.unmount(mounted)


def kill_while_converting(vm: str, kills: int = 3) -> None:
    """The daemon is killed early, in the middle, and late: afterwards all of it has happened, or nothing."""
    with Scene() as scene:
        begun = time.monotonic()
        mounted = scene.run_daemon(make_vapp() / "shop.ova", "convert=auto")
        run("dd", f"if={mounted.disk(vm)}", "of=/dev/null", "bs=1M", "skip=100", "count=1")
        whole = time.monotonic() - begun
        for kill in range(kills):
            mounted.control("reset", vm)
            reader = subprocess.Popen(["dd", f"if={mounted.disk(vm)}", "of=/dev/null", "bs=1M", "skip=100", "count=1"],
                                      stderr=subprocess.DEVNULL)
            time.sleep(whole * (kill + 1) / (kills + 0.5))
            mounted.kill()
            reader.wait(60)
            mounted = scene.run_daemon(make_vapp() / "shop.ova", "convert=auto")
            status = mounted.status(vm)
            written = [disk["overlay_bytes"] > 0 for disk in status["disks"]]
            print(f"    killed after {whole * (kill + 1) / (kills + 0.5):.0f} s of {whole:.0f}: {status['state']}", flush=True)
            expect(status["error"], None, f"{vm}: error")
            expect(any(written), status["state"] == "converted", f"{vm} is {status['state']}: disks that were written to")
            for number in (1, 2):
                run("qemu-img", "check", "-q", mounted.disk(vm, number))
            expect(mounted.status(vm)["state"], "converted", f"{vm}: state after its disks were read")
        scene.unmount(mounted)


def main() -> int:
    cases = Cases("convert-boot", independent=False)
    mount, before = None, {}

    def prepare():
        nonlocal mount, before
        start_libvirt()
        ova = make_vapp() / "shop.ova"
        before = fingerprint([ova])
        mount = Mount(ova, f"accel=tcg,db/convert=off,{network_option()}")
        mount.mount()

    def source_untouched():
        mount.unmount()
        expect(fingerprint([mount.source]), before, "the source")

    try:
        if not cases.run("prepare", prepare):
            return cases.exit_code()
        cases.run("web-plan", lambda: show_plan(mount, "web"))
        cases.run("web-edited", lambda: edit(mount, "web"))
        cases.run("web-boots", lambda: boot(mount, "web", ["applying edits", "making initrds"]))
        cases.run("web-converted", lambda: check_converted(mount, "web", ("/etc/fstab",)))
        cases.run("remount", lambda: remount(mount, "web"))
        cases.run("web-saved", lambda: saved_by_libvirt(mount, "web"), full=True)
        cases.run("web-refuses-to-start", lambda: refuse_to_start("web"), full=True)
        cases.run("db-converts", lambda: convert_by_name(mount, "db"), full=True)
        cases.run("db-boots", lambda: boot(mount, "db"), full=True)
        cases.run("db-killed", lambda: kill_while_converting("db"), full=True)
        cases.run("reset", lambda: start_over(mount, "web"))
        cases.run("source-untouched", source_untouched)
    finally:
        if mount:
            mount.close()
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
