# SPDX-License-Identifier: MIT
"""What is read from: our mount, and QEMU's servers as peers. Each is a context that ends its own process."""
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import time

from mount import DAEMON, Mount

BARE_FUSE = DAEMON.parent / "tests/support/bare-fuse"


@contextlib.contextmanager
def mounted(source: pathlib.Path, options: str = "convert=off"):
    """The mount of a new state; gives the Mount. Its log is shown, on stderr, only if something fails."""
    mount, log = Mount(source, options), io.StringIO()
    try:
        mount.mount()
        yield mount
        mount.unmount()
    except BaseException:
        log = sys.stderr
        raise
    finally:
        with contextlib.redirect_stdout(log):
            mount.close()


def daemon_of(mount: Mount) -> int:
    """The pid of the daemon behind the mount."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if str(mount.point).encode() in words and str(DAEMON).encode() in words:
                return int(folder.name)
    raise RuntimeError(f"no daemon is found for {mount.point}")


def children_of(pid: int) -> list:
    lists = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


def peak_mib(pid: int) -> float:
    """The most memory that the process ever had resident (VmHWM)."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no VmHWM")


@contextlib.contextmanager
def server(argv: list, is_ready):
    """A process that serves; ended with SIGTERM."""
    with subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=sys.stderr) as child:
        try:
            deadline = time.monotonic() + 30
            while not is_ready():
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"`{' '.join(map(str, argv))}` does not serve")
                time.sleep(0.02)
            yield child
        finally:
            child.terminate()


@contextlib.contextmanager
def nbd(image: pathlib.Path, image_format: str, cache: str, socket: pathlib.Path):
    """The content of an image by qemu-nbd; gives fio's words for it."""
    argv = ["qemu-nbd", "--read-only", "--persistent", "--shared=8", f"--socket={socket}", f"--format={image_format}",
            f"--cache={cache}", "--aio=threads", image]
    with server(argv, socket.exists):
        yield ["--ioengine=nbd", f"--uri=nbd+unix:///?socket={socket}"]
    socket.unlink(missing_ok=True)


@contextlib.contextmanager
def exported(image: pathlib.Path, image_format: str, point: pathlib.Path):
    """A file that qemu-storage-daemon exports with FUSE: the image's content; "raw" is the file as it is."""
    point.touch()
    before = os.stat(point).st_ino
    argv = ["qemu-storage-daemon", "--blockdev",
            f"driver={image_format},node-name=disk,read-only=on,file.driver=file,file.filename={image}",
            "--export", f"type=fuse,id=export,node-name=disk,mountpoint={point},writable=off"]
    with server(argv, lambda: os.stat(point).st_ino != before):
        yield point


@contextlib.contextmanager
def bare(file: pathlib.Path, point: pathlib.Path):
    """The file through a FUSE server that only copies from a file, with direct I/O: a plain server to compare with, no lower bound."""
    point.touch()
    before = os.stat(point).st_ino, os.stat(point).st_dev
    with server([BARE_FUSE, file, point], lambda: (os.stat(point).st_ino, os.stat(point).st_dev) != before):
        yield point
