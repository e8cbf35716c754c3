#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspection.json through a mount: found once, kept, waited for without harm; appliances that hang, die or cannot start.

    inspect-mount.py [--quick|--full]
"""
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases, Skip, Steps  # noqa: E402
from inspecting import finished, need_appliance, processes_of, qemus_of, seconds_of, start_cat  # noqa: E402
from mount import make_vapp  # noqa: E402
from scene import Scene, expect, expect_errno, is_mounted, mount_points, need, run, wait_for  # noqa: E402

MIB = 1 << 20
LONGEST_APPLIANCE = 400  # under TCG on a busy machine
WAITERS = 200
AT_ONCE = 2.0            # what passes while somebody waits; a busy machine, but no appliance


def expect_at_once(what: str, body, limit: float = AT_ONCE) -> None:
    seconds = seconds_of(body)
    if seconds > limit:
        raise AssertionError(f"{what} took {seconds:.1f} s")


def inspecting(mounted, name: str = "") -> bool:
    return mounted.status(name)["stage"] == "inspecting"


def nothing_is_left(scene, daemon_processes: list) -> None:
    for pid, name in daemon_processes:
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists() or zombie(pid), f"{name} ({pid}) is gone")
    expect([point for point in mount_points() if "workshop-" in point and str(scene.folder) in point], [], "workshops")
    expect(list(scene.state.glob("workshop-*")), [], "workshop folders")


def zombie(pid: int) -> bool:
    """Of a daemon that was killed: nobody may reap in a container."""
    try:
        return " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def small_vms(scene, count: int = 2):
    """vm-0, vm-1, ...: disks without a guest, which an appliance needs as long to start for."""
    disks = [scene.vmdk(f"disk-{n}.vmdk", 4 * MIB, f"--seed={n + 1}") for n in range(count)]
    return scene.ovf("vms.ovf", [(f"vm-{n}", [disk]) for n, disk in enumerate(disks)])


# SEMANTICS: "pass meanwhile, also on the very file that somebody waits for"
def look_around(vm: pathlib.Path) -> None:
    """What passes at the very files that somebody waits for."""
    disk = vm / "disk.qcow2"
    expect_at_once("ls -l", lambda: run("ls", "-l", vm))
    expect_at_once("stat", lambda: (vm / "inspection.json").stat())
    expect_at_once("qemu-img info", lambda: run("qemu-img", "info", disk))
    expect_at_once("chown", lambda: os.chown(disk, 65534, 65534))
    expect_at_once("setxattr", lambda: os.setxattr(disk, "user.test", b"1"))
    expect_at_once("fsync", lambda: run("sync", disk))
    expect_at_once("read", lambda: run("dd", f"if={disk}", "of=/dev/null", "bs=1M", "skip=20", "count=1"))


# SEMANTICS: "ends within 100 ms of a signal (EINTR); the work goes on for others"
def interrupted_wait_ends(text: pathlib.Path) -> None:
    """As the best of several: on a busy machine a process may wait for the processor."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        times = []
        for _ in range(4):
            cat = start_cat(text)
            time.sleep(0.3)
            expect(cat.poll(), None, "the second cat waits")
            start = time.monotonic()
            cat.send_signal(number)
            cat.wait(10)
            times.append(time.monotonic() - start)
            cat.communicate()
        if min(times) > 0.1:
            raise AssertionError(f"a wait ended {min(times):.2f} s after signal {number}")


# SEMANTICS: "starts an appliance and returns when the text is there"
def real_guest():
    """A Debian guest: the first cat waits, meanwhile everything else passes; the next is there at once, also after a remount."""
    need_appliance()
    need("qemu-img")
    vapp = make_vapp()
    with Scene() as scene:
        steps = Steps()
        source = next(vapp.glob("*.ova"))
        mounted = scene.run_daemon(source)
        vm = mounted.vm("web")
        text = vm / "inspection.json"
        expect(text.stat().st_size, 0, "size before the first opening")
        cat = start_cat(text)
        wait_for(lambda: inspecting(mounted, "web"), "it is inspected")
        look_around(vm)
        look_around(mounted.vm("db"))
        interrupted_wait_ends(text)
        steps.done("looked around, interrupted")
        code, out, said = finished(cat, LONGEST_APPLIANCE)
        expect((code, said), (0, ""), "cat")
        steps.done("cat inspection.json")
        found = json.loads(out)
        guest = found["guests"][0]
        expect((guest["distro"], guest["hostname"]), ("debian", "web"), "guest")
        expect(text.stat().st_size, len(out), "size afterwards")
        wait_for(lambda: not qemus_of(mounted.daemon), "the appliance is gone")
        expect_at_once("the second cat", lambda: expect(text.read_bytes(), out, "the second text"), 0.5)
        expect((vm / "inspection.xml").read_bytes().count(b"<operatingsystem>"), 1, "guests in inspection.xml")
        scene.unmount(mounted)
        mounted = scene.run_daemon(source)
        expect((mounted.vm("web") / "inspection.json").stat().st_size, len(out), "size after a remount")
        expect_at_once("cat after a remount",
                       lambda: expect((mounted.vm("web") / "inspection.json").read_bytes(), out, "the kept text"), 0.5)
        expect(processes_of(mounted.daemon), [], "processes")
        scene.unmount(mounted)


