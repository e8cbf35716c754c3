#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many at once: looking around stays quick under load, killed readers leave nothing, a thousand opens.

    mount-parallel.py [--full]
"""
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from scene import Scene, expect, run, wait_for  # noqa: E402

MIB = 1 << 20
READERS = 8
LONGEST_LS = 0.5  # ten times the goal: machines are noisy


def several_vms(scene, size: int):
    """vm-0 ... vm-3, each with a disk of its own."""
    disks = [scene.vmdk(f"disk-{n}.vmdk", size, f"--seed={n + 1}") for n in range(4)]
    return scene.ovf("vms.ovf", [(f"vm-{n}", [disk]) for n, disk in enumerate(disks)])


def seconds_of(body) -> float:
    start = time.monotonic()
    body()
    return time.monotonic() - start


def look_around(vm: pathlib.Path) -> None:
    for entry in os.scandir(vm):
        entry.stat()


def looking_is_quick():
    """As the median: on a busy machine a single look may wait for the processor."""
    with Scene() as scene:
        mounted = scene.mount(several_vms(scene, 64 * MIB))
        copiers = [subprocess.Popen(["sh", "-c", f"while :; do cat '{mounted.disk('vm-0')}' > /dev/null; done"],
                                    start_new_session=True) for _ in range(READERS)]
        try:
            wait_for(lambda: len(mounted.holders("vm-0")) >= READERS / 2, "the readers read")
            times = sorted(seconds_of(lambda: look_around(mounted.vm("vm-3"))) for _ in range(101))
        finally:
            for copier in copiers:
                os.killpg(copier.pid, 9)
                copier.wait()
        print(f"    ls under {READERS} readers: median {times[50] * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms")
        if times[50] > LONGEST_LS:
            raise AssertionError(f"ls took {times[50] * 1000:.0f} ms")
        mounted.no_holders("vm-0")


def readers_agree():
    """Readers of one disk at once, in pieces and orders of their own, beside a writer to another: the same bytes."""
    with Scene() as scene:
        mounted = scene.mount(several_vms(scene, 8 * MIB), "layout=plain")
        disk = mounted.disk("vm-1")
        right = disk.read_bytes()
        wrong = []

        def read(seed: int) -> None:
            rng = random.Random(seed)
            with open(disk, "rb", buffering=0) as file:
                for _ in range(150):
                    at, length = rng.randrange(len(right)), rng.choice([1, 4096, 65536, MIB])
                    if os.pread(file.fileno(), length, at) != right[at:at + length]:
                        wrong.append(at)

        def write() -> None:
            with open(mounted.disk("vm-2"), "r+b", buffering=0) as file:
                for number in range(300):
                    os.pwrite(file.fileno(), b"x" * 5000, number * 20_000)
        threads = [threading.Thread(target=read, args=(n,)) for n in range(READERS)] + [threading.Thread(target=write)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(wrong, [], "offsets of other bytes")


def writers_share_a_disk():
    """Several handles write to one disk, each its own places: all is there, also after a remount."""
    with Scene() as scene:
        ovf = several_vms(scene, 8 * MIB)
        mounted = scene.mount(ovf)
        disk = mounted.disk("vm-1")
        blocks = disk.stat().st_size // 3000

        def write(mine: int) -> None:
            with open(disk, "r+b", buffering=0) as file:
                for block in range(mine, blocks, 16 * READERS):  # neighbours share the store's blocks
                    os.pwrite(file.fileno(), bytes([mine + 1]) * 3000, block * 3000)
        threads = [threading.Thread(target=write, args=(n,)) for n in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(2):
            content = disk.read_bytes()
            for mine in range(READERS):
                for block in range(mine, blocks, 16 * READERS):
                    if content[block * 3000:block * 3000 + 3000] != bytes([mine + 1]) * 3000:
                        raise AssertionError(f"block {block} of writer {mine} is lost")
            scene.unmount(mounted)
            mounted = scene.mount(ovf)


def killed_readers_leave_nothing():
    with Scene() as scene:
        mounted = scene.mount(several_vms(scene, 64 * MIB))
        rng = random.Random(3)
        for number in range(20):
            copy = subprocess.Popen(["cp", mounted.disk("vm-0"), scene.folder / "copy"])
            time.sleep(rng.uniform(0, 0.1))
            copy.kill()
            copy.wait()
        mounted.no_holders("vm-0")
        expect(hashlib.sha256(mounted.disk("vm-0").read_bytes()).hexdigest(),
               run("sh", "-c", f"sha256sum < '{mounted.disk('vm-0')}'").text.split()[0], "sha256")
        mounted.no_holders("vm-0")
        mounted.control("reset", "vm-0")


def thousand_opens(kind: str):
    def body():
        with Scene() as scene:
            mounted = scene.mount(several_vms(scene, MIB))
            disk = mounted.disk("vm-0")
            flags = os.O_RDONLY if kind == "read" else os.O_RDWR
            fds = []
            try:
                for number in range(1000):
                    fds.append(os.open(disk, flags))
                expect(len(mounted.holders("vm-0")), 1000, "holders")
                for fd in fds[::100]:
                    expect(len(os.pread(fd, 4096, MIB)), 4096, "bytes read")
            finally:
                for fd in fds:
                    os.close(fd)
            mounted.no_holders("vm-0")
            for number in range(1000):
                os.close(os.open(disk, flags))
                (mounted.vm("vm-0") / "status.json").stat()
            mounted.no_holders("vm-0")
    return body


def main() -> int:
    cases = Cases("mount-parallel")
    cases.run("looking-is-quick", looking_is_quick)
    cases.run("readers-agree", readers_agree)
    cases.run("writers-share-a-disk", writers_share_a_disk)
    cases.run("killed-readers-leave-nothing", killed_readers_leave_nothing)
    cases.run("thousand-opens-to-read", thousand_opens("read"))
    cases.run("thousand-opens-to-write", thousand_opens("write"))
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
