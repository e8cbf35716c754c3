# SPDX-License-Identifier: MIT
"""A clean Debian 12 for what is tried as a new user has it: a root of debootstrap, and the .deb of this build."""
import pathlib
import shutil
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "guests"))

from cases import Skip  # noqa: E402
from rootfs import MIRROR, SUITE  # noqa: E402
from scene import BUILD, need, run  # noqa: E402


def need_build() -> None:
    need("cmake", "cpack")
    for path in (BUILD / "v2vfs", BUILD / "v2vfsctl", BUILD / "mount-helpers/manuals/v2vfs.8"):
        if not path.exists():
            raise Skip(f"{path} (not built)")


def make_package(folder: pathlib.Path) -> pathlib.Path:
    run("cpack", "-B", folder / "packages", cwd=BUILD)
    return next((folder / "packages").glob("*.deb"))


class CleanRoot:
    """A Debian 12 with nothing but what it needs to start, in a mount namespace: `run` is as root in it."""

    def __init__(self, folder: pathlib.Path):
        self.tree = folder / "root"
        need("debootstrap", "unshare", "chroot")
        run("debootstrap", "--variant=minbase", SUITE, self.tree, MIRROR, timeout=900)
        for name in ("apt/apt.conf.d", "apt/sources.list.d"):  # proxies and mirrors of this host
            for file in pathlib.Path("/etc", name).glob("*"):
                if file.is_file() and not (self.tree / "etc" / name / file.name).exists():
                    shutil.copy(file, self.tree / "etc" / name)
        shutil.copy("/etc/resolv.conf", self.tree / "etc/resolv.conf")
        (self.tree / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.tree / "usr/sbin/policy-rc.d").chmod(0o755)

    ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}

    def command(self, script: str) -> list:
        """Of what runs the script as root in it; its mounts go with it."""
        prepare = (f"mount --rbind /dev {self.tree}/dev; mount -t proc none {self.tree}/proc; mount -t sysfs none {self.tree}/sys; "
                   f"exec chroot {self.tree} sh -ec \"$1\"")
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepare, "sh", script]

    def run(self, script: str, check: bool = True) -> subprocess.CompletedProcess:
        return run(*self.command(script), check=check, timeout=1200, env=self.ENVIRONMENT)
