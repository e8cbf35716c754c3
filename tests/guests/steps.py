# SPDX-License-Identifier: MIT
"""Running the programs that make a guest, and saying what takes how long."""
import contextlib
import shutil
import subprocess
import sys
import time

# Which Debian package has a program that may be missing.
PACKAGE_OF = {"debootstrap": "debootstrap", "qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"}


def run(*argv, **options) -> str:
    """Runs a program and gives its stdout; a failure ends the make with the program's last words."""
    argv = [str(word) for word in argv]
    if shutil.which(argv[0]) is None:
        sys.exit(f"tests/guests/make: {argv[0]} is missing: apt-get install {PACKAGE_OF.get(argv[0], argv[0])}")
    done = subprocess.run(argv, stdin=subprocess.DEVNULL if "input" not in options else None,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"tests/guests/make: `{' '.join(argv)}` failed ({done.returncode}):\n{done.stdout[-3000:]}")
    return done.stdout


@contextlib.contextmanager
def step(what: str):
    """Says on stderr that a step begins, and its seconds when it ends."""
    start = time.monotonic()
    print(f"  {what} ...", file=sys.stderr, flush=True)
    yield
    print(f"  {what}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
