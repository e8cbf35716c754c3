# SPDX-License-Identifier: MIT
"""The groups of measurements. Contenders of a group run in turn; the table's rows compare two of them."""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
import time

from guests import guest_files, inspection
from measure import Result, Row, in_turn, random_reads, run, writer
from servers import bare, children_of, daemon_of, exported, mounted, nbd, peak_mib
from sources import Export, every_format, huge, small_or_large, system_disk, two_systems

WORK_BYTES = 4 << 30


@dataclasses.dataclass
class Setting:
    quick: bool
    rounds: int
    work: pathlib.Path

    @property
    def fio_seconds(self) -> float:
        return 0.5 if self.quick else 2


@contextlib.contextmanager
def setting(quick: bool):
    """Copies go to memory where there is room, so that no host disk is measured."""
    memory = pathlib.Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > WORK_BYTES
    with tempfile.TemporaryDirectory(prefix="v2vfs-bench-", dir=memory if fits else None) as work:
        yield Setting(quick, 1 if quick else 5, pathlib.Path(work))


def read_once(path: pathlib.Path) -> None:
    """So that all find the source in the page cache."""
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def mebibytes(path: pathlib.Path, offset: int, length: int, out: pathlib.Path):
    """Times copying a part of a file with reads of 1 MiB."""
    return writer(out, "dd", "status=none", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={offset}",
                  f"count={length}", f"if={path}", last="of=")


def results(rows: list, unit: str, samples: dict) -> list:
    return [Result(row, unit, samples) for row in rows]


def copy(s: Setting) -> list:
    """Copying disk.qcow2 out, against copying the source and against converting it."""
    export, out = small_or_large(True) if s.quick else two_systems(), s.work / "out"
    read_once(export.vmdk)
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(mounted(export.folder)).point / export.disk
        by_qemu = stack.enter_context(exported(export.vmdk, "raw", s.work / "by-qemu"))
        copied = s.work / "copied.qcow2"
        run("cp", "--reflink=never", disk, copied)
        stack.callback(copied.unlink)
        least = stack.enter_context(bare(copied, s.work / "least"))
        offset, length = export.span_in_qcow2(disk.stat().st_size)
        copying, convert = ["cp", "--reflink=never"], ["qemu-img", "convert", "-f", "vmdk", "-O", "qcow2"]
        contenders = {
            "cp disk.qcow2": writer(out, *copying, disk),
            "cp source": writer(out, *copying, export.vmdk),
            "cp through QEMU's FUSE": writer(out, *copying, by_qemu),
            "cp through a bare server": writer(out, *copying, least),
            "dd disk.qcow2": mebibytes(disk, offset, length, out),
            "dd source": mebibytes(export.vmdk, 0, length, out),
            "qemu-img convert": writer(out, *convert, export.vmdk),
            "qemu-img convert -c": writer(out, *convert, "-c", export.vmdk)}
        contenders["cp disk.qcow2"]()
        samples = in_turn(contenders, s.rounds)
    return results([
        Row("copy disk.qcow2 out / cp of the source", "cp disk.qcow2", "cp source", at_most=1.4),
        Row("copy disk.qcow2 out / cp of the source through QEMU's FUSE export", "cp disk.qcow2",
            "cp through QEMU's FUSE"),
        Row("copy disk.qcow2 out / cp of a copy of it through a FUSE server that only reads", "cp disk.qcow2",
            "cp through a bare server"),
        # cp reads a file that has holes in pieces of 128 KiB whatever its st_blksize; this is what that costs.
        Row("the source's bytes by reads of 1 MiB, from disk.qcow2 / from the source", "dd disk.qcow2", "dd source"),
        # In a small disk starting the processes is what takes time.
        Row("qemu-img convert / copy disk.qcow2 out", "qemu-img convert", "cp disk.qcow2",
            at_least=0 if s.quick else 20),
        Row("qemu-img convert -c / copy disk.qcow2 out", "qemu-img convert -c", "cp disk.qcow2",
            at_least=0 if s.quick else 100),
    ], "s", samples)


