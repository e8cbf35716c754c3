# SPDX-License-Identifier: MIT
"""v2vfsctl for a test."""
import os
import pathlib
import subprocess

from cases import Skip
from scene import BUILD, expect, run

CTL = pathlib.Path(os.environ.get("V2VFS_CTL") or BUILD / "v2vfsctl")
MIB = 1 << 20

# v2vfsctl(1), "EXIT STATUS".
OK, USAGE, NOT_THERE, FAILED, BUSY, UNSUPPORTED, INTERRUPTED = 0, 1, 2, 3, 4, 6, 130


def need_ctl() -> None:
    if not CTL.exists():
        raise Skip(f"{CTL} (not built)")


def ctl(*words, code: int = OK, says: str = "") -> str:
    """Runs it; what it says on both streams. The exit code and a part of what is said are as expected."""
    need_ctl()
    done = run(CTL, *words, check=False)
    expect(done.returncode, code, f"exit code of v2vfsctl {' '.join(map(str, words))} ({done.text})")
    if says not in done.text:
        raise AssertionError(f"v2vfsctl {' '.join(map(str, words))}: {done.text!r} does not say {says!r}")
    return done.text


def start_ctl(*words) -> subprocess.Popen:
    need_ctl()
    return subprocess.Popen([str(word) for word in (CTL, *words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def end_of(child: subprocess.Popen, code: int, says: str = "") -> str:
    text, _ = child.communicate(timeout=120)
    expect(child.returncode, code, f"exit code ({text.strip()})")
    if says not in text:
        raise AssertionError(f"{text!r} does not say {says!r}")
    return text


def noise_disk(path: pathlib.Path, mib: int) -> pathlib.Path:
    """A raw disk of which every other 16 MiB hold what does not deflate."""
    with open(path, "wb") as file:
        for start in range(0, mib, 32):
            file.seek(start * MIB)
            file.write(os.urandom(16 * MIB))
        file.truncate(mib * MIB)
    return path
