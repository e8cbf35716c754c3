#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks of VHD, VHDX, VDI, qcow2, QED and Parallels by way of a mount.

Is disk.qcow2 clean and identical to what qemu-img reads from the source, alone, in chains, in an OVA, after writes and
a remount; does looking start nothing; does qemu open nothing by a name in a file; what happens when it dies or hangs?
"""
import contextlib
import errno
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from mount import DAEMON  # noqa: E402
from scene import Scene, expect, need, run, wait_for, write_ovf  # noqa: E402

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
ODD = 5 * MIB + 37 * 512
# (suffix, qemu's format, options, is there by default)
KINDS = {
    "vhd-dynamic": ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    "vhd-fixed": ("vhd", "vpc", "subformat=fixed,force_size=on"),
    "vhdx-dynamic": ("vhdx", "vhdx", "subformat=dynamic"),
    "vhdx-fixed": ("vhdx", "vhdx", "subformat=fixed"),
    "vhdx-1m-blocks": ("vhdx", "vhdx", "block_size=1M"),
    "vhdx-256m-blocks": ("vhdx", "vhdx", "block_size=256M"),
    "vdi-dynamic": ("vdi", "vdi", "static=off"),
    "vdi-static": ("vdi", "vdi", "static=on"),
    "qcow2": ("qcow2", "qcow2", "compat=1.1"),
    "qcow2-v2": ("qcow2", "qcow2", "compat=0.10"),
    "qcow2-4k": ("qcow2", "qcow2", "cluster_size=4k"),
    "qcow2-2m": ("qcow2", "qcow2", "cluster_size=2M"),
    "qcow2-extended-l2": ("qcow2", "qcow2", "extended_l2=on"),
    "qcow2-lazy": ("qcow2", "qcow2", "lazy_refcounts=on"),
    "qcow2-preallocated": ("qcow2", "qcow2", "preallocation=metadata"),
    "qcow2-deflated": ("qcow2", "qcow2", "compression_type=zlib"),
    "qcow2-zstd": ("qcow2", "qcow2", "compression_type=zstd"),
    "qed": ("qed", "qed", "cluster_size=65536"),
    "qed-4m": ("qed", "qed", "cluster_size=4194304,table_size=2"),
    "parallels": ("hds", "parallels", "cluster_size=1M"),
    "parallels-64k": ("hds", "parallels", "cluster_size=65536"),
}
QUICK = {"vhd-dynamic", "vhd-fixed", "vhdx-dynamic", "vdi-dynamic", "qcow2", "qcow2-zstd", "qed", "parallels"}


def fill(raw: pathlib.Path, size: int, seed: int) -> None:
    """Random pieces here and there, the very end among them; the rest is a hole."""
    rng = random.Random(seed)
    with open(raw, "wb") as file:
        file.truncate(size)
        for _ in range(min(24, size // 8192)):
            file.seek(rng.randrange(0, max(1, size - 70000)) // 512 * 512)
            file.write(rng.randbytes(rng.randrange(512, 65536, 512)))
        if size >= 512:
            file.seek(size - 512)
            file.write(rng.randbytes(512))


def make(scene, kind: str, size: int, name: str = "disk", seed: int = 1) -> tuple:
    """The image below the source, and the raw file that it was made of."""
    suffix, driver, options = KINDS[kind]
    raw, image = scene.folder / f"{name}.raw", scene.source / f"{name}.{suffix}"
    fill(raw, size, seed)
    packed = ["-c"] if kind in ("qcow2-deflated", "qcow2-zstd") else []
    run("qemu-img", "convert", *packed, "-f", "raw", "-O", driver, "-o", options, raw, image, timeout=600)
    return raw, image


def same(raw, qcow2) -> None:
    run("qemu-img", "check", "-q", "-f", "qcow2", qcow2)
    run("qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", raw, qcow2, timeout=900)


def readers(mounted) -> list:
    """The process numbers of the qemu-nbd of this mount's daemon."""
    daemons = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
               if str(mounted.point) in words_of(pid) and words_of(pid)[:1] != ["strace"]]
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if parent_of(pid) in daemons and words_of(pid)[:1] == ["qemu-nbd"]]


def words_of(pid: int) -> list:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    return 0


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    return False


def gone(pids: list) -> None:
    wait_for(lambda: not any(map(is_alive, pids)), "no qemu-nbd is left", 30)