# SEMANTICS: "A wait has no limit, costs no thread"
def many_wait():
    """Two hundred wait, without a thread; each can stop waiting; the end of the mount is an answer for all."""
    need_appliance()
    with Scene() as scene:
        mounted = scene.run_daemon(small_vms(scene))
        text = mounted.vm("vm-0") / "inspection.json"
        cats = [start_cat(text)]
        wait_for(lambda: processes_of(mounted.daemon), "the appliance's process")
        for pid, _ in processes_of(mounted.daemon):
            os.kill(pid, signal.SIGSTOP)  # so that the wait lasts
        cats += [start_cat(text) for _ in range(WAITERS)]
        time.sleep(2)
        expect([cat.poll() for cat in cats], [None] * len(cats), "all wait")
        threads = len(os.listdir(f"/proc/{mounted.daemon.pid}/task"))
        print(f"    {len(cats)} wait, the daemon has {threads} threads")
        if threads > 40:
            raise AssertionError(f"{threads} threads: waiting costs threads")
        look_around(mounted.vm("vm-0"))
        look_around(mounted.vm("vm-1"))
        interrupted_wait_ends(text)
        below = processes_of(mounted.daemon)
        mounted.daemon.terminate()
        for cat in cats:
            expect(finished(cat, 20)[0], 1, "exit code of cat when the mount ended")
        expect(mounted.daemon.wait(30), 0, "exit code")
        nothing_is_left(scene, below)


# SEMANTICS: "EBUSY if there is none"
def written_to():
    """While somebody writes: the last text, or EBUSY; afterwards it is found again."""
    need_appliance()
    with Scene() as scene:
        mounted = scene.run_daemon(small_vms(scene, 1))
        text, disk = mounted.vm() / "inspection.json", mounted.disk()
        cat = start_cat(text)
        wait_for(lambda: qemus_of(mounted.daemon), "the appliance starts", 120)
        with open(disk, "r+b", buffering=0) as writer:
            code, _, said = finished(cat, 20)
            expect((code, "busy" in said), (1, True), f"cat when a writer came ({said})")
            wait_for(lambda: not qemus_of(mounted.daemon), "the appliance is ended for the writer")
            expect_errno(errno.EBUSY, "inspection beside a writer", lambda: text.read_bytes())
            expect(mounted.status()["error"], None, "no failure")
        first = text.read_bytes()
        expect(json.loads(first)["guests"], [], "guests")
        with open(disk, "r+b", buffering=0) as writer:
            expect(text.read_bytes(), first, "beside a writer that wrote nothing")
            os.pwrite(writer.fileno(), b"x" * 512, 20 * MIB)
            expect(text.read_bytes(), first, "the last one beside a writer")
        mounted.no_holders()
        second = json.loads(text.read_bytes())
        if second["as_of"] == json.loads(first)["as_of"]:
            raise AssertionError("it was not inspected again")
        scene.unmount(mounted)


# SEMANTICS: "a qemu without network"
def stop_appliance(mounted) -> None:
    """A qemu that stands still, and has no network; libguestfs's own process waits for it."""
    wait_for(lambda: qemus_of(mounted.daemon), "the appliance starts", 120)
    for pid in qemus_of(mounted.daemon):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        expect(("-nodefaults" in words, [word for word in words if "net" in word]), (True, []), f"qemu's network ({words})")
        os.kill(pid, signal.SIGSTOP)


# SEMANTICS: "One that shows no progress for `appliance-timeout` seconds (300) is killed"
# SEMANTICS: "`error` in status.json says why (`inspection-failed`)"
def hung_appliance():
    """Ended after appliance-timeout, reported; the next open tries again; another VM does not notice."""
    need_appliance()
    with Scene() as scene:
        mounted = scene.run_daemon(small_vms(scene), "appliance-timeout=10")
        text = mounted.vm("vm-0") / "inspection.json"
        cat = start_cat(text)
        stop_appliance(mounted)
        look_around(mounted.vm("vm-1"))
        code, _, said = finished(cat, 60)
        expect((code, "Input/output error" in said), (1, True), f"cat of a hung appliance ({said})")
        error = mounted.status("vm-0")["error"]
        expect(error["code"], "inspection-failed", f"error ({error})")
        expect(mounted.status("vm-1")["error"], None, "error of the other VM")
        wait_for(lambda: not processes_of(mounted.daemon), "the appliance is ended")
        expect(json.loads(text.read_bytes())["guests"], [], "guests at the next attempt")
        expect(mounted.status("vm-0")["error"], None, "error afterwards")
        scene.unmount(mounted)


