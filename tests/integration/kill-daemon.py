#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon is killed while programs write: what was acknowledged is there after the next mount.

    kill-daemon.py [--quick|--full]   3 or 20 kills for each kind of writer

The writers are processes of their own (this file with `write` as its first word). Each says on a pipe what it is
about to do and, when the call has returned, that it was done; so the record of what was acknowledged is ours.
"""
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from scene import Scene, is_mounted, need, run, wait_for  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
BLOCK = 4 * KIB
WRITERS = 3
HOLE = 0  # what punched blocks hold instead of a sequence number


def block_of(sequence: int) -> bytes:
    return b"\0" * BLOCK if sequence == HOLE else struct.pack("<Q", sequence) * (BLOCK // 8)


# The writer: blocks of its own, one operation after the other.

def write(path: str, first: int, end: int, sequence: int, seed: int) -> int:
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    rng = random.Random(seed)
    # One in three opens with O_DSYNC, where each write is durable; that changes nothing in what is checked.
    fd = os.open(path, os.O_RDWR | rng.choice([0, os.O_DSYNC, os.O_DIRECT]))
    while True:
        sequence += 1
        count = rng.choice([1, 1, 2, 3, 16, 64])
        at = rng.randrange(first, end - count)
        kind = rng.choices("wpf", [20, 1, 1])[0]
        os.write(1, f"begin {kind} {at} {count} {sequence}\n".encode())
        try:
            if kind == "w":
                import mmap
                buffer = mmap.mmap(-1, count * BLOCK)  # aligned, as O_DIRECT wants it
                buffer.write(block_of(sequence) * count)
                if os.pwrite(fd, buffer, at * BLOCK) != count * BLOCK:
                    raise OSError("short write")
            elif kind == "p":
                keep_size_punch_hole = 3
                if libc.fallocate(fd, keep_size_punch_hole, ctypes.c_long(at * BLOCK), ctypes.c_long(count * BLOCK)):
                    raise OSError(ctypes.get_errno(), "fallocate")
            else:
                os.fsync(fd)
        except OSError:
            os._exit(0)  # the daemon is dead, and so is the handle
        os.write(1, f"done {sequence}\n".encode())


class Record:
    """What one writer said: for each block what it may hold now."""

    def __init__(self):
        self.blocks = {}

    def take(self, lines: list) -> int:
        """Reads what a writer said until it died; gives the number of acknowledged operations."""
        pending, acknowledged = None, 0
        for line in lines:
            words = line.split()
            if words[0] == "begin":
                pending = words[1], int(words[2]), int(words[3]), int(words[4])
            elif pending and words[0] == "done":
                kind, at, count, sequence = pending
                for block in range(at, at + count) if kind != "f" else []:
                    self.blocks[block] = {HOLE if kind == "p" else sequence}
                pending, acknowledged = None, acknowledged + 1
        if pending and pending[0] != "f":  # begun, not answered: old or new
            kind, at, count, sequence = pending
            for block in range(at, at + count):
                self.blocks.setdefault(block, {None}).add(HOLE if kind == "p" else sequence)
        return acknowledged

    def check(self, disk, base) -> None:
        """Each block holds what it may; from now on it is what it is."""
        with open(disk, "rb") as file, open(base, "rb") as original:
            for block, possible in sorted(self.blocks.items()):
                got = os.pread(file.fileno(), BLOCK, block * BLOCK)
                for sequence in possible:
                    wanted = os.pread(original.fileno(), BLOCK, block * BLOCK) if sequence is None else block_of(sequence)
                    if got == wanted:
                        self.blocks[block] = {sequence}
                        break
                else:
                    held = struct.unpack_from("<Q", got)[0]
                    raise AssertionError(f"block {block} holds {held} (...), expected one of {sorted(map(str, possible))}")


def start_writer(disk, number: int, blocks: int, sequence: int, seed: int):
    share = blocks // WRITERS
    argv = [sys.executable, "-B", __file__, "write", disk, number * share, (number + 1) * share, sequence, seed]
    writer = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(writer.stdout))
    reader.start()
    return writer, reader, lines


# SEMANTICS: "A write that returned survives the death of the daemon"
# SEMANTICS: "reading, writing, direct and"
def plain_writers(rounds: int):
    """Processes that write the file itself, as any program may."""
    def body():
        rng = random.Random(20)
        with Scene() as scene:
            ovf = scene.one_disk(40 * MIB, "--grain=16")
            mounted = scene.run_daemon(ovf)
            base = scene.folder / "base"
            run("cp", "--sparse=always", mounted.disk(), base)
            blocks = base.stat().st_size // BLOCK
            records = [Record() for _ in range(WRITERS)]
            total = 0
            for number in range(rounds):
                writers = [start_writer(mounted.disk(), i, blocks, (number + 1) << 32, rng.random()) for i in
                           range(WRITERS)]
                wait_for(lambda: all(len(lines) > 4 for _, _, lines in writers), "all writers write", 60)
                time.sleep(rng.uniform(0, 1))
                mounted.kill()
                for (writer, reader, lines), record in zip(writers, records):
                    writer.wait(60)
                    reader.join()
                    writer.stdout.close()
                    total += record.take(lines)
                if not is_mounted(mounted.point):
                    raise AssertionError("the dead mount is not there: nothing replaces it")
                mounted = scene.run_daemon(ovf)  # over the dead mount
                for record in records:
                    record.check(mounted.disk(), base)
            if total < 10 * rounds:
                raise AssertionError(f"{total} acknowledged operations in {rounds} rounds are too few")
            check_whole_file(mounted.disk(), base, records)
            print(f"    {rounds} kills, {total} acknowledged operations")
    return body


def check_whole_file(disk, base, records: list) -> None:
    """Nothing else changed."""
    known = {block: possible for record in records for block, possible in record.blocks.items()}
    with open(disk, "rb") as file, open(base, "rb") as original:
        for block in range(os.path.getsize(base) // BLOCK):
            got, was = file.read(BLOCK), original.read(BLOCK)
            if block not in known and got != was:
                raise AssertionError(f"block {block}, which nobody wrote to, changed")


def under_qemu_io(rounds: int):
    """qemu-io in write-through: what it says it wrote is in the disk that qemu sees, which is not corrupt."""
    def body():
        need("qemu-io", "qemu-img")
        rng = random.Random(21)
        with Scene() as scene:
            ovf = scene.one_disk(40 * MIB)
            content = bytearray(scene.raw("disk.vmdk").read_bytes())
            mounted = scene.run_daemon(ovf)
            total = 0
            for _ in range(rounds):
                places = rng.sample(range(len(content) // 512 - 256), 400)  # each once: qemu-io says places
                plan = [(at * 512, rng.randrange(1, 256) * 512, rng.randrange(1, 255)) for at in places]
                words = [word for at, length, pattern in plan for word in ("-c", f"write -P {pattern} {at} {length}")]
                writer = subprocess.Popen(["qemu-io", "-t", "writethrough", "-f", "qcow2", *words, str(mounted.disk())],
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                          text=True)
                time.sleep(rng.uniform(0.3, 1.2))
                mounted.kill()
                said, _ = writer.communicate(timeout=120)
                mounted = scene.run_daemon(ovf)
                total += settle(plan, said, content, mounted.disk(), scene.folder / "now")
            print(f"    {rounds} kills, {total} acknowledged writes of qemu-io")
            if total == 0:
                raise AssertionError("qemu-io wrote nothing: nothing was tested")
    return body


def settle(plan: list, said: str, content: bytearray, disk, scratch) -> int:
    """Compares the disk with what qemu-io said; sectors of a write that failed may be old or new. Gives the writes."""
    check = run("qemu-img", "check", "-f", "qcow2", disk, check=False)
    only_leaks = 3
    if check.returncode not in (0, only_leaks):
        raise AssertionError(f"qemu-img check: {check.returncode}: {check.text[-300:]}")
    written = {int(at) for at in re.findall(r"^wrote \d+/\d+ bytes at offset (\d+)", said, re.MULTILINE)}
    unsure, count = {}, 0
    for at, length, pattern in plan:
        if at in written:
            count += 1
            content[at:at + length] = bytes([pattern]) * length
            for sector in range(at // 512, (at + length) // 512):
                unsure.pop(sector, None)
        else:
            for sector in range(at // 512, (at + length) // 512):
                unsure.setdefault(sector, set()).add(pattern)
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, scratch)
    now = scratch.read_bytes()
    for sector in range(len(content) // 512):
        place = slice(sector * 512, sector * 512 + 512)
        if now[place] == content[place]:
            continue
        if not any(now[place] == bytes([pattern]) * 512 for pattern in unsure.get(sector, ())):
            about = [(at // 512, length // 512, pattern, at in written) for at, length, pattern in plan
                     if at // 512 - 128 <= sector < (at + length) // 512 + 128]
            raise AssertionError(f"sector {sector} is neither what was acknowledged nor what was under way: it holds "
                                 f"{now[place][:8].hex()}, not {content[place][:8].hex()}; {about}")
        content[place] = now[place]
    return count


def main() -> int:
    if sys.argv[1:2] == ["write"]:
        return write(sys.argv[2], *map(int, sys.argv[3:6]), float(sys.argv[6]))
    cases = Cases("kill-daemon")
    rounds = 20 if cases.full else 3
    cases.run("plain-writers", plain_writers(rounds))
    cases.run("qemu-io", under_qemu_io(rounds))
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
