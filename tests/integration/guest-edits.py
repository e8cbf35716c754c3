#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Edits under guest/ reach the disks: by the programs that people use, after a crash, beside readers and a VM.

    guest-edits.py [--quick|--full]
"""
import errno
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases, Skip, Steps  # noqa: E402
from mount import make_vapp  # noqa: E402
from scene import Scene, expect, expect_errno, need, run, wait_for  # noqa: E402

ROOT_OFFSET = 1 << 20
ADDRESS, NEW_ADDRESS = "192.168.50.11", "192.168.50.77"
INTERFACES = "etc/network/interfaces"


def need_appliance() -> None:
    need("qemu-system-x86_64", "supermin", "debugfs", "qemu-img")
    if not list(pathlib.Path("/boot").glob("vmlinuz-*")):
        raise Skip("a kernel in /boot")


class Disk:
    """The guest's root file system as disk.qcow2 shows it, without v2vfs's own eyes."""

    def __init__(self, scene, disk: pathlib.Path):
        run("qemu-img", "check", "-q", disk)
        self.raw = scene.folder / "web.raw"
        run("qemu-img", "convert", "-O", "raw", disk, self.raw)
        self.root = f"{self.raw}?offset={ROOT_OFFSET}"

    def ask(self, request: str) -> str:
        done = subprocess.run(["debugfs", "-R", request, self.root], stdin=subprocess.DEVNULL, capture_output=True)
        return done.stdout.decode(errors="replace")

    def text(self, path: str) -> str:
        return self.ask(f"cat /{path}")

    def names(self, folder: str) -> list:
        return [line.split("/")[5] for line in self.ask(f"ls -p /{folder}").splitlines() if line.startswith("/")]

    def mode_owner(self, path: str) -> tuple:
        words = self.ask(f"stat /{path}").split()
        value = {key: words[words.index(key) + 1] for key in ("Mode:", "User:", "Group:")}
        return value["Mode:"], value["User:"], value["Group:"]

    def check(self) -> None:
        run("e2fsck", "-f", "-n", self.root)
        self.raw.unlink()


def with_vim(path: pathlib.Path) -> None:
    vim = shutil.which("vim") or shutil.which("vim.tiny")
    if not vim:
        raise Skip("vim")
    run(vim, "-u", "NONE", "-i", "NONE", "-n", "-es", "-c", "%s/old/by vim/", "-c", "wq", path)


def with_vim_and_swap(path: pathlib.Path) -> None:
    """As people have it: a swap file beside the file, and a backup while it is written."""
    vim = shutil.which("vim") or shutil.which("vim.tiny")
    run(vim, "-u", "NONE", "-i", "NONE", "-es", "-c", "set swapfile writebackup", "-c", "%s/old/by vim/", "-c", "wq", path)


def with_nano(path: pathlib.Path) -> None:
    """Typed into a terminal of its own: a line in front, ^O, Enter, ^X."""
    need("nano", "script")
    typed = b"by nano\r\x0f\r\x18"
    run("sh", "-c", f"(sleep 1; printf '%s' \"$0\"; sleep 1) | TERM=xterm script -qec 'nano --ignorercfiles \"{path}\"' /dev/null",
        typed.decode("latin-1"), timeout=60)


def with_patch(path: pathlib.Path) -> None:
    need("patch")
    change = f"--- a/{path.name}\n+++ b/{path.name}\n@@ -1 +1 @@\n-old\n+by patch\n"
    subprocess.run(["patch", "-d", path.parent, "-p1"], input=change.encode(), check=True, capture_output=True, timeout=60)


def with_cp(path: pathlib.Path) -> None:
    other = path.parent / "other"
    other.write_text("by cp\n")
    run("cp", other, path)
    run("rm", other)


def with_mv(path: pathlib.Path) -> None:
    other = path.parent / "other"
    other.write_text("by mv\n")
    run("mv", other, path)


WRITERS = {
    "vim": (with_vim, "by vim\n"),
    "vim-swap": (with_vim_and_swap, "by vim\n"),
    "nano": (with_nano, "by nano\nold\n"),
    "sed": (lambda path: run("sed", "-i", "s/old/by sed/", path), "by sed\n"),
    "cp": (with_cp, "by cp\n"),
    "mv": (with_mv, "by mv\n"),
    "echo": (lambda path: run("sh", "-c", "echo by echo >> $0", path), "old\nby echo\n"),
    "tee": (lambda path: run("sh", "-c", "echo by tee | tee $0", path), "by tee\n"),
    "patch": (with_patch, "by patch\n"),
}


def use_programs(folder: pathlib.Path) -> dict:
    """Each on a file of its own; what the files hold then, by name. Nothing else is left in the folder."""
    folder.mkdir()
    wanted = {}
    for name, (write, text) in WRITERS.items():
        path = folder / name
        path.write_text("old\n")
        try:
            write(path)
        except Skip as missing:
            print(f"    without {missing}")
            text = "old\n"
        expect(path.read_text(), text, f"what {name} wrote")
        wanted[name] = text
    expect(sorted(os.listdir(folder)), sorted(wanted), "files of the folder")
    done = run("git", "diff", "--no-index", "--", folder / "tee", folder / "sed", check=False)
    expect((done.returncode, "+by sed" in done.text), (1, True), "git diff --no-index")
    return wanted


def edit_web(guest: pathlib.Path) -> None:
    """The user's own: another name, another address."""
    run("sed", "-i", f"s/{ADDRESS}/{NEW_ADDRESS}/", guest / INTERFACES)
    (guest / "etc/hostname").write_text("shopfront\n")


