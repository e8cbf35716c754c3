#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A folder of very many machines.

    mount-many.py [--full]     1,000 machines; with --full 10,000

How long do the mount, the first `ls`, the next ones and the end take, how much memory is it, and does it leave
anything in the state folder for machines of which nothing was kept?
"""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from scene import Scene, expect, run, wait_for, write_ovf  # noqa: E402

MIB = 1 << 20


def make_machines(scene: Scene, count: int) -> pathlib.Path:
    """Every other one an OVF, every other one a VMX, each with a disk of its own."""
    disk = scene.vmdk("first.vmdk", 64 << 10)
    content = disk.read_bytes()
    disk.unlink()
    text = write_ovf(scene.source / "vm.ovf", [("NAME", ["DISK"])]).read_text()
    (scene.source / "vm.ovf").unlink()
    vmx = ('.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "19"\ndisplayName = "NAME"\nmemSize = "64"\n'
           'scsi0.present = "TRUE"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "DISK"\n')
    for number in range(count):
        name = f"vm-{number:05}"
        kind, model = ("ovf", text) if number % 2 else ("vmx", vmx)
        (scene.source / f"{name}.{kind}").write_text(model.replace("NAME", name).replace("DISK", f"{name}.vmdk"))
        (scene.source / f"{name}.vmdk").write_bytes(content)
    return scene.source


def timed(what: str, most: float, body):
    start = time.monotonic()
    result = body()
    took = time.monotonic() - start
    print(f"    {took:7.3f} s  {what}", flush=True)
    if took > most:
        raise AssertionError(f"{what} took {took:.2f} s, more than {most} s")
    return result


def listed(*words) -> int:
    return len(subprocess.run(["ls", *words], stdout=subprocess.PIPE, check=True).stdout.splitlines())


def peak_memory(pid: int) -> int:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


# SEMANTICS: "MOUNTPOINT/status.json, vapp.json (OVF sources)"
# SEMANTICS: "A VM that nothing was kept of has no folder"
def many(count: int, most_memory: int):
    def body():
        with Scene() as scene:
            source = make_machines(scene, count)
            mounted = timed("mount", 300, lambda: scene.run_daemon(source, seconds=300))
            expect(timed("first ls", 5, lambda: listed(mounted.point)), count + 2, "names")
            expect(timed("next ls", 0.3, lambda: listed(mounted.point)), count + 2, "names again")
            timed("ls -l", 120, lambda: listed("-l", mounted.point))
            wait_for(lambda: '"loading"' not in (mounted.point / "status.json").read_text(), "all are loaded", 120)
            same_bytes(mounted, count)
            peak = peak_memory(mounted.daemon.pid)
            print(f"    {peak / MIB:5.0f} MiB at most", flush=True)
            if peak > most_memory:
                raise AssertionError(f"{peak / MIB:.0f} MiB, more than {most_memory / MIB:.0f}")
            left = [path.name for path in scene.state.iterdir() if path.is_dir()]
            expect([name[:8] for name in left], ["vm-00001"], "folders of states")
            wait_for(lambda: run("umount", mounted.point, check=False).returncode == 0, "unmounting")
            timed("the daemon's end", 30, lambda: mounted.daemon.wait(120))
            expect(len(list(scene.state.iterdir())), 1, "what is kept: the one that was written to")
    return body


def same_bytes(mounted, count: int) -> None:
    """Of one at each end and one amid them; and one is written to."""
    for number in (0, count // 2, count - 1):
        run("qemu-img", "check", "-q", "-f", "qcow2", mounted.disk(f"vm-{number:05}"))
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 512", mounted.disk("vm-00001"))


def main() -> int:
    cases = Cases("mount-many")
    cases.run("thousand", many(1000, 120 * MIB))
    cases.run("ten-thousand", many(10_000, 500 * MIB), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
