#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks of every kind by way of a mount.

    mount-formats.py [--full]                       the cases
    mount-formats.py by-mount open|close DISK auto|plain   for disk-formats.sh --qcow2

Is disk.qcow2 clean and identical to the source, before and after writes and a remount; does damage give EIO and
never other bytes; do size, blocks and holes say what a full read finds?
"""
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402
from scene import Scene, expect, is_mounted, need, run, unmount_lazily, wait_for, write_ovf  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
ODD = 5 * MIB + 37 * 512  # no multiple of a grain, nor of a cluster
TYPES = "streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs seSparse".split()
CHAINS = {"esx": "vmfs,vmfsSparse,seSparse", "workstation": "streamOptimized,monolithicSparse,twoGbMaxExtentSparse"}
LAYOUTS = ["auto", "plain"]


# disk-formats.sh asks for the qcow2 of a disk: an OVF beside it, a mount beside that.

def by_mount(action: str, disk: str, layout: str) -> int:
    point, state, ovf = (pathlib.Path(f"{disk}.{layout}.{kind}") for kind in ("mnt", "state", "ovf"))
    if action == "close":
        if is_mounted(point.resolve()):
            unmount_lazily(point)
        shutil.rmtree(state, ignore_errors=True)
        point.rmdir()
        ovf.unlink(missing_ok=True)
        return 0
    point.mkdir(exist_ok=True)
    write_ovf(ovf, [("vm", [pathlib.Path(disk)])])
    done = run(mount.DAEMON, "-o", f"state={state},accel=tcg,convert=off,log={disk}.log,layout={layout}", ovf, point,
               check=False)
    if done.returncode != 0:
        print(done.text, file=sys.stderr)
        return 1
    status = json.loads((point / "vm/status.json").read_text())
    problems = [problem["what"] for problem in status["problems"]] + [d["error"] for d in status["disks"] if d["error"]]
    if problems:
        print(" ".join(problems), file=sys.stderr)
        by_mount("close", disk, layout)
        return 1
    print(point / "vm/disk.qcow2")
    return 0


def subformats(*names):
    """disk-formats.sh through the mount: its table goes to the output, its verdict is ours."""
    def body():
        need("qemu-img")
        script = pathlib.Path(__file__).with_name("disk-formats.sh")
        extent = [] if "--full" in sys.argv else ["--quick"]
        done = run("bash", script, *extent, f"--qcow2={sys.executable} -B {__file__} by-mount", *names, check=False,
                   timeout=3 * 3600)
        print(done.text)
        rows = re.search(r"^(\d+) rows, (\d+) bad$", done.text, re.MULTILINE)
        if done.returncode or not rows or int(rows[1]) == 0 or int(rows[2]):
            raise AssertionError(done.text.splitlines()[-1])
    return body


# Reading.

def sha256(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same(raw, qcow2) -> None:  # SEMANTICS: "`qemu-img check` finds nothing"
    run("qemu-img", "check", "-q", "-f", "qcow2", qcow2)
    run("qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", raw, qcow2)


def stretches(path):
    """(start, end, is_data) of a whole file, as lseek(2) says."""
    with open(path, "rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                expect(error.errno, errno.ENXIO, "SEEK_DATA")
                data = size
            if data > at:
                yield at, data, False
            at = data
            if at < size:
                end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                yield at, end, True
                at = end


# Writing: the same bytes into the mount's qcow2 by qemu-io and into the raw file by ourselves.

def write_randomly(qcow2, raw, total: int, seed: int, block: int = 64 * KIB) -> None:
    rng, size = random.Random(seed), os.path.getsize(raw)
    words, written = [], 0
    with open(raw, "r+b") as mirror:
        while written < total:
            length = rng.randrange(512, 2 * block, 512)
            offset = rng.randrange(0, (size - length) // 512) * 512
            pattern = rng.randrange(1, 255)
            mirror.seek(offset)
            mirror.write(bytes([pattern]) * length)
            words += ["-c", f"write -P {pattern} {offset} {length}"]
            written += length
    need("qemu-io")
    said = run("qemu-io", "-f", "qcow2", *words, "-c", "flush", qcow2).text
    if "rror" in said:
        raise AssertionError(said[-300:])


def disk_in(scene: Scene, kind: str) -> pathlib.Path:
    """An OVF whose one disk is of that kind, or the topmost of a chain; what it holds is raw("disk.vmdk")."""
    if kind not in CHAINS:
        return scene.one_disk(ODD, f"--type={kind}", "--seed=3")
    top = f"disk-{CHAINS[kind].count(','):06}.vmdk"
    return scene.ovf("vm.ovf", [("vm", [scene.vmdk("disk.vmdk", ODD, f"--chain={CHAINS[kind]}").with_name(top)])])


def written_and_remounted(kind: str, layout: str):
    def body():
        with Scene() as scene:
            ovf = disk_in(scene, kind)
            mounted = scene.mount(ovf, f"layout={layout}")
            write_randomly(mounted.disk(), scene.raw("disk.vmdk"), 2 * MIB, seed=1)
            same(scene.raw("disk.vmdk"), mounted.disk())
            before = sha256(mounted.disk())
            scene.unmount(mounted)
            # The layout is the one it was made with, whatever is asked now.
            mounted = scene.mount(ovf, f"layout={'auto' if layout == 'plain' else 'plain'}")
            expect(sha256(mounted.disk()), before, "sha256 of disk.qcow2 after the remount")
            same(scene.raw("disk.vmdk"), mounted.disk())
            write_randomly(mounted.disk(), scene.raw("disk.vmdk"), MIB, seed=2)
            same(scene.raw("disk.vmdk"), mounted.disk())
    return body


def forty_mib(layout: str):
    def body():
        with Scene() as scene:
            ovf = scene.one_disk(100 * MIB + 37 * 512, "--seed=5")
            mounted = scene.mount(ovf, f"layout={layout}")
            disk = mounted.disk()

            def ends():
                with open(disk, "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    first = hashlib.sha256(file.read(8 * MIB)).hexdigest()
                    file.seek(size - 8 * MIB)
                    return size, first, hashlib.sha256(file.read()).hexdigest()

            before = ends()
            write_randomly(disk, scene.raw("disk.vmdk"), 40 * MIB, seed=4)
            expect(ends(), before, "size, first and last 8 MiB")
            same(scene.raw("disk.vmdk"), disk)
            scene.unmount(mounted)
            mounted = scene.mount(ovf)
            expect(ends(), before, "size, first and last 8 MiB after the remount")
            same(scene.raw("disk.vmdk"), disk)
    return body


# Damage.

def reads_of(path, block: int = 64 * KIB):
    """(offset, bytes or errno) for each block that lseek(2) calls data."""
    fd = os.open(path, os.O_RDONLY)
    try:
        for start, end, is_data in stretches(path):
            for at in range(start - start % block, end, block) if is_data else []:
                try:
                    yield at, os.pread(fd, block, at)
                except OSError as error:
                    yield at, error.errno
    finally:
        os.close(fd)


def flipped_bit():  # SEMANTICS: "answers EIO for a damaged one"
    with Scene() as scene:
        ovf = scene.one_disk(ODD, "--damage=flipped-bit")
        mounted = scene.mount(ovf, "verify=grain")
        failed = [at for at, got in reads_of(mounted.disk(), 4 * KIB) if got == errno.EIO]
        others = [got for _, got in reads_of(mounted.disk(), 4 * KIB) if isinstance(got, int) and got != errno.EIO]
        expect(others, [], "other errors than EIO")
        if not failed or max(failed) - min(failed) > 128 * KIB:
            raise AssertionError(f"EIO at {failed}: one grain is damaged")
        if "disk.vmdk" not in scene.log.read_text():  # SEMANTICS: "Bytes that the source cannot give are EIO with file and offset in the log"
            raise AssertionError("the log does not name the file")
        verify_says_damaged(mounted)
        scene.unmount(mounted)
        verify_says_damaged(scene.mount(ovf))  # the default, where no read notices
        # The other grains are good.
        done = run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", scene.raw("disk.vmdk"), mounted.disk(), check=False)
        if done.returncode == 0:
            raise AssertionError("a disk with a flipped bit is identical to its source")


def verify_says_damaged(mounted) -> None:  # SEMANTICS: "`echo verify > ctl` inflates every grain now"
    try:
        mounted.control("verify")
    except OSError as error:
        expect(error.errno, errno.EIO, "errno of verify")
    else:
        raise AssertionError("verify found a flipped bit good")
    integrity = mounted.status()["integrity"]
    expect(integrity["state"], "damaged", "integrity")
    if not re.search(r"disk\.vmdk.*\d{3,}", integrity["what"]):
        raise AssertionError(f"integrity does not say where: {integrity['what']}")


def verify_good():
    with Scene() as scene:
        mounted = scene.mount(scene.one_disk(ODD))
        mounted.control("verify")
        expect(mounted.status()["integrity"]["state"], "good", "integrity")


def damaged_tables(kind: str, damage: str):
    """A table or an entry that lies: EIO, or the whole disk refused; never bytes of another place."""
    def body():
        with Scene() as scene:
            # Grains of 8 KiB: a table covers 4 MiB, so there are two.
            mounted = scene.mount(scene.one_disk(ODD, f"--type={kind}", "--grain=16", f"--damage={damage}"))
            if mounted.status()["disks"][0]["error"]:
                try:
                    mounted.disk().read_bytes()
                except OSError as error:
                    expect(error.errno, errno.EIO, "errno of a refused disk")
                    return
                raise AssertionError("a refused disk is read")
            right, wrong, failed = guest_bytes(mounted.disk(), scene.raw("disk.vmdk"))
            expect(wrong, [], "offsets of other bytes")
            if not right or not failed:
                raise AssertionError(f"{right} good and {len(failed)} failed grains: damage covers a part")
    return body


def guest_bytes(qcow2, raw, block: int = 64 * KIB) -> tuple:
    """The disk as qemu reads it against raw: good blocks, offsets of other bytes, offsets of errors."""
    words = []
    content = pathlib.Path(raw).read_bytes()
    for at in range(0, len(content), block):
        words += ["-c", f"read -v {at} {min(block, len(content) - at)}"]
    said = run("qemu-io", "-r", "-f", "qcow2", *words, qcow2, check=False).stdout.decode(errors="replace")
    good, wrong, failed, seen, at = 0, [], [], bytearray(), None
    for line in said.splitlines():
        if re.match(r"^[0-9a-f]{8,}:  ", line):
            seen += bytes.fromhex(line.split(":", 1)[1][:51].replace(" ", "")[:32])
        elif match := re.match(r"^read (\d+)/(\d+) bytes at offset (\d+)", line):
            at = int(match[3])
            if bytes(seen) == content[at:at + int(match[1])]:
                good += 1
            else:
                wrong.append(at)
            seen.clear()
        elif line.startswith("read failed"):
            failed.append(line)
            seen.clear()
    return good, wrong, failed


def holes_answered_otherwise(kind: str):
    """The same bytes by another file, all allocated or sparse as can be: the state is found, every byte stays."""
    def body():
        with Scene() as scene:
            ovf = scene.one_disk(ODD, f"--type={kind}")
            mounted = scene.mount(ovf)
            write_randomly(mounted.disk(), scene.raw("disk.vmdk"), MIB, seed=6)
            before = sha256(mounted.disk())
            scene.unmount(mounted)
            for sparse in ("always", "never", "always"):
                for file in sorted(scene.source.glob("*.vmdk")):
                    run("cp", f"--sparse={sparse}", file, scene.folder / "copy")
                    os.replace(scene.folder / "copy", file)
                scene.watch(ovf)
                mounted = scene.mount(ovf)
                expect(mounted.status()["state"], "unconverted", "state")
                expect(sha256(mounted.disk()), before, f"sha256 with --sparse={sparse}")
                same(scene.raw("disk.vmdk"), mounted.disk())
                write_randomly(mounted.disk(), scene.raw("disk.vmdk"), MIB // 4, seed=7)
                before = sha256(mounted.disk())
                scene.unmount(mounted)
            expect(len([path for path in scene.state.iterdir() if path.is_dir()]), 1, "states")
    return body


def one_eio(kind: str, layout: str, rounds: int):
    """Reads of the source fail once, each thread's first, second, ...: from the start, or only when content is read."""
    def body():
        need("strace")
        with Scene() as scene:
            ovf = scene.one_disk(MIB + 37 * 512, f"--type={kind}")
            mounted = scene.mount(ovf, f"layout={layout}")
            write_randomly(mounted.disk(), scene.raw("disk.vmdk"), MIB // 4, seed=8, block=8 * KIB)
            right = mounted.disk().read_bytes()
            scene.unmount(mounted)
            files = [word for file in sorted(scene.source.glob("*.vmdk")) for word in ("-P", str(file))]
            failures = {"start": 0, "content": 0}
            for number in range(1, rounds + 1):
                for phase in failures:
                    strace = ["strace", "-f", "-qq", "-o", str(scene.folder / "trace"), *files, "-e", "trace=pread64",
                              "-e", f"inject=pread64:error=EIO:when={number}"]
                    mounted = scene.run_daemon(ovf, prefix=strace if phase == "start" else ())
                    with attached(strace, mounted.daemon.pid if phase == "content" else None):
                        failures[phase] += failed_reads(mounted.disk(), right)
                    scene.unmount(mounted)
            if not all(failures.values()):
                raise AssertionError(f"no injected error was seen: {failures}")
            mounted = scene.mount(ovf)
            expect(mounted.disk().read_bytes() == right, True, "the same bytes without errors")
    return body


@contextlib.contextmanager
def attached(strace: list, pid):
    """strace at a process that runs, or nothing."""
    if pid is None:
        yield
        return
    tracer = subprocess.Popen([*strace, "-p", str(pid)], stdin=subprocess.DEVNULL)
    status = pathlib.Path(f"/proc/{pid}/status")
    try:
        wait_for(lambda: "TracerPid:\t0\n" not in status.read_text(), "strace is attached")
        yield
    finally:
        tracer.terminate()
        tracer.wait()


def failed_reads(disk, right: bytes) -> int:
    """How many reads are EIO; every other one is right."""
    failed = 0
    try:
        for at, got in reads_of(disk):
            failed += isinstance(got, int)
            if isinstance(got, bytes) and got != right[at:at + len(got)]:
                raise AssertionError(f"other bytes at {at}")
    except OSError as error:  # the whole disk
        expect(error.errno, errno.EIO, "errno")
        return failed + 1
    return failed


# Copies, sizes, holes.

def empty_disks():
    with Scene() as scene:
        ovf = scene.ovf("vm.ovf", [("vm", [8 * MIB, scene.vmdk("disk.vmdk", ODD), 3 * MIB + 512])])
        mounted = scene.mount(ovf)
        for number, size in ((1, 8 * MIB), (3, 3 * MIB + 512)):
            raw = scene.folder / f"{number}.raw"
            with open(raw, "wb") as file:
                file.truncate(size)
            same(raw, mounted.disk(number=number))
            write_randomly(mounted.disk(number=number), raw, MIB, seed=number)
            scene.unmount(mounted)
            mounted = scene.mount(ovf)
            same(raw, mounted.disk(number=number))
        same(scene.raw("disk.vmdk"), mounted.disk(number=2))


def copies(kind: str):
    def body():
        with Scene() as scene:
            disk = scene.mount(scene.one_disk(ODD, f"--type={kind}")).disk()
            content = disk.read_bytes()
            expect(disk.stat().st_size, len(content), "st_size")
            copy = scene.folder / "copy"
            ways = [["cp"], ["cp", "--sparse=always"], ["cp", "--sparse=never"], ["dd", "bs=1M", "status=none"],
                    ["dd", "bs=1M", "conv=sparse", "status=none"], ["dd", "bs=64k", "iflag=direct", "status=none"]]
            if shutil.which("rsync"):
                ways += [["rsync"], ["rsync", "--sparse"]]
            for way in ways:
                words = [f"if={disk}", f"of={copy}"] if way[0] == "dd" else [disk, copy]
                run(*way, *words)
                expect(copy.read_bytes() == content, True, f"the copy by {' '.join(way)}")
                copy.unlink()
    return body


def holes_are_exact(kind: str, layout: str):  # SEMANTICS: "`st_size`, `st_blocks`, SEEK_DATA and SEEK_HOLE are exact"
    def body():
        with Scene() as scene:
            disk = scene.mount(disk_in(scene, kind), f"layout={layout}").disk()
            for written in (False, True):
                if written:
                    write_randomly(disk, scene.raw("disk.vmdk"), MIB, seed=2)
                content, data_bytes = disk.read_bytes(), 0
                expect(disk.stat().st_size, len(content), "st_size")
                for start, end, is_data in stretches(disk):
                    if not is_data and content[start:end].strip(b"\0"):
                        raise AssertionError(f"data in the hole [{start}, {end})")
                    data_bytes += (end - start) * is_data
                allocated = disk.stat().st_blocks * 512
                # A stretch need not end on a sector.
                if abs(allocated - data_bytes) > 4 * KIB:
                    raise AssertionError(f"st_blocks says {allocated} bytes, SEEK_DATA {data_bytes}")
                if data_bytes > len(content) / 2:
                    raise AssertionError(f"{data_bytes} of {len(content)} bytes are data: the reserve is a hole")
    return body


def looking_stays_cold():  # SEMANTICS: "`ls`, `file`, `qemu-img info` and a refresh of a storage pool start nothing"
    """file(1) and qemu-img info read in the cold zone and the tail only; so they will start no conversion."""
    need("strace", "file", "qemu-img")
    with Scene() as scene:
        disk = scene.mount(scene.one_disk(20 * MIB)).disk()
        size, cold = disk.stat().st_size, cold_end(disk)
        for words in (["file", disk], ["qemu-img", "info", disk], ["stat", disk], ["ls", "-l", disk]):
            trace = scene.folder / "trace"
            run("strace", "-f", "-qq", "-y", "-o", trace, "-P", disk, "-e",
                "trace=read,pread64,readv,preadv,preadv2,lseek,_llseek,mmap,io_uring_enter,io_submit", *words)
            for offset, got in read_ranges(trace.read_text()):
                if offset + got > cold and offset < size - 8 * MIB:
                    raise AssertionError(f"{words[0]} reads {got} bytes at {offset}")
            if words[0] in ("file", "qemu-img") and not list(read_ranges(trace.read_text())):
                raise AssertionError(f"no read of {words[0]} was seen")


def cold_end(qcow2) -> int:
    """Where the L1 and the refcount table end: fields 20 to 60 of the header (qcow2 specification)."""
    with open(qcow2, "rb") as file:
        bits, _, _, l1_entries, l1, table, clusters = struct.unpack_from(">IQIIQQI", file.read(64), 20)
    end = max(l1 + 8 * l1_entries, table + (clusters << bits))
    if end < 8 * MIB:
        raise AssertionError(f"the cold zone ends at {end}")
    return end


def read_ranges(trace: str):
    at = 0
    for line in trace.splitlines():
        words = re.search(r"(\w+)\((.*)\) += (-?\d+)$", line)
        if not words or int(words[3]) < 0:
            continue
        name, arguments, result = words[1], words[2], int(words[3])
        if name == "lseek":
            at = result
        elif name == "read":
            yield at, result
            at += result
        elif name in ("pread64", "preadv"):
            yield int(arguments.rsplit(", ", 1)[1]), result


def main() -> int:
    if sys.argv[1:2] == ["by-mount"]:
        return by_mount(*sys.argv[2:5])
    cases = Cases("mount-formats")
    for kind in TYPES + ["raw", "chain"]:
        cases.run(f"subformat-{kind}", subformats(kind))
    cases.run("subformat-corpus", subformats("corpus"), full=True)
    for kind in CHAINS:
        cases.run(f"written-{kind}-auto", written_and_remounted(kind, "auto"))
        cases.run(f"holes-exact-{kind}", holes_are_exact(kind, "plain"), full=kind != "esx")
    for kind in TYPES:
        for layout in LAYOUTS:
            rare = kind != "streamOptimized" and (kind, layout) != ("twoGbMaxExtentSparse", "auto")
            cases.run(f"written-{kind}-{layout}", written_and_remounted(kind, layout), full=rare)
            cases.run(f"holes-exact-{kind}-{layout}", holes_are_exact(kind, layout), full=rare)
        cases.run(f"copies-{kind}", copies(kind), full=kind != "streamOptimized")
        cases.run(f"holes-otherwise-{kind}", holes_answered_otherwise(kind), full=kind != "monolithicFlat")
    for layout in LAYOUTS:
        cases.run(f"forty-mib-{layout}", forty_mib(layout), full=layout == "plain")
    cases.run("flipped-bit", flipped_bit)
    cases.run("verify-good", verify_good)
    for kind in ("streamOptimized", "monolithicSparse"):
        for damage in ("table-past-end", "entry-past-end"):
            cases.run(f"{damage}-{kind}", damaged_tables(kind, damage), full=kind != "streamOptimized")
    cases.run("one-eio-streamOptimized-auto", one_eio("streamOptimized", "auto", 2 if not cases.full else 20))
    for kind, layout in (("streamOptimized", "plain"), ("monolithicSparse", "auto"), ("twoGbMaxExtentFlat", "auto")):
        cases.run(f"one-eio-{kind}-{layout}", one_eio(kind, layout, 20), full=True)
    cases.run("empty-disks", empty_disks)
    cases.run("looking-stays-cold", looking_stays_cold)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