# Reading.

def identical(kind: str, size: int):  # SEMANTICS: "The first access to content starts it, not `ls`, `stat` or `qemu-img info`"
    def body():
        need("qemu-img")
        with Scene() as scene:
            raw, image = make(scene, kind, size)
            mounted = scene.mount(image)
            run("qemu-img", "info", mounted.disk())
            mounted.disk().stat()
            expect(readers(mounted), [], "what looking started")
            expect(mounted.status()["disks"][0]["virtual_bytes"], size, "virtual_bytes")
            same(raw, mounted.disk())
            copy = scene.folder / "copy.qcow2"
            run("cp", "--sparse=auto", mounted.disk(), copy, timeout=900)
            same(raw, copy)
            if kind != "vhd-fixed" and not readers(mounted):
                raise AssertionError("no qemu-nbd read it")
            left = readers(mounted)
            scene.unmount(mounted)
            gone(left)
    return body


def huge(kind: str, size: int):
    """Sparse terabytes: mounted, looked at and compared at once; a copy takes no more than the content."""
    def body():
        need("qemu-img", "qemu-io")
        with Scene() as scene:
            suffix, driver, options = KINDS[kind]
            image = scene.source / f"disk.{suffix}"
            run("qemu-img", "create", "-q", "-f", driver, "-o", options, image, str(size))
            run("qemu-io", "-f", driver, "-c", "write -P 7 1M 64k", "-c", f"write -P 9 {size - MIB} 1M", image)
            start = time.monotonic()
            disk = scene.mount(image).disk()
            expect(disk.stat().st_size > size, True, "st_size above the disk's")
            print(f"    mounted and looked at in {time.monotonic() - start:.2f} s", flush=True)
            # QEMU does not tell holes in a VHDX: comparing would read all of it.
            said = run("qemu-io", "-r", "-f", "qcow2", "-c", "read -P 7 1M 64k", "-c", f"read -P 9 {size - MIB} 1M",
                       "-c", "read -P 0 64M 1M", disk).text
            if "rror" in said or "verification failed" in said:
                raise AssertionError(said[-300:])
            expect(disk.stat().st_blocks * 512 < 4 * GIB, True, "a sparse disk takes its tables and its content")
    return body


def chain(layers: int, base: str, ova: bool = False):
    """Layers of qcow2 (the lowest of `base`), each with pieces of its own; the mount shows what qemu-img does."""
    def body():
        need("qemu-img", "qemu-io")
        with Scene() as scene:
            files = []
            _, lowest = make(scene, base, ODD, "layer-0") if base != "raw" else (None, scene.source / "layer-0.img")
            if base == "raw":
                fill(lowest, ODD, 1)
            driver = "raw" if base == "raw" else KINDS[base][1]
            files.append(lowest)
            for i in range(1, layers):
                image = scene.source / f"layer-{i}.qcow2"
                run("qemu-img", "create", "-q", "-f", "qcow2", "-F", driver, "-b", files[-1].name, image,
                    cwd=scene.source)
                run("qemu-io", "-f", "qcow2", "-c", f"write -P {i} {i * 300 * KIB} 128k", "-c",
                    f"write -z {i * 700 * KIB} 64k", image)
                files.append(image)
                driver = "qcow2"
            raw = scene.folder / "whole.raw"
            run("qemu-img", "convert", "-f", driver, "-O", "raw", files[-1], raw)
            source = write_ovf(scene.source / "vm.ovf", [("vm", [files[-1]])])
            if ova:
                source = pack(scene, [source, *files])
            mounted = scene.mount(source)
            expect(mounted.vms(), ["vm"], "machines")
            if ova:  # SEMANTICS: "and not inside an archive"
                wait_for(lambda: "inside an archive" in str(mounted.status()), "it is refused: QEMU takes no part of a file for a backing file")
                return
            same(raw, mounted.disk())
    return body


def pack(scene, files: list) -> pathlib.Path:
    archive = scene.folder / "ova" / "vm.ova"
    archive.parent.mkdir()
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files:
            tar.add(file, arcname=file.name)
    return archive


def in_ova(kind: str):
    def body():
        with Scene() as scene:
            raw, image = make(scene, kind, ODD)
            archive = pack(scene, [write_ovf(scene.source / "vm.ovf", [("vm", [image])]), image])
            same(raw, scene.mount(archive).disk())
    return body