def file_reads(s: Setting) -> list:
    """Random reads of the file disk.qcow2: what FUSE costs."""
    export = small_or_large(s.quick)
    read_once(export.vmdk)
    found = []
    with mounted(export.folder) as mount, exported(export.vmdk, "raw", s.work / "by-qemu") as by_qemu:
        disk = mount.point / export.disk
        place = export.span_in_qcow2(disk.stat().st_size)
        for kib in (4, 64):
            def reads(path, span, kib=kib):
                return random_reads(kib << 10, 1, s.fio_seconds, span, "--ioengine=psync", f"--filename={path}")
            samples = in_turn({"disk.qcow2": reads(disk, place), "source": reads(export.vmdk, (0, place[1])),
                               "QEMU's FUSE": reads(by_qemu, (0, place[1]))}, s.rounds)
            found += results([
                Row(f"random {kib} KiB of disk.qcow2 / of the source through QEMU's FUSE export", "disk.qcow2",
                    "QEMU's FUSE"),
                Row(f"random {kib} KiB of disk.qcow2 / of the source in the page cache", "disk.qcow2", "source")],
                "reads/s", samples)
    return found


def guest_reads(s: Setting) -> list:
    """Random reads of the guest's content: where it does not deflate, and where it does."""
    found = guest_reads_of(s, small_or_large(s.quick), "random bytes", ((4, 1), (4, 8), (64, 8)))
    return found if s.quick else found + guest_reads_of(s, system_disk(), "system", ((4, 1), (4, 8)))


def guest_reads_of(s: Setting, export: Export, content: str, kinds: tuple) -> list:
    """By fio's nbd engine on a qemu-nbd for each contender; `kinds` are (KiB, requests at a time)."""
    read_once(export.vmdk)
    span, found = export.span_in_guest(), []
    with contextlib.ExitStack() as stack:
        mount = stack.enter_context(mounted(export.folder))
        as_raw = stack.enter_context(exported(export.vmdk, "vmdk", s.work / "as-raw"))
        disk, copied = mount.point / export.disk, s.work / "copied.qcow2"
        run("cp", "--reflink=never", disk, copied)
        stack.callback(copied.unlink)
        # domain.xml says cache=none; for the VMDK that would measure the host's disk.
        images = {"disk.qcow2": (disk, "qcow2", "writeback"), "disk.qcow2, none": (disk, "qcow2", "none"),
                  "copy": (copied, "qcow2", "writeback"),
                  "VMDK": (export.vmdk, "vmdk", "writeback"), "QEMU's FUSE": (as_raw, "raw", "writeback")}
        targets = {name: stack.enter_context(nbd(*image, s.work / f"{number}.sock"))
                   for number, (name, image) in enumerate(images.items())}
        for kib, depth in kinds:
            samples = in_turn({name: random_reads(kib << 10, depth, s.fio_seconds, span, *words)
                               for name, words in targets.items()}, s.rounds)
            about = f"guest's content ({content}), random {kib} KiB, {depth} at a time: "
            found += results([
                Row(about + "disk.qcow2 / VMDK", "disk.qcow2", "VMDK", at_least=1),
                Row(about + "disk.qcow2 with cache=none / VMDK in the page cache", "disk.qcow2, none", "VMDK",
                    at_least=1),
                # QEMU reads compressed clusters one way, wherever they are: what is lost here is lost by the mount.
                Row(about + "disk.qcow2 / a copy of disk.qcow2 outside the mount", "disk.qcow2", "copy"),
                Row(about + "disk.qcow2 / QEMU's FUSE export", "disk.qcow2", "QEMU's FUSE")], "reads/s", samples)
    return found


def read_beyond_tables(path: pathlib.Path) -> None:
    """One byte of content: what is read last, the tail aside, is the source's own."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if len(os.pread(descriptor, 1, os.fstat(descriptor).st_size - (9 << 20))) != 1:
            raise RuntimeError(f"{path} ends early")
    finally:
        os.close(descriptor)


def first_byte(s: Setting) -> list:
    """From the start of v2vfs, without a state, to a byte of the disk's content."""
    export = small_or_large(s.quick)
    read_once(export.ova)

    def sample() -> float:
        start = time.monotonic()
        with mounted(export.ova) as mount:
            read_beyond_tables(mount.point / export.disk)
            return time.monotonic() - start
    megabytes = export.ova.stat().st_size / 1e6
    row = Row(f"mount to first byte, OVA of {megabytes:.0f} MB", "first byte", at_most=0.2)
    return results([row], "s", in_turn({"first byte": sample}, s.rounds))


