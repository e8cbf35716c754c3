#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""v2vfsctl export: what is copied out is the same, sparse, whole or not there; it is gone on with, and as fast as cp.

    ctl-export.py [--full]
"""
import filecmp
import os
import pathlib
import shutil
import signal
import statistics
import sys
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from ctl import BUSY, FAILED, INTERRUPTED, MIB, USAGE, ctl, end_of, noise_disk, start_ctl  # noqa: E402
from scene import Scene, expect, need, run, wait_for  # noqa: E402


def expect_same(copy, original) -> None:
    if not filecmp.cmp(copy, original, shallow=False):
        raise AssertionError(f"{copy} is not {original}")


# SEMANTICS: "copies to DEST/VM/."
# SEMANTICS: "The copy is sparse."
def expect_whole(folder, mounted, name: str, disks: int = 1) -> None:
    """A VM's copy: its disks, a domain.xml that names them, and nothing else."""
    names = ["disk.qcow2"] + [f"disk-{number}.qcow2" for number in range(2, disks + 1)]
    expect(sorted(path.name for path in (folder / name).iterdir()), sorted([*names, "domain.xml"]), "files")
    for disk in names:
        copy, original = folder / name / disk, mounted.vm(name) / disk
        expect_same(copy, original)
        # The host's file system needs some blocks of its own.
        if copy.stat().st_blocks > original.stat().st_blocks + 128:
            raise AssertionError(f"{copy} takes {copy.stat().st_blocks} blocks, the original {original.stat().st_blocks}")
    sources = ElementTree.parse(folder / name / "domain.xml").findall(".//disk/source")
    expect([source.get("file") for source in sources], [str(folder / name / disk) for disk in names], "disks of domain.xml")


def two_vms(scene):
    return scene.ovf("two.ovf", [("web", [scene.vmdk("a.vmdk", 8 * MIB), scene.vmdk("b.vmdk", 5 * MIB)]),
                                 ("db", [scene.vmdk("c.vmdk", 3 * MIB)])])


def big_disk(scene, mib: int = 512):
    noise_disk(scene.source / "big.raw", mib)
    return scene.mount(scene.source)


def whole_mount():
    need("qemu-img")
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        out = scene.folder / "out"
        ctl("export", "--verify", mounted.point, out, says="read again and found right")
        expect_whole(out, mounted, "web", 2)
        expect_whole(out, mounted, "db")
        run("qemu-img", "check", "-q", out / "web/disk-2.qcow2")
        run("qemu-img", "compare", "-q", "-F", "raw", out / "db/disk.qcow2", scene.raw("c.vmdk"))
        expect((out / "web/disk.qcow2").stat().st_mode, mounted.disk("web").stat().st_mode, "mode")


def named_vms():
    """By name, by path, by a path below; each once; what is asked for wrongly copies nothing."""
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene), "web/disk-dir=/elsewhere")
        out = scene.folder / "out"
        ctl("export", mounted.point / "web", mounted.vm("web") / "disk.qcow2", out)
        expect_whole(out, mounted, "web", 2)
        expect(sorted(path.name for path in out.iterdir()), ["web"], "folders")
        ctl("export", mounted.vm("web"), code=USAGE, says="then the folder")
        ctl("export", mounted.vm("web"), mounted.vm("db"), code=USAGE, says="lies in the mount")
        ctl("export", mounted.vm("web"), scene.folder / "no/parent", code=2)
        ctl("export", mounted.vm("web"), scene.source / "a.vmdk", code=USAGE, says="no folder")


# SEMANTICS: "Nothing is overwritten; a disk has its name"
def nothing_is_overwritten():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        out = scene.folder / "out"
        for name in ("disk.qcow2", "disk-2.qcow2", "domain.xml", "disk.qcow2.part"):
            (out / "web").mkdir(parents=True)
            (out / "web" / name).write_text("mine")
            ctl("export", mounted.point, out, code=FAILED, says=f"web/{name} is there already")
            expect((out / "web" / name).read_text(), "mine", name)
            expect([path.name for path in out.rglob("*.qcow2") if path.read_bytes() != b"mine"], [], "disks")
            shutil.rmtree(out)


