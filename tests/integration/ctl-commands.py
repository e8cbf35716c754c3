#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""v2vfsctl's other commands on a real mount: status, words of ctl, inspect, diff, umount; what they print and end with.

    ctl-commands.py [--full]
"""
import errno
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from ctl import (BUSY, CTL, FAILED, INTERRUPTED, MIB, NOT_THERE, OK, UNSUPPORTED, USAGE, ctl, end_of, need_ctl,  # noqa: E402
                 start_ctl)
from mount import PROJECT  # noqa: E402
from scene import Scene, expect, expect_errno, is_mounted, need, run, wait_for, write_ovf  # noqa: E402


def two_vms(scene):
    return scene.ovf("two.ovf", [("web", [scene.vmdk("a.vmdk", 8 * MIB), scene.vmdk("b.vmdk", 5 * MIB)]),
                                 ("db", [scene.vmdk("c.vmdk", 3 * MIB)])])


def expect_in(part: str, text: str) -> None:
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def on_a_terminal(*words, seconds: float = 30, until: str = "", then: bytes = b"", no_color: str = "") -> str:
    """What it writes on a terminal of 80 columns; `then` is typed when it has written `until`."""
    need_ctl()
    master, slave = pty.openpty()
    os.set_inheritable(slave, True)
    subprocess.run(["stty", "-F", os.ttyname(slave), "cols", "80", "rows", "24"], check=True)
    child = subprocess.Popen([str(word) for word in (CTL, *words)], stdin=slave, stdout=slave, stderr=slave,
                             start_new_session=True, env={**os.environ, "TERM": "xterm", "NO_COLOR": no_color},
                             preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
    os.close(slave)
    text, deadline = "", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                text += os.read(master, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        if then and until in text:
            os.write(master, then)
            then = b""
    child.kill()
    child.wait()
    os.close(master)
    return text


def status_in_a_pipe():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        text = ctl("status", mounted.point)
        expect_in(f"{mounted.point}  {scene.source / 'two.ovf'}", text)
        lines = text.splitlines()
        expect(lines[1].split(), ["VM", "STATE", "NOW", "DISKS", "SIZE", "WRITTEN", "USED", "BY"], "titles")
        expect(lines[2].split(), "db unconverted - 1 3.0 MiB 0 B -".split(), "db")
        expect("\x1b" in text, False, "escape sequences in a pipe")
        with open(mounted.disk("web"), "r+b"):
            expect_in(f"({os.getpid()})", ctl("status", mounted.vm("web")))
        expect(ctl("status", mounted.vm("web")).count("unconverted"), 1, "VMs of one that was named")
        # Of every mount there is: others may be there, and one that is dead is said with an exit code.
        expect_in(str(mounted.point), run(CTL, "status", check=False).text)


# SEMANTICS: "MOUNTPOINT/status.json has `version`, `source`, `state_dir` and `vms`"
def status_as_json():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        status = json.loads(ctl("status", "--json", mounted.point, mounted.vm("db")))
        expect([mount["mountpoint"] for mount in status], [str(mounted.point)], "mounts")
        own = json.loads((mounted.point / "status.json").read_text())
        expect({key: value for key, value in status[0].items() if key not in ("mountpoint", "vms")},
               {key: value for key, value in own.items() if key != "vms"}, "what the mount says")
        expect([vm["vm"] for vm in status[0]["vms"]], ["db"], "VMs")


def status_of_what_is_wrong():
    with Scene() as scene:
        ovf = two_vms(scene)
        (scene.source / "c.vmdk").unlink()
        mounted = scene.mount(ovf)
        text = ctl("status", mounted.point)
        expect_in("unusable", text)
        expect_in("-> ", text)  # what to do
        ctl("export", mounted.point / "db", scene.folder / "out", code=FAILED, says="What to do: ")


# SEMANTICS: "Colours are for terminals, and NO_COLOR is heeded"
def status_on_a_terminal():
    with Scene() as scene:
        ovf = two_vms(scene)
        (scene.source / "c.vmdk").unlink()
        mounted = scene.mount(ovf)
        text = on_a_terminal("status", mounted.point)
        expect_in("\x1b[31munusable\x1b[0m", text)
        plain = on_a_terminal("status", mounted.point, no_color="1")
        expect(("unusable" in plain, "\x1b[31m" in plain), (True, False), f"colours with NO_COLOR in {plain!r}")
        watched = on_a_terminal("status", "--watch", mounted.point, until="web", then=b"\x03")
        expect_in("\x1b[H\x1b[J", watched)


def watch_in_a_pipe():
    """A line of JSON whenever something is different."""
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        child = start_ctl("status", "--watch", "--json", mounted.point)
        first = json.loads(child.stdout.readline())
        expect(first[0]["vms"][1]["disks"][0]["holders"], [], "holders")
        with open(mounted.disk("web"), "r+b"):
            second = json.loads(child.stdout.readline())
            expect(second[0]["vms"][1]["disks"][0]["holders"][0]["kind"], "writer", "holders")
        child.terminate()
        child.wait()


# SEMANTICS: "`echo WORD > ctl` returns when it is done"
# SEMANTICS: "What fails for one VM keeps no other back"
def words_of_ctl():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        expect_in("grains were inflated and checked", ctl("verify", mounted.point / "web"))
        with open(mounted.disk("web"), "r+b") as disk:
            disk.write(b"x" * 4096)
            ctl("reset", mounted.vm("web"), code=BUSY, says=f"({os.getpid()})")
        mounted.no_holders("web")
        ctl("reset", mounted.point)
        expect(mounted.status("web")["disks"][0]["overlay_bytes"], 0, "bytes after reset")
        for word in ("apply", "discard-edits", "force"):
            ctl(word, mounted.vm("db"))
        expect(ctl("--quiet", "freeze", mounted.vm("db")), "", "words of --quiet")
        expect(mounted.status("db")["disks"][0]["frozen"], True, "frozen")
        # One that fails does not keep the others back.
        text = ctl("reset", mounted.vm("db"), mounted.vm("web"), code=FAILED)
        expect_in("db: reset failed: its disks were frozen", text)
        expect_in("web: as the source has it", text)


# SEMANTICS: "(`integrity.state` is `unchecked` where no grain has a checksum; ESTALE where the source changed)"
def verify_promises_nothing():
    with Scene() as scene:
        scene.vmdk("bare.vmdk", MIB, "--type=monolithicSparse")
        ovf = scene.ovf("vm.ovf", [("bare", [scene.source / "bare.vmdk"]), ("gone", [scene.source / "gone.vmdk"])])
        mounted = scene.mount(ovf)
        expect_in("bare: not checked: no grain is deflated", ctl("verify", mounted.vm("bare")))
        ctl("verify", mounted.vm("gone"), code=FAILED, says="gone.vmdk")
        os.truncate(scene.source / "bare.vmdk", 4096)
        scene.watch(ovf)
        time.sleep(1.1)  # how often the source is looked at
        ctl("verify", mounted.vm("bare"), code=FAILED, says="was changed while it is mounted")
        expect(mounted.status("bare")["error"] is None, False, "an error in status.json")


# SEMANTICS: "Reading ctl gives the words"
def folder_is_copied_whole():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene), "guest=off")
        words = (mounted.vm("web") / "ctl").read_text()
        for word in ("convert", "verify", "freeze"):
            expect_in(word, words)
        expect((mounted.vm("web") / "ctl").stat().st_size, len(words), "size of ctl")
        for name in ("inspection.json", "inspection.xml", "conversion.json"):
            expect((mounted.vm("web") / name).exists(), True, name)
        files = ["ctl", "disk.qcow2", "domain.xml", "domain-compat.xml", "status.json"]
        run("tar", "-C", mounted.vm("web"), "-cf", scene.folder / "web.tar", *files)
        run("cp", *[mounted.vm("web") / name for name in files], scene.folder)


def read_only_mount():  # SEMANTICS: "On a mount with `-o ro` no word can be written"
    with Scene() as scene:
        ctl("verify", scene.mount(two_vms(scene), "ro").vm("web"), code=FAILED, says="this is mounted with -o ro")


def another_users_mount():
    need("setpriv")
    with Scene() as scene:
        scene.folder.chmod(0o755)
        program = shutil.copy(CTL, scene.folder / "v2vfsctl")  # perhaps below a home that is closed to others
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program]
        ovf = two_vms(scene)
        for options in ("noallow_other", "allow_other"):
            mounted = scene.mount(ovf, options)
            expect_in("was mounted by somebody else", run(*nobody, "umount", mounted.point, check=False).text)
            expect(is_mounted(mounted.point), True, f"mounted still with {options}")
            scene.unmount(mounted)


def full_output():
    with Scene() as scene, open("/dev/full", "w") as full:
        mounted = scene.mount(two_vms(scene))
        for words in (["--help"], ["status", str(mounted.point)]):
            expect(subprocess.run([CTL, *words], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode, FAILED, words)


def watch_ends_with_its_reader():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        script = f"{CTL} status --watch {mounted.point} | head -1"
        expect_in(str(mounted.point), run("sh", "-c", script, timeout=30).text)


def damage_is_said():
    with Scene() as scene:
        shutil.copy(PROJECT / "tests/bad/vmdk/stream-flipped-bit.vmdk", scene.source / "disk.vmdk")
        mounted = scene.mount(scene.ovf("vm.ovf", [("vm", ["disk.vmdk"])]))
        expect_in("damaged", ctl("verify", mounted.vm(), code=FAILED))
        expect_in("damaged", ctl("status", mounted.point))
        expect_in("so is the copy", ctl("export", mounted.vm(), scene.folder / "out"))


# SEMANTICS: "2 no such mount, VM or domain"
# SEMANTICS: "by its name where one mount only has it"
def what_is_not_there():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        for words in (["status", "/nowhere"], ["inspect", scene.folder], ["convert", "no-such-vm"], ["umount", "/"]):
            ctl(*words, code=NOT_THERE, says="is neither a mount of v2vfs nor a VM in one")
        for words in ([], ["no-such-command"], ["export"], ["status", "--no-such-flag"], ["pull", mounted.vm("web")]):
            ctl(*words, code=USAGE, says="v2vfsctl --help")
        ctl("pull", mounted.point, scene.folder, code=USAGE, says="name one of")
        ovf = write_ovf(scene.folder / "other.ovf", [("web", [MIB])])
        scene.watched[str(ovf)] = {}  # the folder that it lies in is the scene's own
        other = scene.mount(ovf, point=scene.point("other"), state=scene.folder / "s2")
        ctl("reset", "web", code=USAGE, says="several mounts have a VM")
        ctl("reset", other.vm("web"))
        del scene.watched[str(ovf)]


def dead_mount():
    with Scene() as scene:
        mounted = scene.run_daemon(two_vms(scene))
        mounted.kill()
        ctl("status", mounted.point, code=NOT_THERE, says="mount it again")
        ctl("umount", mounted.point)
        expect(is_mounted(mounted.point), False, "mounted")


# SEMANTICS: "`umount` names who uses a mount that it cannot unmount (4)"
# SEMANTICS: "nothing that was acknowledged is lost"
def umount_says_who():
    with Scene() as scene:
        mounted = scene.run_daemon(two_vms(scene))
        ctl("umount", mounted.vm("web"), code=USAGE, says="as a whole")
        sitting = subprocess.Popen(["sleep", "600"], cwd=mounted.vm("web"))
        disk = os.open(mounted.disk("web"), os.O_RDWR)
        os.pwrite(disk, b"acknowledged", 20 * MIB)
        text = ctl("umount", mounted.point, code=BUSY, says="is in use:")
        expect_in(f"web/disk.qcow2 is written by {comm(os.getpid())} ({os.getpid()})", text)
        expect_in(f"sleep ({sitting.pid}) has a file open or its working folder there", text)
        expect(is_mounted(mounted.point), True, "mounted")
        ctl("umount", "--force", mounted.point, says="these get errors now:")
        wait_for(lambda: not is_mounted(mounted.point), "unmounted")
        expect_errno(errno.ENOTCONN, "a read of a mount that is gone", lambda: os.pread(disk, 1, 0))
        expect_errno(errno.ENOTCONN, "closing it", lambda: os.close(disk))
        sitting.kill()
        sitting.wait()
        expect(mounted.daemon.wait(30), 0, "exit code of the daemon")
        mounted = scene.mount(scene.source / "two.ovf")
        with open(mounted.disk("web"), "rb") as file:
            expect(os.pread(file.fileno(), 12, 20 * MIB), b"acknowledged", "what was written before")
        mounted.no_holders("web")
        ctl("umount", mounted.point, says="is unmounted")


def comm(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def interrupted_word():  # SEMANTICS: "An interrupt ends the wait, not the work"
    need("strace")
    with Scene() as scene:
        ovf = scene.one_disk(8 * MIB)
        disk = next(scene.source.glob("*.vmdk"))
        # Grain by grain, each a tenth of a second.
        slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", disk, "-e", "trace=pread64", "-e", "inject=pread64:delay_exit=100000"]
        mounted = scene.run_daemon(ovf, prefix=slow)
        shell = subprocess.Popen(["sh", "-c", "echo verify > ctl"], cwd=mounted.vm(), stdin=subprocess.DEVNULL)
        time.sleep(1)
        expect(shell.poll(), None, "the shell that waits")
        shell.send_signal(signal.SIGINT)
        expect(shell.wait(timeout=5), -signal.SIGINT, "the shell that was interrupted")
        expect(mounted.status()["integrity"]["state"] == "good", False, "the work is done already")
        wait_for(lambda: mounted.status()["integrity"]["state"] == "good", "the work ends all the same", 120)


# SEMANTICS: "6 not possible with this guest, 130 interrupted"
def inspect_and_diff():
    """A disk without a system: no guest boots, but an appliance looks."""
    with Scene() as scene:
        mounted = scene.mount(scene.one_disk(4 * MIB))
        child = start_ctl("inspect", mounted.vm())
        time.sleep(2)
        child.send_signal(2)
        end_of(child, INTERRUPTED)
        expect_in("no-root", ctl("inspect", mounted.vm()))
        expect_in("# vm: unsupported", ctl("diff", mounted.vm()))
        ctl("convert", mounted.vm(), code=UNSUPPORTED, says="v2vfsctl diff")
        expect(ctl("--quiet", "diff", mounted.vm(), code=OK).startswith("# vm"), True, "a diff")


def main() -> int:
    cases = Cases("ctl-commands")
    cases.run("status-in-a-pipe", status_in_a_pipe)
    cases.run("status-as-json", status_as_json)
    cases.run("status-of-what-is-wrong", status_of_what_is_wrong)
    cases.run("status-on-a-terminal", status_on_a_terminal)
    cases.run("watch-in-a-pipe", watch_in_a_pipe)
    cases.run("words-of-ctl", words_of_ctl)
    cases.run("interrupted-word", interrupted_word)
    cases.run("verify-promises-nothing", verify_promises_nothing)
    cases.run("folder-is-copied-whole", folder_is_copied_whole)
    cases.run("read-only-mount", read_only_mount)
    cases.run("another-users-mount", another_users_mount)
    cases.run("full-output", full_output)
    cases.run("watch-ends-with-its-reader", watch_ends_with_its_reader)
    cases.run("damage-is-said", damage_is_said)
    cases.run("what-is-not-there", what_is_not_there)
    cases.run("dead-mount", dead_mount)
    cases.run("umount-says-who", umount_says_who)
    cases.run("inspect-and-diff", inspect_and_diff, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