# SEMANTICS: "Special files are shown without device numbers and cannot be opened"
def special_files(guest: pathlib.Path) -> None:
    """Shown, not opened, and nobody waits for one."""
    start = time.monotonic()
    for path in [guest / "dev" / name for name in os.listdir(guest / "dev")]:
        if path.is_symlink() or path.is_dir() or path.is_file():
            continue
        try:
            os.close(os.open(path, os.O_RDONLY))
            raise AssertionError(f"{path} was opened")
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.EACCES):
                raise
    if time.monotonic() - start > 20:
        raise AssertionError("somebody waited for a special file")


# SEMANTICS: "also after the death of the daemon or a power cut, and is seen at once"
def real_guest() -> None:
    """Every program once; the daemon is killed; then all of it is in the disk, and nothing else."""
    need_appliance()
    with Scene() as scene:
        steps = Steps()
        source = make_vapp() / "shop.ova"
        mounted = scene.run_daemon(source)
        guest = mounted.vm("web") / "guest"
        before = (guest / "etc/hosts").stat().st_mode & 0o7777
        steps.done("the guest is there")
        edit_web(guest)
        wanted = use_programs(guest / "etc/written")
        (guest / "etc/hosts").chmod(0o640)
        special_files(guest)
        steps.done("edited")
        status = mounted.status("web")
        if f"/{INTERFACES}" not in status["edits"]["pending"]:
            raise AssertionError(f"edits: {status['edits']}")
        mounted.kill()
        mounted = scene.run_daemon(source)
        expect((mounted.vm("web") / "guest/etc/hostname").read_text(), "shopfront\n", "after the daemon was killed")
        steps.done("killed, mounted, read")
        mounted.control("apply", "web")
        steps.done("applied")
        status = mounted.status("web")
        expect((status["edits"]["pending"], status["error"], status["stage"]), ([], None, None), "status")
        disk = Disk(scene, mounted.disk("web"))
        expect(disk.text("etc/hostname"), "shopfront\n", "etc/hostname")
        if NEW_ADDRESS not in disk.text(INTERFACES):
            raise AssertionError(f"{INTERFACES}: {disk.text(INTERFACES)}")
        for name, text in wanted.items():
            expect(disk.text(f"etc/written/{name}"), text, f"{name} in the disk")
        expect(sorted(set(disk.names("etc/written")) - {".", ".."}), sorted(wanted), "files in the disk")
        expect(disk.mode_owner("etc/hosts"), ("0640", "0", "0"), f"etc/hosts, was {before:o}")
        if leftovers := [name for name in disk.names("etc") if name.endswith((".swp", "~", ".new"))]:
            raise AssertionError(f"left in the guest: {leftovers}")
        disk.check()
        steps.done("the disk has it")
        scene.unmount(mounted)


# SEMANTICS: "All that wait go in together, into all disks of the VM, or none does"
def killed_while_applied(kills: int):
    """kill -9 at random moments of an apply: before or after, in a file system that is whole."""
    def body():
        need_appliance()
        with Scene() as scene:
            source = make_vapp() / "shop.ova"
            rng = random.Random(3)
            mounted = scene.run_daemon(source)
            seen = {"old": 0, "new": 0}
            for kill in range(kills):
                guest = mounted.vm("web") / "guest"
                name = guest / "etc/hostname"
                name.write_text(f"name-{kill}\n")
                (guest / "etc/second").write_text(f"name-{kill}\n")
                apply = subprocess.Popen(["sh", "-c", f"echo apply > {mounted.vm('web')}/ctl"], stderr=subprocess.DEVNULL)
                wait_for(lambda: mounted.status("web")["stage"] == "applying", "it is applied")
                time.sleep(rng.uniform(0, 40))
                mounted.kill()
                apply.wait(20)
                mounted = scene.run_daemon(source)
                done = mounted.status("web")["edits"]["pending"] == []
                seen["new" if done else "old"] += 1
                mounted.control("apply", "web")
                disk = Disk(scene, mounted.disk("web"))
                expect((disk.text("etc/hostname"), disk.text("etc/second")), (f"name-{kill}\n",) * 2, "both files")
                disk.check()
            print(f"    {seen}")
            scene.unmount(mounted)
    return body