def bare_folder():  # SEMANTICS: "(and is no part, parent or backing file of one that does)"
    """Overlays and their backing files in a folder, as a libvirt pool has them: a machine for each that is no backing."""
    with Scene() as scene:
        make(scene, "vhdx-dynamic", ODD, "hyperv")
        make(scene, "qcow2", ODD, "base")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", scene.source / "top.qcow2",
            cwd=scene.source)
        mounted = scene.mount(scene.source)
        expect(mounted.vms(), ["hyperv", "top"], "machines")
        same(scene.folder / "base.raw", mounted.disk("top"))
        same(scene.folder / "hyperv.raw", mounted.disk("hyperv"))


def internal_snapshot():  # SEMANTICS: "Of snapshots inside a qcow2 the disk's last state is"
    with Scene() as scene:
        _, image = make(scene, "qcow2", ODD)
        run("qemu-img", "snapshot", "-c", "before", image)
        run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M", image)
        raw = scene.folder / "now.raw"
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
        same(raw, scene.mount(image).disk())


# Writing.

def written_and_remounted(kind: str):
    def body():
        need("qemu-io")
        with Scene() as scene:
            raw, image = make(scene, kind, ODD)
            mounted = scene.mount(image)
            rng, words = random.Random(5), []
            with open(raw, "r+b") as mirror:
                for _ in range(30):
                    length = rng.randrange(512, 128 * KIB, 512)
                    offset = rng.randrange(0, (ODD - length) // 512) * 512
                    pattern = rng.randrange(1, 255)
                    mirror.seek(offset)
                    mirror.write(bytes([pattern]) * length)
                    words += ["-c", f"write -P {pattern} {offset} {length}"]
            run("qemu-io", "-f", "qcow2", *words, "-c", "flush", mounted.disk())
            same(raw, mounted.disk())
            before = hashlib.sha256(mounted.disk().read_bytes()).hexdigest()
            scene.unmount(mounted)
            mounted = scene.mount(image)
            expect(mounted.status()["state"], "unconverted", "state after the remount")
            expect(hashlib.sha256(mounted.disk().read_bytes()).hexdigest(), before, "sha256 after the remount")
            same(raw, mounted.disk())
    return body


# What must not happen.

def refused(name: str, make_it, words: str):
    def body():
        need("qemu-img")
        with Scene() as scene:
            make_it(scene)
            mounted = scene.mount(scene.source)
            said = str(mounted.status(name))
            if words not in said:
                raise AssertionError(f"{words!r} is not in {said[:600]}")
            with contextlib.suppress(OSError):
                mounted.disk(name).read_bytes()
                raise AssertionError("it was read")
            checked = run(DAEMON, "--check", scene.source, check=False)
            if words not in checked.text:
                raise AssertionError(f"--check does not say {words!r}: {checked.text[-600:]}")
    return body


def secret_backing(scene) -> None:  # SEMANTICS: "A backing file lies within the source"
    secret = scene.folder / "secret"
    secret.write_bytes(b"s" * MIB)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, scene.source / "thief.qcow2")


def data_file(scene) -> None:
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={scene.source}/x.data", scene.source / "ext.qcow2",
        "1M")


def looping(scene) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-u", "-b", f"{other}.qcow2",
            scene.source / f"{one}.qcow2", "1M")
    write_ovf(scene.source / "vm.ovf", [("vm", [scene.source / "a.qcow2"])])


def opens_no_name():  # SEMANTICS: "read-only, which is given the files as descriptors"
    """strace sees that qemu opens images by its descriptors only."""
    need("strace", "qemu-img")
    with Scene() as scene:
        make(scene, "qcow2", ODD, "base")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", scene.source / "top.qcow2",
            cwd=scene.source)
        trace = scene.folder / "trace"
        mounted = scene.run_daemon(scene.source / "top.qcow2",
                                   prefix=["strace", "-f", "-qq", "-o", trace, "-e", "trace=execve,open,openat,openat2"])
        same(scene.folder / "base.raw", mounted.disk())
        scene.unmount(mounted)
        text = trace.read_text(errors="replace")
        if re.search(r'execve\("[^"]*/(ba|da)?sh"', text):
            raise AssertionError("a shell was started")
        child = re.search(r'^(\d+) +execve\("[^"]*qemu-nbd"', text, re.MULTILINE)[1]
        started = text.index(f'{child} ', text.index("qemu-nbd"))
        threads = {child} | set(re.findall(r'^(\d+) ', text[started:], re.MULTILINE))
        opened = [line for line in text[started:].splitlines()
                  if line.split(" ")[0] == child and re.search(r"open(at2?)?\(", line)]
        named = [line for line in opened if ".qcow2" in line]
        expect(named, [], "images that qemu-nbd opened by name")
        expect(sum("/proc/self/fd/" in line for line in opened) >= 2 and bool(threads), True, "both layers by descriptor")


