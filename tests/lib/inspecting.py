# SPDX-License-Identifier: MIT
"""Watching a mount while appliances inspect its VMs."""
import pathlib
import subprocess
import time

from cases import Skip
from scene import need


def seconds_of(body) -> float:
    start = time.monotonic()
    body()
    return time.monotonic() - start


def need_appliance() -> None:
    need("qemu-system-x86_64", "supermin")
    if not list(pathlib.Path("/boot").glob("vmlinuz-*")):
        raise Skip("a kernel in /boot")


def processes_of(daemon) -> list:
    """The daemon's descendants: (pid, name)."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue
        name, fields = rest.rsplit(") ", 1)
        children.setdefault(int(fields.split()[1]), []).append((int(pid), name))
    found, open_ = [], [daemon.pid]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += [pid for pid, _ in below]
    return found


def qemus_of(daemon) -> list:
    return [pid for pid, name in processes_of(daemon) if name.startswith("qemu-system")]


def start_cat(path) -> subprocess.Popen:
    """Ends also where nobody reads what it gives."""
    return subprocess.Popen(["cat", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            pipesize=1 << 20)


def finished(cat: subprocess.Popen, seconds: float) -> tuple:
    """(exit code, output, what it said)."""
    out, said = cat.communicate(timeout=seconds)
    return cat.returncode, out, said.decode(errors="replace")