def two_tebibytes(s: Setting) -> list:
    """A full streamOptimized disk of 2 TiB: time to content, and the daemon's memory."""
    memory = []

    def sample() -> float:
        start = time.monotonic()
        with mounted(source) as mount:
            read_beyond_tables(mount.point / "huge/disk.qcow2")
            taken = time.monotonic() - start
            memory.append(peak_mib(daemon_of(mount)))
            return taken
    with huge() as source:
        times = in_turn({"ready": sample}, s.rounds)
    return (results([Row("full streamOptimized disk of 2 TiB: mount to first byte", "ready", at_most=10)], "s", times) +
            results([Row("the same: peak memory of the daemon", "VmHWM", at_most=400, slack=1)], "MiB",
                    {"VmHWM": memory}))


def images(s: Setting) -> list:
    """A VHDX and a VMDK of the same disk: to the first byte, copied out, and the memory of the processes that read."""
    export, out = small_or_large(True) if s.quick else system_disk(), s.work / "out"
    vhdx = s.work / "vhdx" / "disk.vhdx"
    vhdx.parent.mkdir()
    run("qemu-img", "convert", "-f", "vmdk", "-O", "vhdx", export.vmdk, vhdx)
    read_once(vhdx)
    memory = []

    def first_byte_of(source: pathlib.Path, disk: str):
        def sample() -> float:
            start = time.monotonic()
            with mounted(source) as mount:
                read_beyond_tables(mount.point / disk)
                return time.monotonic() - start
        return sample

    with mounted(vhdx) as of_vhdx, mounted(export.folder) as of_vmdk:
        contenders = {
            "first byte of VHDX": first_byte_of(vhdx, "disk/disk.qcow2"),
            "first byte of VMDK": first_byte_of(export.folder, export.disk),
            "cp of VHDX": writer(out, "cp", "--reflink=never", of_vhdx.point / "disk/disk.qcow2"),
            "cp of VMDK": writer(out, "cp", "--reflink=never", of_vmdk.point / export.disk),
            "qemu-img convert": writer(out, "qemu-img", "convert", "-f", "vhdx", "-O", "qcow2", vhdx)}
        samples = in_turn(contenders, s.rounds)
        daemon = daemon_of(of_vhdx)
        memory.append(peak_mib(daemon) + sum(map(peak_mib, children_of(daemon))))
    rows = [Row("a VHDX: mount to first byte / of a VMDK of the same disk", "first byte of VHDX", "first byte of VMDK"),
            Row("copy disk.qcow2 of a VHDX out / of the VMDK", "cp of VHDX", "cp of VMDK"),
            Row("qemu-img convert of the VHDX / copy its disk.qcow2 out", "qemu-img convert", "cp of VHDX")]
    return (results(rows, "s", samples) +
            results([Row("peak memory of daemon and qemu-nbd", "VmHWM")], "MiB", {"VmHWM": memory}))


def formats(s: Setting) -> list:
    """One disk in each format: from the start of v2vfs to a byte of the content, and the memory of the processes."""
    folder = s.work / "formats"
    folder.mkdir()
    found = []
    for name, source in every_format(folder, (32 if s.quick else 512) << 20):
        memory = []

        def sample() -> float:
            start = time.monotonic()
            with mounted(source) as mount:
                disk = next(mount.point.glob("*/disk.qcow2"))
                read_beyond_tables(disk)
                taken = time.monotonic() - start
                daemon = daemon_of(mount)
                memory.append(peak_mib(daemon) + sum(map(peak_mib, children_of(daemon))))
                return taken
        sample()  # the page cache, and places in compressed files, are there for all
        memory.clear()
        samples = in_turn({name: sample}, s.rounds)
        found += results([Row(f"{name}: mount to first byte", name)], "s", samples)
        found += results([Row(f"{name}: peak memory", name)], "MiB", {name: memory})
        shutil.rmtree(source if source.is_dir() else source.parent)
    return found


GROUPS = {"copy": copy, "file-reads": file_reads, "guest-reads": guest_reads, "first-byte": first_byte,
          "two-tebibytes": two_tebibytes, "images": images, "formats": formats, "inspection": inspection, "guest-files": guest_files}
LONG = {"inspection", "guest-files"}  # they start appliances: not in a quick run