def read_through(disk: pathlib.Path) -> bool:
    with open(disk, "rb", buffering=0) as file:
        try:
            while file.read(MIB):
                pass
            return True
        except OSError as error:
            expect(error.errno, errno.EIO, "errno")
            return False


def killed_while_reading():  # SEMANTICS: "If it dies, or does not answer for 30 seconds, the reads that it had are EIO"
    """Every read of a dead process's is EIO, the next one works; never other bytes."""
    with Scene() as scene:
        raw, image = make(scene, "vhdx-dynamic", 64 * MIB)
        fill_densely(raw, 64 * MIB)
        run("qemu-img", "convert", "-f", "raw", "-O", "vhdx", raw, image)
        mounted = scene.mount(image)
        end, failures, rounds = time.monotonic() + (6 if "--full" not in sys.argv else 30), 0, 0
        expected = hashlib.sha256(raw.read_bytes()).hexdigest()
        while time.monotonic() < end:
            killer = threading.Timer(random.random() * 0.3, lambda: [os.kill(pid, signal.SIGKILL)
                                                                     for pid in readers(mounted)])
            killer.start()
            failures += not read_through(mounted.disk())
            killer.join()
            rounds += 1
            # A death that no read has met yet is met by one of these.
            if not read_through(mounted.disk()):
                failures += 1
                expect(read_through(mounted.disk()), True, "the disk can be read again")
            out = scene.folder / "out.raw"
            run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", mounted.disk(), out)
            expect(hashlib.sha256(out.read_bytes()).hexdigest(), expected, "sha256 of the disk after the kill")
        print(f"    {failures} reads failed in {rounds} rounds", flush=True)
        left = readers(mounted)
        scene.unmount(mounted)
        gone(left)


