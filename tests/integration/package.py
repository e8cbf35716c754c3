#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cmake --install, and the .deb: installed in a clean Debian 12 of its own, where it mounts and copies; removed again.

    package.py [--full]
"""
import os
import pathlib
import shutil
import stat
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip, Steps  # noqa: E402
from clean_root import CleanRoot, make_package, need_build  # noqa: E402
from scene import BUILD, expect, run  # noqa: E402

FILES = ["bin/v2vfsctl", "sbin/v2vfs", "sbin/mount.v2vfs", "lib/systemd/system/v2vfs@.service", "share/man/man1/v2vfsctl.1",
         "share/man/man5/v2vfs-inspection.5", "share/man/man8/mount.v2vfs.8", "share/man/man8/v2vfs.8",
         "share/bash-completion/completions/v2vfs", "share/bash-completion/completions/v2vfsctl",
         "share/zsh/vendor-completions/_v2vfsctl", "share/v2vfs/schemas/inspection.schema.json",
         "share/v2vfs/schemas/conversion.schema.json", "share/doc/v2vfs/README.md", "share/doc/v2vfs/examples/copy-vapp"]


# SEMANTICS: "Its JSON Schema is installed: share/v2vfs/schemas/inspection.schema.json"
def installed_by_cmake():
    need_build()
    with tempfile.TemporaryDirectory(prefix="v2vfs-test-") as folder:
        prefix = pathlib.Path(folder) / "usr"
        run("cmake", "--install", BUILD, "--prefix", prefix, "--strip")
        missing = [name for name in FILES if not (prefix / name).exists()]
        expect(missing, [], "files that are missing")
        unit = (prefix / "lib/systemd/system/v2vfs@.service").read_text()
        expect(f"ExecStart={prefix}/sbin/v2vfs " in unit and "@" not in unit.partition("[Service]")[2], True, "paths in the unit")
        expect(run(prefix / "bin/v2vfsctl", "--version").text.startswith("v2vfsctl "), True, "v2vfsctl")
        beside = run(prefix / "sbin/mount.v2vfs", "-fv", "/source", "/point").text
        expect(beside.split()[0], f"{prefix}/sbin/v2vfs", "the daemon that mount.v2vfs calls")


def what_it_says(package: pathlib.Path) -> None:
    field = lambda name: run("dpkg-deb", "-f", package, name).text  # noqa: E731
    expect("linux-image" in field("Recommends"), True, "Recommends a kernel")
    for library in ("libguestfs0", "libvirt0", "fuse3", "libfuse3-3"):
        expect(library in field("Depends"), True, f"Depends on {library}")
    size = package.stat().st_size >> 20
    expect(size < 20, True, f"{size} MiB: it is stripped")


MOUNT_AND_COPY = """
mkdir -p /mnt/vapp /srv/out
mount -t v2vfs -o accel=tcg,network=user /srv/kiosk.ova /mnt/vapp
! cp /mnt/vapp/till/disk.qcow2 /srv/copy.qcow2
v2vfsctl status till | tee /dev/stderr | grep -q linux-image
apt-get install -q -y --no-install-recommends linux-image-cloud-amd64
v2vfsctl convert till || [ $? = 6 ]
cp /mnt/vapp/till/disk.qcow2 /srv/copy.qcow2
v2vfsctl export --verify till /srv/out
cmp /srv/copy.qcow2 /srv/out/till/disk.qcow2
cmp /mnt/vapp/till/disk.qcow2 /srv/copy.qcow2
printf x | dd of=/mnt/vapp/till/disk.qcow2 conv=notrunc status=none
v2vfsctl umount /mnt/vapp
sleep 2
v2vfs --list-states | grep -q kiosk
"""


# The kernel for the appliance is a recommendation: without one it is said, and once it is there the next try works.
# SEMANTICS: "Purging the package keeps states"
# SEMANTICS: "Kept in `-o state=DIR`: /var/lib/v2vfs for root"
def in_a_clean_debian():
    need_build()
    if os.geteuid() != 0:
        raise Skip("root")
    kiosk = mount.make_vapp("--small") / "kiosk.ova"
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="v2vfs-test-") as name:
        folder = pathlib.Path(name)
        package = make_package(folder)
        what_it_says(package)
        steps.done(f"cpack: {package.name}, {package.stat().st_size / (1 << 20):.1f} MiB")
        root = CleanRoot(folder)
        steps.done("debootstrap")
        shutil.copy(package, root.tree / "srv")
        shutil.copy(kiosk, root.tree / "srv")
        root.run(f"apt-get update -q; apt-get install -q -y --no-install-recommends /srv/{package.name}")
        steps.done("apt-get install")
        print(root.run(MOUNT_AND_COPY).text)
        steps.done("mounted, copied, unmounted")
        expect(stat.S_IMODE((root.tree / "etc/v2vfs/example.conf").stat().st_mode), 0o644, "mode of the conffile")
        expect("/etc/v2vfs/example.conf" in root.run("dpkg-query -W -f '${Conffiles}' v2vfs").text, True, "a conffile")
        purged = root.run("apt-get purge -q -y v2vfs").text
        expect("holds what was written to VMs" in purged, True, f"purging says that states are kept: {purged[-300:]}")
        left = [str(path) for place in ("usr", "etc") for path in (root.tree / place).rglob("*v2vfs*")]
        expect(left, [], "files that are left")
        expect(any((root.tree / "var/lib/v2vfs").iterdir()), True, "states are kept")
        steps.done("purged")


def main() -> int:
    cases = Cases("package")
    cases.run("installed-by-cmake", installed_by_cmake)
    cases.run("in-a-clean-debian", in_a_clean_debian, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