# SEMANTICS: "refuses a VM that is written to (4)"
def running_vm_is_refused():
    with Scene() as scene:
        mounted = scene.mount(two_vms(scene))
        out = scene.folder / "out"
        with open(mounted.disk("web"), "r+b"):
            said = ctl("export", mounted.vm("web"), out, code=BUSY, says="v2vfsctl pull")
            expect(f"({os.getpid()})" in said, True, f"who writes: {said}")
        expect(out.exists(), False, "something was made")
        with open(mounted.disk("web"), "rb"):  # a reader keeps nobody out
            ctl("export", mounted.vm("web"), out)


def stopped(mounted, out, pieces: int = 3):
    """An export that stands still in the middle of a disk."""
    child = start_ctl("export", mounted.vm(), out)
    record = out / mounted.vms()[0] / "disk.qcow2.record"
    while child.poll() is None and not (record.exists() and record.read_text().count("\n") > pieces):
        time.sleep(0.001)
    child.send_signal(signal.SIGSTOP)
    if child.poll() is not None or not record.exists():
        raise AssertionError(f"the export was not caught on its way: {child.communicate()[0]}")
    # The signal is delivered to each of its threads when it runs the next time.
    wait_for(lambda: all(task.read_text().rpartition(") ")[2][0] == "T"
                         for task in pathlib.Path(f"/proc/{child.pid}/task").glob("*/stat")), "it stands still")
    return child


# SEMANTICS: "also if that begins meanwhile"
def writer_meanwhile():
    with Scene() as scene:
        mounted = big_disk(scene)
        out = scene.folder / "out"
        child = stopped(mounted, out)
        with open(mounted.disk(), "r+b") as disk:
            disk.seek(100 * MIB)
            disk.write(b"x" * 4096)
        child.send_signal(signal.SIGCONT)
        end_of(child, BUSY, "wrote to its disks while they were copied")
        expect((out / mounted.vms()[0] / "disk.qcow2").exists(), False, "a disk under its name")
        ctl("export", mounted.vm(), out)
        expect_whole(out, mounted, mounted.vms()[0])


# SEMANTICS: "with which the same command goes on after a signal, a full disk or a power cut"
def interrupted(how: int):
    def body():
        with Scene() as scene:
            mounted = big_disk(scene)
            out = scene.folder / "out"
            folder = out / mounted.vms()[0]
            child = stopped(mounted, out)
            child.send_signal(how)
            child.send_signal(signal.SIGCONT)
            end_of(child, INTERRUPTED if how != signal.SIGKILL else -signal.SIGKILL)
            expect(sorted(path.name for path in folder.iterdir()), ["disk.qcow2.part", "disk.qcow2.record"], "what is left")
            # As after a power cut: the record knows of pieces that did not reach the disk.
            with open(folder / "disk.qcow2.part", "r+b") as part:
                part.seek(int((folder / "disk.qcow2.record").read_text().splitlines()[1].split()[0]) + 1000)
                part.write(b"\0" * 5000)
            said = ctl("export", mounted.vm(), out, says="were there")
            print(f"    {said}")
            expect_whole(out, mounted, mounted.vms()[0])
    return body


def another_disk_is_not_gone_on_with():
    """What was written through the mount since then counts, also where it looks the same from outside."""
    with Scene() as scene:
        mounted = big_disk(scene, 128)
        out = scene.folder / "out"
        with open(mounted.disk(), "r+b") as disk:
            disk.seek(100 * MIB)
            disk.write(b"x" * 4096)
        mounted.no_holders()
        child = stopped(mounted, out)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGCONT)
        end_of(child, INTERRUPTED)
        with open(mounted.disk(), "r+b") as disk:  # in a block that was written before
            disk.seek(100 * MIB + 8192)
            disk.write(b"y" * 4096)
        mounted.no_holders()
        ctl("export", mounted.vm(), out)
        expect_whole(out, mounted, mounted.vms()[0])


def two_at_once_into_one_folder():
    with Scene() as scene:
        mounted = big_disk(scene)
        out = scene.folder / "out"
        child = stopped(mounted, out)
        ctl("export", mounted.vm(), out, code=BUSY, says="another v2vfsctl")
        child.send_signal(signal.SIGCONT)
        end_of(child, 0)
        expect_whole(out, mounted, mounted.vms()[0])


class SmallDisk:
    """A file system of its own, of which little is free."""

    def __init__(self, point: pathlib.Path, mib: int):
        self.point, self.mib = point, mib

    def __enter__(self):
        self.point.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "none", self.point)
        return self.point

    def __exit__(self, *error):
        run("umount", "-l", self.point)


