#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a mount starts and stops: command line, options, exit codes, signals, folders.

    mount-start.py [--full]
"""
import ctypes
import errno
import os
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402
from scene import Scene, expect, expect_errno, is_mounted, need, run, wait_for, write_ovf  # noqa: E402

MIB = 1 << 20
SIZE = 2 * MIB


def refused(scene, code: int, sources, options: str = "", point=None, word: str = "") -> None:
    """It ends with this code and one sentence, which has `word` in it, and nothing is mounted."""
    point = point or scene.point()
    done = scene.try_mount(sources, options, point)
    expect(done.returncode, code, f"exit code ({done.text})")
    if not done.text.startswith("v2vfs: ") or "\n" in done.text or word not in done.text:
        raise AssertionError(f"one sentence with `{word}`: {done.text}")
    expect(is_mounted(point), False, "mounted")


# SEMANTICS: "1 usage, 2 source unreadable"
def exit_usage():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        for options in ("nonsense", "layout=round", "layout", "reserve=-1", "vm/state=/tmp", "vm/layout=x", "accel=yes",
                        "stop-timeout=soon", "state=", "network-map=x", "disk-dir=relative", "other/convert=off"):
            refused(scene, 1, ovf, options, word="option")
        for words in ([], [ovf], ["-o", "log=/no/such/folder/log", ovf, scene.point()], ["--no-such-flag", ovf, scene.point()], ["--check"]):
            done = run(mount.DAEMON, *words, check=False)
            expect(done.returncode, 1, f"exit code of {words} ({done.text})")
        for word in ("--help", "--version"):
            expect(run(mount.DAEMON, word).returncode, 0, word)


# SEMANTICS: "4 state busy or foreign, 5 internal"
def exit_internal():
    """What was to be printed could not be: that is no success."""
    with Scene() as scene, open("/dev/full", "w", encoding="ascii") as full:
        for words in (["--help"], ["--check", scene.one_disk(SIZE)]):
            done = subprocess.run([mount.DAEMON, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            expect((done.returncode, "could not be written" in done.stderr), (5, True), f"{words}: {done.stderr}")


# SEMANTICS: "2 source unreadable, 3 mount failed"
def exit_source():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        (scene.folder / "empty-folder").mkdir()
        for name, content in (("empty.ovf", b""), ("noise.ova", os.urandom(4096)), ("text.ovf", b"hello\n"),
                              ("cut.ovf", ovf.read_bytes()[:300])):
            (scene.folder / name).write_bytes(content)
        for name in ("not-there.ovf", "empty-folder", "empty.ovf", "noise.ova", "text.ovf", "cut.ovf"):
            refused(scene, 2, scene.folder / name, word=name)


# SEMANTICS: "`v2vfs --check`: 0 all usable, 1 some problem"
def check_opens_disks():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        expect(run(mount.DAEMON, "--check", ovf).returncode, 0, "exit code")
        disk = next(path for path in scene.source.iterdir() if path != ovf)
        disk.write_bytes(b"QFI\xfb" + disk.read_bytes()[4:])  # what QEMU would take for a qcow2
        done = run(mount.DAEMON, "--check", ovf, check=False)
        expect(done.returncode, 1, "exit code")
        expect("disk-unreadable" in done.text, True, f"what is said: {done.text}")


# SEMANTICS: "3 mount failed, 4 state busy or foreign"
def exit_mount():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        file = scene.folder / "file"
        file.write_text("")
        for point in (scene.folder / "not-there", file, scene.folder / "no/parent", scene.source):
            refused(scene, 3, ovf, point=point, word=str(scene.folder))
        refused(scene, 3, ovf, f"state={scene.folder}/mnt/state")


# SEMANTICS: "4 state busy or foreign"
def state_must_be_private():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        for mode in (0o777, 0o770, 0o702):
            scene.state.mkdir(exist_ok=True)
            scene.state.chmod(mode)
            refused(scene, 4, ovf, word="chmod")
        scene.state.chmod(0o700)
        os.chown(scene.state, 65534, 65534)
        refused(scene, 4, ovf)
        scene.state.rmdir()
        (scene.folder / "real").mkdir(mode=0o700)
        scene.state.symlink_to("real")
        refused(scene, 4, ovf)
        scene.state.unlink()
        scene.state.write_text("a file")
        refused(scene, 4, ovf)
        scene.state.unlink()
        scene.unmount(scene.mount(ovf))
        expect(scene.state.stat().st_mode & 0o777, 0o700, "mode of a state folder that v2vfs made")


def odd_names():
    """Blanks, commas, backslashes, quotes and UTF-8 in every path."""
    for name in ("with blanks, commas", "back\\slash", 'quo"te\'s', "tab\there", "Größe", "$(touch pwn)"):
        with Scene() as scene:
            folder = scene.folder / name
            folder.mkdir()
            source = folder / name
            source.mkdir()
            scene.vmdk("disk.vmdk", SIZE).rename(source / f"{name}.vmdk")
            ovf = write_ovf(source / f"{name}.ovf", [("vm", [f"{name}.vmdk"])])
            (folder / "mnt").mkdir()
            escaped = str(folder / "state").replace("\\", "\\\\").replace(",", "\\,")
            mounted = scene.mount(ovf, f"state={escaped}", point=folder / "mnt")
            expect(os.listdir(folder / "state") != [], True, "the state folder is used")
            expect(len(mounted.disk().read_bytes()) > SIZE, True, "bytes read")
            path = ElementTree.parse(mounted.vm() / "domain.xml").find(".//disk/source").get("file")
            expect(path, str(mounted.disk()), "the path in domain.xml")
            os.truncate(mounted.disk(), 4096)
            done = scene.try_mount(ovf, f"state={escaped}", point=scene.point("second"))
            expect(done.returncode, 4, f"a second mount ({done.text})")
            scene.unmount(mounted)
            expect(scene.mount(ovf, f"state={escaped}", point=folder / "mnt").disk().stat().st_size, 4096, "size kept")


def relative_paths():
    """All of them, from the folder it is started in; the daemon itself leaves that folder."""
    with Scene() as scene:
        scene.one_disk(SIZE)
        scene.point()
        scene.watch(scene.source)
        words = ["-o", "state=state,log=log,accel=tcg,convert=off", "source/vm.ovf", "mnt"]
        for kept in (False, True):
            run(mount.DAEMON, *words, cwd=scene.folder)
            disk = scene.folder / "mnt/vm/disk.qcow2"
            if kept:
                expect(disk.stat().st_size, 4096, "size kept")
            os.truncate(disk, 4096)
            os.setxattr(disk, "user.a", b"1")
            expect((scene.folder / "log").exists(), True, "the log is there")
            if not list(scene.state.iterdir()):
                raise AssertionError("the state is not where it was asked for")
            done = scene.try_mount(scene.source / "vm.ovf", point=scene.point("second"))
            expect(done.returncode, 4, "a second mount with the absolute path of the state")
            run("umount", "mnt", cwd=scene.folder)


# SEMANTICS: "`umount` returns before the daemon has flushed; the next mount of the same source waits for it"
def unmount_and_mount_in_one_line():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        scene.watch(ovf)
        point = scene.point()
        command = " ".join(f"'{word}'" for word in scene.command(ovf, point))
        run("sh", "-c", command)
        for number in range(8):
            with open(point / "vm/disk.qcow2", "r+b") as disk:
                disk.seek(MIB * number)
                disk.write(b"%d" % number * MIB)
            run("sh", "-c", f"umount '{point}'; {command}")
        content = (point / "vm/disk.qcow2").read_bytes()
        expect(content[:8 * MIB:MIB], b"01234567", "what each mount wrote")


# SEMANTICS: "A dead mount of v2vfs at the mount point is replaced"
def killed_and_mounted():
    """A dead mount is replaced at once, also by a daemon in the background."""
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.run_daemon(ovf)
        os.truncate(mounted.disk(), 4096)
        os.listdir(mounted.point)
        mounted.kill()
        mounted = scene.mount(ovf)
        expect(mounted.disk().stat().st_size, 4096, "size kept")
        expect(sum(point == str(mounted.point) for point in
                   (line.split()[4] for line in open("/proc/self/mountinfo"))), 1, "mounts on the mount point")


# Several sources, options for one VM.

# SEMANTICS: "There may be several."
def several_sources():
    with Scene() as scene:
        for name in ("a", "b"):
            folder = scene.source / name
            folder.mkdir()
            scene.vmdk("disk.vmdk", SIZE + MIB * (name == "b")).rename(folder / "disk.vmdk")
            write_ovf(folder / "x.ovf", [("same name", ["disk.vmdk"]), (f"only {name}", [SIZE])])
        mounted = scene.mount([scene.source / "a/x.ovf", scene.source / "b"])
        expect(mounted.vms(), ["only a", "only b", "same name", "same name-2"], "VMs")
        for number, name in enumerate(mounted.vms()):
            os.truncate(mounted.disk(name), 4096 * (number + 1))
        scene.unmount(mounted)
        mounted = scene.mount([scene.source / "a/x.ovf", scene.source / "b"])
        expect([mounted.disk(name).stat().st_size for name in mounted.vms()], [4096, 8192, 12288, 16384], "sizes kept")


# SEMANTICS: "An edit needs free clusters in front of the disk's data (`reserve`)"
def options_for_one_vm():
    with Scene() as scene:
        disk = scene.vmdk("disk.vmdk", SIZE)
        ovf = scene.ovf("x.ovf", [("one", [disk]), ("two, with comma", [disk])])
        mounted = scene.mount(ovf, "disk-dir=/srv/all,two\\, with comma/disk-dir=/srv/two,one/reserve=256M,network=net,"
                              "two\\, with comma/network=user")

        def paths(name):
            root = ElementTree.parse(mounted.vm(name) / "domain.xml").getroot()
            return root.find(".//disk/source").get("file")
        expect(paths("one"), "/srv/all/one/disk.qcow2", "disk-dir")
        expect(paths("two, with comma"), "/srv/two/two, with comma/disk.qcow2", "the VM's own disk-dir")
        more = mounted.disk("one").stat().st_size - mounted.disk("two, with comma").stat().st_size
        if not 150 * MIB < more < 260 * MIB:
            raise AssertionError(f"reserve=256M makes one disk {more} bytes longer")


# SEMANTICS: "other users may enter (`allow_other` with `default_permissions`); `noallow_other` keeps them out"
def other_users():
    """They see what the modes let them see, or nothing."""
    need("setpriv")
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        for options, is_let_in in (("", True), ("noallow_other", False)):
            mounted = scene.mount(ovf, options)
            for name, is_readable in (("status.json", True), ("disk.qcow2", False)):
                done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "head", "-c", "100", mounted.vm("vm") / name,
                           check=False)
                expect(done.returncode == 0, is_let_in and is_readable, f"nobody reads {name} with {options!r} ({done.text})")
            scene.unmount(mounted)


# Stopping.

def log_has(scene, *words) -> bool:
    return any(all(word in line for word in words) for line in scene.log.read_text().splitlines())


# SEMANTICS: "what was written becomes durable, nobody new may write"
# SEMANTICS: "named in the log and waited for"
def sigterm_waits_for_writers():
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        mounted = scene.run_daemon(ovf)
        fd = os.open(mounted.disk(), os.O_RDWR)
        os.pwrite(fd, b"before", MIB)
        mounted.daemon.send_signal(signal.SIGTERM)
        wait_for(lambda: log_has(scene, "vm/disk.qcow2", str(os.getpid())), "the log names disk and process")
        expect(mounted.daemon.poll(), None, "the daemon is there")
        expect_errno(errno.EROFS, "another open for writing", lambda: os.open(mounted.disk(), os.O_RDWR))
        expect(len(mounted.disk().read_bytes()) > SIZE, True, "readers are served")
        os.pwrite(fd, b"after!", MIB + 6)
        os.fsync(fd)
        os.close(fd)
        expect(mounted.daemon.wait(20), 0, "exit code")
        expect(is_mounted(mounted.point), False, "mounted")
        with open(scene.mount(ovf).disk(), "rb") as disk:
            expect(os.pread(disk.fileno(), 12, MIB), b"beforeafter!", "what was written")


# SEMANTICS: "a second signal leaves at once"
def stop_in_a_hurry(second_signal: bool):
    """stop-timeout, or a second signal: it leaves though the writer is there; what was acknowledged stays."""
    def body():
        with Scene() as scene:
            ovf = scene.one_disk(SIZE)
            mounted = scene.run_daemon(ovf, "stop-timeout=600" if second_signal else "stop-timeout=1")
            fd = os.open(mounted.disk(), os.O_RDWR)
            os.pwrite(fd, b"before", MIB)
            start = time.monotonic()
            mounted.daemon.send_signal(signal.SIGINT)
            wait_for(lambda: log_has(scene, "open for writing"), "the log says it")
            if second_signal:
                mounted.daemon.send_signal(signal.SIGINT)
            mounted.daemon.wait(20)
            if time.monotonic() - start > 15:
                raise AssertionError("it took too long")
            for what, call in (("write", lambda: os.pwrite(fd, b"x", 0)), ("read", lambda: os.pread(fd, 1, 0)),
                               ("close", lambda: os.close(fd))):
                try:
                    call()
                except OSError:
                    continue
                raise AssertionError(f"a {what} succeeded after the daemon's end")
            expect(is_mounted(mounted.point), False, "mounted")
            with open(scene.mount(ovf).disk(), "rb") as disk:
                expect(os.pread(disk.fileno(), 6, MIB), b"before", "what was written")
    return body


def umount_while_busy():
    """umount(8) refuses while a disk is open, and the mount goes on; `umount -l` ends it when the last one closes."""
    with Scene() as scene:
        mounted = scene.run_daemon(scene.one_disk(SIZE))
        fd = os.open(mounted.disk(), os.O_RDWR)
        expect(run("umount", mounted.point, check=False).returncode != 0, True, "umount refuses")
        os.pwrite(fd, b"x", MIB)
        run("umount", "-l", mounted.point)
        os.pwrite(fd, b"y", MIB)
        expect(mounted.daemon.poll(), None, "the daemon while a disk is open")
        os.close(fd)
        expect(mounted.daemon.wait(20), 0, "exit code")


# SEMANTICS: "returns 0 when the mount answers and all VMs are listed"
def background_leaves_the_terminal():
    """The caller gets its prompt back when the mount answers: no pipe or folder of it is held."""
    with Scene() as scene:
        ovf = scene.one_disk(SIZE)
        scene.watch(ovf)
        start = subprocess.Popen(scene.command(ovf, scene.point()), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, cwd=scene.source)
        said, _ = start.communicate(timeout=20)  # ends when everybody has closed the pipe
        expect((start.returncode, said), (0, b""), "v2vfs")
        status = (scene.folder / "mnt/vm/status.json").read_text()
        expect("unconverted" in status, True, "ready at once")
        mounts = [path for path in pathlib.Path("/proc").glob("[0-9]*/cwd") if _link(path) == str(scene.source)]
        expect(mounts, [], "processes in the folder that it was started in")


def _link(path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def over_an_automount():
    """As systemd does for x-systemd.automount: whoever looks into the mount point waits until it is mounted, so v2vfs must not look."""
    with Scene() as scene:
        ovf, point = scene.one_disk(SIZE), scene.point()
        wanted, asked = os.pipe()
        # Who is in this process's group may look.
        data = f"fd={asked},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"test", str(point).encode(), b"autofs", 0, data) != 0:
            raise Skip(f"autofs ({os.strerror(ctypes.get_errno())})")
        child = subprocess.Popen(scene.command(ovf, point), stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            expect(child.wait(30), 0, "exit code")
            expect((point / "vm/status.json").exists(), True, "mounted")
        finally:
            os.close(asked)
            os.close(wanted)  # who waits is let go
            run("umount", "-l", point, check=False)


def main() -> int:
    cases = Cases("mount-start")
    cases.run("exit-usage", exit_usage)
    cases.run("exit-internal", exit_internal)
    cases.run("exit-source", exit_source)
    cases.run("check-opens-disks", check_opens_disks)
    cases.run("exit-mount", exit_mount)
    cases.run("state-must-be-private", state_must_be_private)
    cases.run("odd-names", odd_names)
    cases.run("relative-paths", relative_paths)
    cases.run("unmount-and-mount-in-one-line", unmount_and_mount_in_one_line)
    cases.run("killed-and-mounted", killed_and_mounted)
    cases.run("several-sources", several_sources)
    cases.run("options-for-one-vm", options_for_one_vm)
    cases.run("other-users", other_users)
    cases.run("sigterm-waits-for-writers", sigterm_waits_for_writers)
    cases.run("stop-timeout", stop_in_a_hurry(False))
    cases.run("second-signal", stop_in_a_hurry(True))
    cases.run("umount-while-busy", umount_while_busy)
    cases.run("over-an-automount", over_an_automount)
    cases.run("background-leaves-the-terminal", background_leaves_the_terminal)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