def fill_densely(raw: pathlib.Path, size: int) -> None:
    rng = random.Random(3)
    with open(raw, "wb") as file:
        for _ in range(size // MIB):
            file.write(rng.randbytes(MIB))


def hanging():  # SEMANTICS: "or does not answer for 30 seconds"
    """A stopped process: EIO in half a minute, and meanwhile everything else works; the next read starts another."""
    with Scene() as scene:
        raw, image = make(scene, "vdi-dynamic", ODD)
        mounted = scene.mount(image)
        same(raw, mounted.disk())
        stopped = readers(mounted)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        reader = threading.Thread(target=lambda: read_fails(mounted.disk()))
        reader.start()
        time.sleep(1)
        for _ in range(20):
            run("stat", mounted.disk(), timeout=3)
            run("ls", "-l", mounted.vm(), timeout=3)
        reader.join()
        waited = time.monotonic() - start
        if not 20 < waited < 60:
            raise AssertionError(f"the read took {waited:.0f} s")
        gone(stopped)
        same(raw, mounted.disk())
        left = readers(mounted)  # SEMANTICS: "after a minute without reads, at unmount and with the daemon it ends"
        wait_for(lambda: not any(map(is_alive, left)), "it ends after a minute without reads", 120)


def read_fails(path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        os.lseek(fd, -12 * MIB, os.SEEK_END)
        os.read(fd, 4 * KIB)
    except OSError as error:
        expect(error.errno, errno.EIO, "errno")
    finally:
        os.close(fd)


def daemon_killed(stopped: bool):  # SEMANTICS: "at unmount and with the daemon it ends"
    def body():
        with Scene() as scene:
            raw, image = make(scene, "vhd-dynamic", ODD)
            mounted = scene.run_daemon(image)
            same(raw, mounted.disk())
            left = readers(mounted)
            expect(len(left), 1, "processes that read")
            if stopped:
                os.kill(left[0], signal.SIGSTOP)
            mounted.kill()
            gone(left)
    return body


def parallel():
    """Twenty programs read at once through one process."""
    with Scene() as scene:
        raw, image = make(scene, "qcow2-zstd", 64 * MIB)
        mounted = scene.mount(image)
        programs = [subprocess.Popen(["qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", raw, mounted.disk()])
                    for _ in range(20)]
        expect([program.wait(300) for program in programs], [0] * 20, "exit codes")
        expect(len(readers(mounted)), 1, "processes that read")


def truncated(kind: str):  # SEMANTICS: "What the tables place beyond the end of the file is EIO"
    """What was cut off is EIO, never zeros; the rest reads, unless QEMU does not open what was cut off."""
    def body():
        with Scene() as scene:
            raw, image = make(scene, kind, 20 * MIB)
            fill_densely(raw, 20 * MIB)
            run("qemu-img", "convert", "-f", "raw", "-O", KINDS[kind][1], "-o", KINDS[kind][2], raw, image)
            os.truncate(image, image.stat().st_size - 6 * MIB)
            mounted = scene.mount(image)
            out = scene.folder / "out.raw"
            done = run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", mounted.disk(), out, check=False)
            if done.returncode == 0:
                raise AssertionError("a disk that was cut off was converted without an error")
            with open(raw, "rb") as good:
                expected = good.read(MIB)
            done = run("qemu-io", "-r", "-f", "qcow2", "-c", "read -v 0 512", mounted.disk(), check=False)
            if kind in ("vhd-dynamic", "vhdx-dynamic"):  # SEMANTICS: "QEMU opens no VHD and no VHDX that was cut off"
                expect("Input/output error" in done.text, True, f"the beginning ({done.text})")
                expect("truncated" in scene.log.read_text(), True, "the log has QEMU's reason")
            elif f"{expected[0]:02x} {expected[1]:02x}" not in done.text:
                raise AssertionError("the disk's beginning is not what it was")
    return body


def main() -> int:
    cases = Cases("mount-images")
    for kind in KINDS:
        cases.run(f"identical-{kind}", identical(kind, ODD), full=kind not in QUICK)
        sizes = [512, MIB, 33 * MIB + 512, 200 * MIB]
        for size in sizes if kind != "qed-4m" else sizes[1:]:
            cases.run(f"size-{size}-{kind}", identical(kind, size), full=True)
        cases.run(f"ova-{kind}", in_ova(kind), full=kind not in ("vhd-dynamic", "qcow2"))
        cases.run(f"written-{kind}", written_and_remounted(kind), full=kind != "vhdx-dynamic")
    for kind, size in (("vhd-dynamic", 2 * TIB - 16 * GIB), ("vhdx-dynamic", 8 * TIB), ("vdi-dynamic", 8 * TIB),
                       ("qcow2", 8 * TIB), ("qed", 8 * TIB), ("parallels", 4 * TIB)):
        cases.run(f"huge-{kind}", huge(kind, size), full=kind != "vhdx-dynamic")
    for layers in (2, 3, 4, 5):
        for base in ("raw", "qcow2", "qed", "vhd-dynamic", "vhd-fixed", "vhdx-dynamic", "vdi-dynamic"):
            cases.run(f"chain-{layers}-{base}", chain(layers, base), full=(layers, base) != (3, "raw"))
    cases.run("chain-ova", chain(3, "qcow2", ova=True), full=True)
    cases.run("bare-folder", bare_folder)
    cases.run("internal-snapshot", internal_snapshot)
    cases.run("refused-secret", refused("thief", secret_backing, "builds upon"))
    cases.run("refused-data-file", refused("ext", data_file, "another file"))
    cases.run("refused-loop", refused("vm", looping, "builds upon itself"))
    cases.run("opens-no-name", opens_no_name)
    cases.run("killed-while-reading", killed_while_reading)
    cases.run("hanging", hanging, full=True)
    for stopped in (False, True):
        cases.run(f"daemon-killed{'-stopped' * stopped}", daemon_killed(stopped))
    cases.run("parallel", parallel)
    for kind in ("vhd-dynamic", "vhdx-dynamic", "vdi-dynamic", "qcow2", "qed", "parallels"):
        cases.run(f"truncated-{kind}", truncated(kind), full=kind != "vdi-dynamic")
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
