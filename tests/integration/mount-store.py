#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is written through a mount, and what becomes of it: content, size, owner, attributes, states, ctl.

    mount-store.py [--full]
"""
import ctypes
import errno
import filecmp
import mmap
import os
import pathlib
import random
import stat
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases  # noqa: E402
from scene import Scene, expect, expect_errno, run, wait_for  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
SIZE = 5 * MIB + 37 * 512
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
LIBC = ctypes.CDLL(None, use_errno=True)


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    if LIBC.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), "fallocate")


def on(path, body, flags: int = os.O_RDWR):
    fd = os.open(path, flags)
    try:
        return body(fd)
    finally:
        os.close(fd)


def write(path, data: bytes, offset: int) -> None:
    on(path, lambda fd: os.pwrite(fd, data, offset))


# Content.

class Mirror:
    """The same operations on a disk of the mount and on a plain file, which must be equal all the time."""

    def __init__(self, disk, file, seed: int):
        self.disk, self.file, self.rng = disk, file, random.Random(seed)

    def place(self, size: int) -> tuple:
        length = self.rng.choice([1, 511, 512, 4096, 4097, 65536, 200_000])
        return self.rng.randrange(max(1, size - length)), length

    def steps(self, count: int) -> None:
        flags = self.rng.choice([0, os.O_SYNC, os.O_DSYNC])
        fds = [os.open(self.disk, os.O_RDWR | flags), os.open(self.file, os.O_RDWR)]
        try:
            for _ in range(count):
                self.step(fds)
        finally:
            for fd in fds:
                os.close(fd)

    def step(self, fds: list) -> None:
        size = os.fstat(fds[1]).st_size
        offset, length = self.place(size)
        kind = self.rng.choices(["write", "punch", "zero", "extend", "resize", "fsync"], [12, 3, 3, 1, 2, 2])[0]
        data = self.rng.randbytes(length)
        new_size = size + self.rng.randrange(-300_000, 300_000)
        for fd in fds:
            if kind == "write":
                expect(os.pwrite(fd, data, offset), length, "pwrite")
            elif kind == "punch":
                fallocate(fd, PUNCH_HOLE | KEEP_SIZE, offset, length)
            elif kind == "zero":
                fallocate(fd, ZERO_RANGE | KEEP_SIZE, offset, length)
            elif kind == "extend":
                fallocate(fd, ZERO_RANGE, size - 100, 50_000)
            elif kind == "resize":
                os.ftruncate(fd, new_size)
            else:
                os.fsync(fd)

    def check(self) -> None:
        expect(self.disk.stat().st_size, self.file.stat().st_size, "st_size")
        expect(filecmp.cmp(self.disk, self.file, shallow=False), True, "the content is the mirror's")


# SEMANTICS: "It is writable."
# SEMANTICS: "fallocate punches holes and writes zeroes"
# SEMANTICS: "what was cut off reads as zeros"
def content_persists(rounds: int):
    def body():
        with Scene() as scene:
            ovf = scene.one_disk(SIZE)
            mounted = scene.mount(ovf)
            file = scene.folder / "mirror"
            run("cp", "--sparse=always", mounted.disk(), file)
            mirror = Mirror(mounted.disk(), file, 1)
            for _ in range(rounds):
                mirror.steps(150)
                mirror.check()
                scene.unmount(mounted)
                mounted = scene.mount(ovf)
                mirror.check()
    return body


# SEMANTICS: "other modes are EOPNOTSUPP"
# SEMANTICS: "Shared writable mmap is not possible (ENODEV)"
def odd_calls():
    with Scene() as scene:
        mounted = scene.mount(scene.one_disk(SIZE))
        disk = mounted.disk()
        on(disk, lambda fd: expect_errno(errno.EOPNOTSUPP, "fallocate without a mode",
                                         lambda: fallocate(fd, 0, 0, 4096)))
        on(disk, lambda fd: expect_errno(errno.EBADF, "a write to a handle for reading",
                                         lambda: os.pwrite(fd, b"x", 0)), os.O_RDONLY)
        on(disk, lambda fd: expect_errno(errno.ENODEV, "a shared writable mapping", lambda: mmap.mmap(fd, 4096)))
        expect_errno(errno.EACCES, "unlink", lambda: os.unlink(disk))
        expect_errno(errno.EACCES, "rename", lambda: os.rename(disk, mounted.vm() / "other"))
        size = disk.stat().st_size
        expect(on(disk, lambda fd: os.pread(fd, 10, size), os.O_RDONLY), b"", "a read at the end")
        expect(len(on(disk, lambda fd: os.pread(fd, 4096, size - 100), os.O_RDONLY)), 100, "a read over the end")
        os.truncate(disk, 4096)
        expect(len(disk.read_bytes()), 4096, "truncate by path")
        os.truncate(disk, 8192)
        expect(disk.read_bytes()[4096:], bytes(4096), "what grew")
        disk.open("wb").close()
        expect(disk.stat().st_size, 0, "size after O_TRUNC")
        mounted.no_holders()
        mounted.control("reset")
        expect(disk.stat().st_size, size, "size after reset")


# SEMANTICS: "A handle whose file changed its size"
def read_after_resize():
    """A handle from before a change of size gets ESTALE at its first read of content, not a short copy."""
    with Scene() as scene:
        disk = scene.mount(scene.one_disk(SIZE)).disk()
        early = os.open(disk, os.O_RDONLY)
        os.pread(early, 4096, 0)
        os.truncate(disk, disk.stat().st_size + MIB)
        expect_errno(errno.ESTALE, "the first read of content", lambda: os.pread(early, 4096, 20 * MIB))
        os.close(early)
        on(disk, lambda fd: os.pread(fd, 4096, 20 * MIB), os.O_RDONLY)


# Owner, mode, attributes.

# SEMANTICS: "Owner, permissions and `user.*`, `trusted.*`, `security.*` attributes"
# SEMANTICS: "Times that are set do not"
def attributes_persist():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.mount(ovf)
        disk = mounted.disk()
        before = {name: os.getxattr(disk, name) for name in os.listxattr(disk)}
        expect(before, {}, "attributes of a new disk")
        values = {"user.note": b"kept", "trusted.libvirt.security.dac": b"+0:+0", "user.empty": b"",
                  "security.test": bytes(range(256)), "user.long": b"x" * 20_000, "user.gone": b"x"}
        for name, value in values.items():
            os.setxattr(disk, name, value)
        os.chown(disk, 64055, 108)
        os.chmod(disk, 0o606)
        os.utime(disk, (1, 1))
        expect_errno(errno.EEXIST, "XATTR_CREATE", lambda: os.setxattr(disk, "user.note", b"", os.XATTR_CREATE))
        expect_errno(errno.ENODATA, "XATTR_REPLACE", lambda: os.setxattr(disk, "user.new", b"", os.XATTR_REPLACE))
        expect_errno(errno.ENODATA, "an unknown one", lambda: os.getxattr(disk, "user.new"))
        os.removexattr(disk, "user.gone")
        expect_errno(errno.ENODATA, "removing twice", lambda: os.removexattr(disk, "user.gone"))
        del values["user.gone"]
        for _ in range(2):
            expect({name: os.getxattr(disk, name) for name in os.listxattr(disk)}, values, "attributes")
            status = disk.stat()
            expect((status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), (64055, 108, 0o606), "owner and mode")
            expect(int(status.st_mtime) == 1, False, "a time that was set is kept")
            scene.unmount(mounted)
            mounted = scene.mount(ovf)


# Kinds of mounts.

def read_only():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.mount(ovf)
        write(mounted.disk(), b"written before", 20 * MIB)
        before = mounted.disk().read_bytes()
        scene.unmount(mounted)
        mounted = scene.mount(ovf, "ro")
        disk = mounted.disk()
        for what, body in (("open", lambda: os.open(disk, os.O_RDWR)), ("truncate", lambda: os.truncate(disk, 0)),
                           ("chmod", lambda: os.chmod(disk, 0o600)), ("ctl", lambda: mounted.control("reset")),
                           ("setxattr", lambda: os.setxattr(disk, "user.a", b"")),
                           ("domain.xml", lambda: (mounted.vm() / "domain.xml").write_text("<domain/>"))):
            expect_errno(errno.EROFS, what, body)
        expect(disk.read_bytes() == before, True, "what was written before is read")


# SEMANTICS: "`-o ephemeral` keeps nothing after unmounting"
def ephemeral():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        for end in ("umount", "SIGKILL"):
            mounted = scene.run_daemon(ovf, "ephemeral")
            write(mounted.disk(), b"gone tomorrow", 20 * MIB)
            expect(on(mounted.disk(), lambda fd: os.pread(fd, 4, 20 * MIB), os.O_RDONLY), b"gone", "while mounted")
            if end == "umount":
                scene.unmount(mounted)
                expect(list(scene.state.iterdir()), [], "what is left in the state folder")
            else:
                mounted.kill()
        mounted = scene.mount(ovf, "ephemeral")  # removes what the killed one left
        expect(on(mounted.disk(), lambda fd: os.pread(fd, 4, 20 * MIB), os.O_RDONLY) == b"gone", False, "a new mount has it")
        expect(len(list(scene.state.iterdir())), 1, "private folders while mounted")
        scene.unmount(mounted)
        wait_for(lambda: not list(scene.state.iterdir()), "the state folder is empty")


# SEMANTICS: "With `convert=off` reading starts nothing and needs no space"
def nothing_written_nothing_kept():
    with Scene() as scene:
        mounted = scene.mount(scene.one_disk(SIZE))
        mounted.disk().read_bytes()
        scene.unmount(mounted)
        wait_for(lambda: not list(scene.state.iterdir()), "the state folder is empty")


# States.

def v2vfs(*words) -> subprocess.CompletedProcess:
    return run(mount.DAEMON, *words, check=False, timeout=60)


# SEMANTICS: "`v2vfs --list-states`, `v2vfs --remove-state ID` (refused while held)"
def states_are_listed():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        words = ["-o", f"state={scene.state}"]
        expect(v2vfs(*words, "--list-states").returncode, 0, "--list-states without a folder")
        mounted = scene.mount(ovf)
        write(mounted.disk(), b"kept", 20 * MIB)
        state = mounted.status()["state_id"]
        line = v2vfs(*words, "--list-states").text
        if state not in line or str(mounted.point) not in line or "vm.ovf" not in line:
            raise AssertionError(f"--list-states: {line}")
        refused = v2vfs(*words, "--remove-state", state)
        expect(refused.returncode, 4, f"--remove-state of a held one ({refused.text})")
        for wrong in ("no-such", "../state", f"../{scene.state.name}/{state}", "."):
            refused = v2vfs(*words, "--remove-state", wrong)
            expect((refused.returncode, refused.text.count("\n")), (1, 0), f"--remove-state {wrong}")
        scene.unmount(mounted)
        wait_for(lambda: "mounted at" not in v2vfs(*words, "--list-states").text, "the state is free")
        expect(v2vfs(*words, "--remove-state", state).returncode, 0, "--remove-state")
        expect(list(scene.state.iterdir()), [], "what is left")
        expect(on(scene.mount(ovf).disk(), lambda fd: os.pread(fd, 4, 20 * MIB), os.O_RDONLY) == b"kept", False, "kept")


# SEMANTICS: "Another mount of the same source exits with 4 and says where it is mounted"
def one_daemon_per_state():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.mount(ovf)
        refused = scene.try_mount(ovf, point=scene.point("second"))
        expect(refused.returncode, 4, "a second mount")
        if str(mounted.point) not in refused.text or "\n" in refused.text:
            raise AssertionError(f"one sentence that names the mount: {refused.text}")
        expect(scene.try_mount(ovf).returncode, 3, "a second mount at the same place")
        other = scene.mount(ovf, "ephemeral", point=scene.point("second"))
        expect(other.disk().read_bytes() == mounted.disk().read_bytes(), True, "two mounts of one source")
        expect(mounted.status()["state"], "unconverted", "the first one goes on")


# SEMANTICS: "found by what the machine is, not by its path"
def source_moved():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.mount(ovf)
        write(mounted.disk(), b"moves along", 20 * MIB)
        scene.unmount(mounted)
        scene.check_sources()
        moved = scene.folder / "elsewhere"
        scene.watched.clear()
        scene.source.rename(moved)
        mounted = scene.mount(moved / "vm.ovf")
        expect(on(mounted.disk(), lambda fd: os.pread(fd, 11, 20 * MIB), os.O_RDONLY), b"moves along", "after moving")
        expect(mounted.status()["state"], "unconverted", "state")


# SEMANTICS: "every read and write of that VM's disks is ESTALE and status.json says what differs"
def source_changed(how: str):
    """Appended bytes or another table: ESTALE, said; back as it was: all is there; reset: a new beginning."""
    def change(vmdk) -> bytes:
        before = vmdk.read_bytes()
        if how == "appended":
            vmdk.write_bytes(before + b"more" * 128)
        else:  # grain 0 gets grain 1's place, in both copies of its table
            at, gd = 0, 512 * int.from_bytes(before[56:64], "little")
            changed = bytearray(before)
            for directory in (gd, 512 * int.from_bytes(before[48:56], "little")):
                table = 512 * int.from_bytes(before[directory:directory + 4], "little")
                entries = before[table:table + 2048]
                used = [i for i in range(0, 2048, 4) if entries[i:i + 4] > b"\0\0\0\0"]
                at = table + used[0]
                changed[at:at + 4] = entries[used[1]:used[1] + 4]
            vmdk.write_bytes(changed)
        return before

    def is_stale(mounted):
        expect_errno(errno.ESTALE, "open", lambda: mounted.disk().read_bytes())
        status = mounted.status()
        expect(status["state"], "stale", "state")
        if not status["error"] and not status["disks"][0]["error"]:
            raise AssertionError(f"status.json does not say why: {status}")

    def body():
        with Scene() as scene:
            kind = "monolithicFlat" if how == "appended" else "monolithicSparse"
            ovf = scene.one_disk(SIZE, f"--type={kind}")
            vmdk = scene.source / ("disk-flat.vmdk" if how == "appended" else "disk.vmdk")
            mounted = scene.mount(ovf)
            untouched = mounted.disk().read_bytes()
            write(mounted.disk(), b"kept", 20 * MIB)
            scene.check_sources()
            held = os.open(mounted.disk(), os.O_RDWR)
            os.pread(held, 4, 20 * MIB)
            before = change(vmdk)
            scene.watch(ovf)

            def refused():
                try:
                    os.pread(held, 4, 20 * MIB)
                except OSError as error:
                    return error.errno == errno.ESTALE
                return False
            wait_for(refused, "a handle that is open gets ESTALE", 5)
            expect_errno(errno.ESTALE, "a write", lambda: os.pwrite(held, b"x", 20 * MIB))
            os.close(held)
            is_stale(mounted)
            scene.unmount(mounted)
            mounted = scene.mount(ovf)
            is_stale(mounted)
            scene.unmount(mounted)
            vmdk.write_bytes(before)
            scene.watch(ovf)
            mounted = scene.mount(ovf)
            expect(mounted.status()["state"], "unconverted", "state with the source put back")
            expect(on(mounted.disk(), lambda fd: os.pread(fd, 4, 20 * MIB), os.O_RDONLY), b"kept", "what was written")
            scene.unmount(mounted)
            change(vmdk)
            scene.watch(ovf)
            mounted = scene.mount(ovf)
            is_stale(mounted)
            mounted.control("reset")
            expect(mounted.status()["state"], "unconverted", "state after reset")
            expect(mounted.status()["error"], None, "error after reset")
            expect(len(mounted.disk().read_bytes()) >= len(untouched), True, "the new source is served")
            scene.unmount(mounted)
            expect(scene.mount(ovf).status()["state"], "unconverted", "state after reset and remount")
    return body


# SEMANTICS: "A changed path, inode or time alone is looked into and logged"
def touched_source_is_served():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.mount(ovf)
        before = mounted.disk().read_bytes()
        os.utime(scene.source / "disk.vmdk")
        scene.watch(ovf)
        time.sleep(1.2)  # it looks once a second
        expect(mounted.disk().read_bytes() == before, True, "after touch")
        scene.unmount(mounted)
        expect(scene.mount(ovf).disk().read_bytes() == before, True, "after touch and remount")


# ctl.

# SEMANTICS: "`echo freeze > ctl` sees to that"
# SEMANTICS: "EBUSY while anybody has a disk open or edits are applied"
def reset_and_freeze():
    with Scene() as scene:
        ovf = scene.ovf("vm.ovf", [("vm", [scene.vmdk("a.vmdk", SIZE), scene.vmdk("b.vmdk", SIZE, "--seed=2")])])
        mounted = scene.mount(ovf)
        clean = [mounted.disk(number=n).read_bytes() for n in (1, 2)]
        for word in ("nonsense", "", "reset freeze", "x" * 100):
            expect_errno(errno.EINVAL, f"ctl {word[:20]!r}", lambda: mounted.control(word))
        for flags in (os.O_RDONLY, os.O_RDWR):
            write(mounted.disk(), b"written", 20 * MIB)
            held = os.open(mounted.disk(number=2), flags)
            mounted_holders = {holder["pid"] for holder in mounted.holders()}
            expect(mounted_holders, {os.getpid()}, "holders")
            expect_errno(errno.EBUSY, "reset while a disk is open", lambda: mounted.control("reset"))
            expect(on(mounted.disk(), lambda fd: os.pread(fd, 7, 20 * MIB), os.O_RDONLY), b"written", "still there")
            os.close(held)
            mounted.no_holders()
        mounted.control("reset")
        expect([mounted.disk(number=n).read_bytes() for n in (1, 2)] == clean, True, "the source's own content")
        write(mounted.disk(), b"frozen", 20 * MIB)
        held = os.open(mounted.disk(), os.O_RDWR)
        expect_errno(errno.EBUSY, "freeze while somebody writes", lambda: mounted.control("freeze"))
        os.close(held)
        mounted.no_holders()
        mounted.control("freeze")
        for _ in range(2):
            expect_errno(errno.EROFS, "writing to a frozen disk", lambda: os.open(mounted.disk(), os.O_RDWR))
            expect_errno(errno.EROFS, "truncating one", lambda: os.truncate(mounted.disk(), 0))
            expect(on(mounted.disk(), lambda fd: os.pread(fd, 6, 20 * MIB), os.O_RDONLY), b"frozen", "content")
            expect(mounted.status()["disks"][0]["frozen"], True, "frozen in status.json")
            scene.unmount(mounted)
            mounted = scene.mount(ovf)


def main() -> int:
    cases = Cases("mount-store")
    cases.run("content-persists", content_persists(20 if cases.full else 2))
    cases.run("odd-calls", odd_calls)
    cases.run("read-after-resize", read_after_resize)
    cases.run("attributes-persist", attributes_persist)
    cases.run("read-only", read_only)
    cases.run("ephemeral", ephemeral)
    cases.run("nothing-written-nothing-kept", nothing_written_nothing_kept)
    cases.run("states-are-listed", states_are_listed)
    cases.run("one-daemon-per-state", one_daemon_per_state)
    cases.run("source-moved", source_moved)
    cases.run("source-appended", source_changed("appended"))
    cases.run("source-table-changed", source_changed("table"))
    cases.run("touched-source-is-served", touched_source_is_served)
    cases.run("reset-and-freeze", reset_and_freeze)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