# SEMANTICS: "Nobody waits for edits that somebody who is there already keeps out"
# SEMANTICS: "A file that was opened for writing before a VM's disks were is saved all the same"
def beside_readers() -> None:
    """One program reads both disks of a VM, and an edit is saved meanwhile: nobody waits for whom he keeps waiting."""
    need_appliance()
    with Scene() as scene:
        source = make_vapp() / "shop.ova"
        mounted = scene.run_daemon(source)
        guest = mounted.vm("db") / "guest"
        first, second = mounted.disk("db"), mounted.disk("db", 2)
        (guest / "etc/hostname").read_text()
        with open(first, "rb", buffering=0) as one:
            os.pread(one.fileno(), 4096, 20 << 20)
            (guest / "etc/hostname").write_text("store\n")
            start = time.monotonic()
            with open(second, "rb", buffering=0) as two:
                os.pread(two.fileno(), 4096, 20 << 20)
            if time.monotonic() - start > 5:
                raise AssertionError("a reader waited for an edit that it kept from being applied itself")
            expect(mounted.status("db")["waiting_for"], [os.getpid()], "waiting_for")
            expect_errno(errno.EBUSY, "apply", lambda: mounted.control("apply", "db"))
        mounted.no_holders("db")
        run("qemu-img", "compare", first, first, timeout=600)  # opened twice by one program, applied once
        expect(mounted.status("db")["edits"]["pending"], [], "pending")
        # A VM has both disks open: edits are refused at once, and one that was open is saved and waits.
        edit = open(guest / "etc/motd", "w")
        with open(first, "r+b", buffering=0), open(second, "r+b", buffering=0):
            expect_errno(errno.EBUSY, "an edit beside a writer", lambda: open(guest / "etc/issue", "w"))
            edit.write("saved\n")
            edit.close()
            expect(mounted.status("db")["edits"]["pending"], ["/etc/motd"], "pending beside a writer")
        mounted.no_holders("db")
        mounted.control("apply", "db")
        expect((guest / "etc/motd").read_text(), "saved\n", "etc/motd")
        scene.unmount(mounted)


def processes_named(name: str, below: int) -> list:
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" (", 1)
            if rest.startswith(name) and os.getpgid(int(pid)) != below:
                found.append(int(pid))
        except (OSError, ValueError):
            continue
    return found


# SEMANTICS: "Edits that cannot be applied (no room in the guest, a key that is missing, an appliance that does not start)"
def dead_appliance() -> None:
    """qemu dies, or stands still, while it writes: nothing of it is kept, the error says so, and the next try works."""
    need_appliance()
    with Scene() as scene:
        source = make_vapp() / "shop.ova"
        mounted = scene.run_daemon(source, "appliance-timeout=15,guest=on")
        guest = mounted.vm("web") / "guest"
        (guest / "etc/hostname").write_text("new\n")
        before = set(processes_named("qemu-system", 0))
        for signal_number in (9, 19):  # SIGKILL, SIGSTOP
            reader = subprocess.Popen(["dd", f"if={mounted.disk('web')}", "of=/dev/null", "bs=1M", "skip=20", "count=1"],
                                      stderr=subprocess.DEVNULL) if signal_number == 9 else subprocess.Popen(
                                          ["sh", "-c", f"echo apply > {mounted.vm('web')}/ctl"], stderr=subprocess.DEVNULL)
            wait_for(lambda: any("staging" in p.name for p in scene.state.glob("*/*")), "it is staged", 120)
            time.sleep(8)
            for pid in set(processes_named("qemu-system", 0)) - before:
                os.kill(pid, signal_number)
            reader.wait(200)
            if reader.returncode == 0:
                raise AssertionError("a reader got content although the edits were not applied")
            expect(mounted.status("web")["error"]["code"], "edits-failed", "error")
            expect_errno(errno.EIO, "open for writing", lambda: open(mounted.disk("web"), "r+b"))
        mounted.control("apply", "web")
        disk = Disk(scene, mounted.disk("web"))
        expect(disk.text("etc/hostname"), "new\n", "etc/hostname")
        disk.check()
        scene.unmount(mounted)


def main() -> int:
    cases = Cases("guest-edits")
    cases.run("real-guest", real_guest)
    cases.run("beside-readers", beside_readers, full=True)
    cases.run("dead-appliance", dead_appliance, full=True)
    cases.run("killed-while-applied", killed_while_applied(8), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