# SEMANTICS: "What does not fit is refused before the first byte"
def target_is_full():
    with Scene() as scene:
        mounted = big_disk(scene)
        name = mounted.vms()[0]
        with SmallDisk(scene.folder / "small", 64) as small:
            ctl("export", mounted.vm(), small, code=FAILED, says="free, and 25")  # 256 MiB
            expect([path.name for path in small.iterdir() if path.name != "lost+found"], [],
                   "what is left on a disk that is too small")
        with SmallDisk(scene.folder / "small-2", 300) as small:
            child = stopped(mounted, small)
            filler = small / "filler"
            run("fallocate", "-l", f"{shutil.disk_usage(small).free - 4 * MIB}", filler)
            child.send_signal(signal.SIGCONT)
            said = end_of(child, FAILED, "is full. What was copied is kept")
            print(f"    {said.strip()}")
            expect(sorted(path.name for path in (small / name).iterdir()), ["disk.qcow2.part", "disk.qcow2.record"],
                   "what is left")
            filler.unlink()
            ctl("export", mounted.vm(), small, says="were there")
            expect_whole(small, mounted, name)


def damaged_source():
    """EIO is said with the VM's own words, and nothing is named as done."""
    with Scene() as scene:
        ovf = scene.one_disk(8 * MIB)
        vmdk = scene.source / "disk.vmdk"
        mounted = scene.mount(ovf)
        out = scene.folder / "out"
        with open(vmdk, "r+b") as file:
            file.truncate(vmdk.stat().st_size // 2)
        ctl("export", mounted.vm(), out, code=FAILED)
        expect(list(out.rglob("disk.qcow2")), [], "disks")
        scene.watch(ovf)


def as_fast_as_cp():
    """Medians of seven, in turns, both with what they wrote on the disk; export has computed SHA-256 as well.

    Its goal is 1; machines are noisy, so it fails at ten times that.
    """
    with Scene() as scene:
        mounted = big_disk(scene, 1024)
        times = {"cp": [], "export": []}
        for turn in range(8):
            for how in times:
                out = scene.folder / f"{how}-{turn}"
                start = time.monotonic()
                if how == "cp":
                    out.mkdir()
                    run("cp", "--reflink=never", mounted.disk(), out / "disk.qcow2")
                    run("sync", out / "disk.qcow2")
                else:
                    ctl("--quiet", "export", mounted.vm(), out)
                times[how].append(time.monotonic() - start)
                shutil.rmtree(out)
        cp, export = (statistics.median(times[how][1:]) for how in ("cp", "export"))  # the first warms up
        print(f"    512 MiB in a disk of 1 GiB: cp {cp:.2f} s, v2vfsctl export {export:.2f} s, {export / cp:.2f}x", flush=True)
        if export > cp * 10:
            raise AssertionError(f"export took {export:.2f} s, cp {cp:.2f} s")


def same_as_rsync():
    need("rsync")
    with Scene() as scene:
        mounted = big_disk(scene)
        ctl("export", mounted.vm(), scene.folder / "out")
        run("rsync", "--sparse", mounted.disk(), scene.folder / "by-rsync.qcow2")
        expect_same(scene.folder / "out" / mounted.vms()[0] / "disk.qcow2", scene.folder / "by-rsync.qcow2")


def main() -> int:
    cases = Cases("ctl-export")
    cases.run("whole-mount", whole_mount)
    cases.run("named-vms", named_vms)
    cases.run("nothing-is-overwritten", nothing_is_overwritten)
    cases.run("running-vm-is-refused", running_vm_is_refused)
    cases.run("writer-meanwhile", writer_meanwhile)
    cases.run("interrupted", interrupted(signal.SIGINT))
    cases.run("killed", interrupted(signal.SIGKILL), full=True)
    cases.run("another-disk-is-not-gone-on-with", another_disk_is_not_gone_on_with)
    cases.run("two-at-once-into-one-folder", two_at_once_into_one_folder, full=True)
    cases.run("target-is-full", target_is_full)
    cases.run("damaged-source", damaged_source)
    cases.run("same-as-rsync", same_as_rsync, full=True)
    cases.run("as-fast-as-cp", as_fast_as_cp, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
