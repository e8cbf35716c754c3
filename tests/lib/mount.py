# SPDX-License-Identifier: MIT
"""A mount of build/v2vfs for a test, and the watch over its sources."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from cases import Skip

PROJECT = pathlib.Path(__file__).resolve().parents[2]
DAEMON = pathlib.Path(os.environ.get("V2VFS_DAEMON") or PROJECT / "build/v2vfs")


def make_vapp(*options: str) -> pathlib.Path:
    """The folder that tests/guests/make leaves its vApp in."""
    done = subprocess.run([PROJECT / "tests/guests/make", *options], stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def fingerprint(paths: list) -> dict:
    """What must not change in a source: content, size, mtime."""
    result = {}
    for path in paths:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        status = os.stat(path)
        result[str(path)] = (digest, status.st_size, status.st_mtime_ns)
    return result


class Mount:
    """Mounts and unmounts one source any number of times, with one state folder.

    The mount point can be reached by the user that libvirt runs qemu as.
    """

    def __init__(self, source: pathlib.Path, options: str):
        if not DAEMON.exists():
            raise Skip(f"{DAEMON} (not built)")
        if not os.path.exists("/dev/fuse"):
            raise Skip("/dev/fuse")
        self.source, self.options = source, options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="v2vfs-test-"))
        self.folder.chmod(0o755)
        self.point = self.folder / "mnt"
        self.point.mkdir()
        self.log = self.folder / "log"

    def mount(self) -> None:
        argv = [DAEMON, "-o", f"state={self.folder / 'state'},log={self.log},{self.options}", self.source, self.point]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"v2vfs ended with {done.returncode}: {done.stdout.strip()}")

    def unmount(self) -> None:
        """Unmounts; qemu's last close may still be under way, so it tries for a while."""
        deadline = time.monotonic() + 30
        while os.path.ismount(self.point):
            done = subprocess.run(["fusermount3", "-u", self.point], capture_output=True, text=True)
            if done.returncode != 0 and time.monotonic() > deadline:
                raise RuntimeError(f"cannot unmount: {done.stderr.strip()}")
            time.sleep(0.2)

    def close(self) -> None:
        """Unmounts and removes the state; what the daemon logged goes to the test's output."""
        if os.path.ismount(self.point):
            subprocess.run(["fusermount3", "-u", "-z", self.point], capture_output=True)
        if self.log.exists():
            print("".join(f"    log: {line}\n" for line in self.log.read_text(errors="replace").splitlines()[-20:]))
        shutil.rmtree(self.folder, ignore_errors=True)