# SEMANTICS: "unmounting, and the death of the daemon however it dies, end all of them"
def ends_with_the_mount():
    """SIGTERM while somebody waits: the wait ends, appliance and workshop are gone."""
    need_appliance()
    with Scene() as scene:
        mounted = scene.run_daemon(small_vms(scene, 1))
        cat = start_cat(mounted.vm() / "inspection.json")
        wait_for(lambda: qemus_of(mounted.daemon), "the appliance starts", 120)
        below = processes_of(mounted.daemon)
        mounted.daemon.terminate()
        code, _, said = finished(cat, 20)
        expect(code, 1, f"cat of a mount that ended ({said})")
        expect(mounted.daemon.wait(30), 0, "exit code")
        nothing_is_left(scene, below)
        expect(is_mounted(mounted.point), False, "mounted")


# SEMANTICS: "if the daemon was killed, the next start removes it"
# SEMANTICS: "the death of the daemon however it dies"
def daemon_is_killed():
    """kill -9: the appliance dies with the daemon, and the next mount takes the dead workshop away."""
    need_appliance()
    with Scene() as scene:
        ovf = small_vms(scene, 1)
        mounted = scene.run_daemon(ovf)
        cat = start_cat(mounted.vm() / "inspection.json")
        wait_for(lambda: qemus_of(mounted.daemon), "the appliance starts", 120)
        below = processes_of(mounted.daemon)
        expect(len(list(scene.state.glob("workshop-*"))), 1, "workshops")
        mounted.kill()
        finished(cat, 20)
        again = scene.run_daemon(ovf)
        nothing_is_left(scene, below)
        scene.unmount(again)


# SEMANTICS: "At most `appliances=N` run at once"
def many_at_once():
    """Four VMs asked at once with two places: all answer, never more than two appliances, looking around stays quick."""
    need_appliance()
    with Scene() as scene:
        mounted = scene.run_daemon(small_vms(scene, 5), "appliances=2")
        cats = [start_cat(mounted.vm(f"vm-{n}") / "inspection.json") for n in range(4)]
        most, looks = 0, []
        while any(cat.poll() is None for cat in cats):
            most = max(most, len(qemus_of(mounted.daemon)))
            looks.append(seconds_of(lambda: list(os.scandir(mounted.vm("vm-4")))))
            time.sleep(0.2)
        for cat in cats:
            code, out, said = finished(cat, 10)
            expect((code, said), (0, ""), "cat")
            expect(json.loads(out)["guests"], [], "guests")
        expect(most, 2, "appliances at once")
        looks.sort()
        print(f"    ls of an idle VM: median {looks[len(looks) // 2] * 1000:.1f} ms of {len(looks)}")
        if looks[len(looks) // 2] > 0.05:
            raise AssertionError("looking around is slow meanwhile")
        scene.unmount(mounted)


# SEMANTICS: "It needs a kernel in /boot that can be read"
def no_kernel():
    """Without a kernel the appliance cannot start, and the error names the package."""
    need("unshare")
    with Scene() as scene:
        ovf = small_vms(scene, 1)
        point = scene.point()
        script = f"""
            mount -t tmpfs none /boot || exit 77
            "$@" || exit 1
            cat '{point}/vm-0/inspection.json' && exit 2
            cat '{point}/vm-0/status.json'
            umount '{point}'
        """
        scene.watch(ovf)
        done = run("unshare", "-m", "sh", "-c", script, "sh", *scene.command(ovf, point), check=False)
        if done.returncode == 77 or "unshare failed" in done.text:
            raise Skip("mounting in a namespace")
        expect(done.returncode, 0, f"cat without a kernel ({done.text[-300:]})")
        if "linux-image" not in done.text or "inspection-failed" not in done.text:
            raise AssertionError(f"the error names no package: {done.text[-600:]}")


def unreadable_disk():
    """A disk that is missing: EIO at once, with its name, and nothing is started."""
    with Scene() as scene:
        scene.vmdk("disk.vmdk", 4 * MIB)
        mounted = scene.run_daemon(scene.ovf("vm.ovf", [("vm", ["disk.vmdk", "gone.vmdk"])]))
        expect_errno(errno.EIO, "inspection", lambda: (mounted.vm() / "inspection.json").read_bytes())
        if "gone.vmdk" not in str(mounted.status()["error"]):
            raise AssertionError(f"the error does not name the disk: {mounted.status()['error']}")
        expect(processes_of(mounted.daemon), [], "processes")
        expect(list(scene.state.glob("workshop-*")), [], "workshops")
        scene.unmount(mounted)


def main() -> int:
    cases = Cases("inspect-mount")
    cases.run("unreadable-disk", unreadable_disk)
    cases.run("no-kernel", no_kernel)
    cases.run("many-wait", many_wait)
    cases.run("real-guest", real_guest)
    cases.run("hung-appliance", hung_appliance, full=True)
    cases.run("written-to", written_to, full=True)
    cases.run("many-at-once", many_at_once, full=True)
    cases.run("ends-with-the-mount", ends_with_the_mount)
    cases.run("daemon-is-killed", daemon_is_killed, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
