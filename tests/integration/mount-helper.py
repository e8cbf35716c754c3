#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mount(8), fstab and systemd: mount.v2vfs as root and as a user, and units that systemd takes.

    mount-helper.py [--full]

mount(8) looks for its helpers in /sbin only, and for the daemon beside them: both are put there in a mount namespace
of the test's own, with an fstab and, where there is one, a user.
"""
import os
import pathlib
import pwd
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402
from scene import BUILD, Scene, expect, need, run  # noqa: E402

HELPER = BUILD / "mount.v2vfs"
MIB = 1 << 20


def in_namespace(scene, script: str, fstab: str = "", code: int = 0) -> str:
    """Runs a shell script with mount.v2vfs in /sbin and this fstab; what it mounted is gone after it."""
    need("unshare", "mount")
    if not HELPER.exists():
        raise Skip(f"{HELPER} (not built)")
    (scene.folder / "fstab").write_text(fstab)
    (scene.folder / "script").write_text(f"""set -e
mkdir -p {scene.folder}/sbin-upper
mount -t tmpfs none {scene.folder}/sbin-upper
mkdir {scene.folder}/sbin-upper/up {scene.folder}/sbin-upper/work
mount -t overlay -o lowerdir=$(readlink -f /sbin),upperdir={scene.folder}/sbin-upper/up,workdir={scene.folder}/sbin-upper/work none $(readlink -f /sbin)
cp {HELPER} /sbin/mount.v2vfs
ln -sf {mount.DAEMON} /sbin/v2vfs
mount --bind {scene.folder}/fstab /etc/fstab
cd {scene.folder}
{script}
""")
    done = run("unshare", "--mount", "--propagation", "private", "bash", scene.folder / "script", check=False, timeout=120)
    expect(done.returncode, code, f"exit code ({done.text})")
    return done.text


# SEMANTICS: "take the options of v2vfs and leave out those of mount(8) and systemd"
def by_mount():
    with Scene() as scene:
        ovf = scene.one_disk(MIB)
        point = scene.point()
        said = in_namespace(scene, f"""
mount -v -t v2vfs -o state={scene.folder}/state,accel=tcg,convert=off,_netdev {ovf} {point}
cat {point}/vm/domain.xml | head -1
findmnt -n -o FSTYPE {point}
umount {point}
mount -f -t v2vfs {ovf} {point}
! mountpoint -q {point}
mount -s -t v2vfs -o state={scene.folder}/state,accel=tcg,no-such-option {ovf} {point}
umount {point}
""")
        for part in ("<domain", "fuse.v2vfs", "v2vfs -o"):
            expect(part in said, True, f"{part} in what is said: {said}")


# SEMANTICS: "exit codes are those of mount(8): 0, 1, 4, 32"
def exit_codes():
    with Scene() as scene:
        ovf = scene.one_disk(MIB)
        point = scene.point()
        said = in_namespace(scene, f"mount -t v2vfs {scene.folder}/nothing.ova {point}", code=32)
        expect("nothing.ova" in said, True, f"one sentence: {said}")
        in_namespace(scene, f"mount -t v2vfs -o no-such-option {ovf} {point}", code=1)
        in_namespace(scene, f"mount -t v2vfs {ovf} {scene.folder}/no-point", code=32)


# SEMANTICS: "`mount -t v2vfs` and fstab take the options of v2vfs"
def fstab_as_root():
    with Scene() as scene:
        ovf = scene.one_disk(MIB)
        point = scene.point()
        line = f"{ovf} {point} v2vfs noauto,_netdev,x-systemd.automount,state={scene.folder}/state,accel=tcg,convert=off 0 0\n"
        said = in_namespace(scene, f"mount {point}\nls {point}/vm\numount {point}", line)
        expect("disk.qcow2" in said, True, f"the tree: {said}")


# SEMANTICS: "(or ~/.local/state/v2vfs) for others"
def fstab_as_a_user():
    """A user mounts, reads and unmounts what fstab allows; states are in the user's home."""
    try:
        user = pwd.getpwnam("nobody")
    except KeyError as error:
        raise Skip("the user nobody") from error
    need("setpriv", "fusermount3")
    with Scene() as scene:
        ovf = scene.one_disk(MIB)
        point, home = scene.point(), scene.folder / "home"
        home.mkdir()
        for path in (point, home):
            os.chown(path, user.pw_uid, user.pw_gid)
        line = f"{ovf} {point} v2vfs noauto,user,accel=tcg,convert=off 0 0\n"
        as_user = f"setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups"
        said = in_namespace(scene, f"""
sed 's|^\\(nobody:.*\\):[^:]*:\\([^:]*\\)$|\\1:{home}:\\2|' /etc/passwd > passwd
mount --bind passwd /etc/passwd
{as_user} mount {point}
{as_user} ls {point}/vm
{as_user} umount {point}
! mountpoint -q {point}
ls -d {home}/.local/state/v2vfs
""", line)
        expect("disk.qcow2" in said, True, f"the tree: {said}")


def units_are_valid():
    need("systemd-analyze")
    with Scene() as scene:
        text = (mount.PROJECT / "mount-helpers/systemd/v2vfs@.service.in").read_text()
        text = text.replace("@V2VFS_SBIN@", str(scene.folder)).replace("@V2VFS_BIN@", str(scene.folder))
        for program in ("v2vfs", "v2vfsctl"):
            (scene.folder / program).write_text("#!/bin/sh\n")
            (scene.folder / program).chmod(0o755)
        (scene.folder / "v2vfs@vapp.service").write_text(text)
        done = run("systemd-analyze", "verify", "--man=no", scene.folder / "v2vfs@vapp.service", check=False)
        own = [line for line in done.text.splitlines() if "v2vfs" in line]
        expect((done.returncode, own), (0, []), f"what systemd says ({done.text})")
        # SEMANTICS: "before libvirt is started; it is stopped after libvirt-guests has shut down its guests"
        before = next(line for line in text.splitlines() if line.startswith("Before=")).partition("=")[2].split()
        expect({"libvirtd.service", "libvirt-guests.service"} <= set(before), True, f"what comes later: {before}")


def automount_units_are_valid():
    need("systemd-analyze")
    folder = mount.PROJECT / "examples/systemd"
    units = sorted(folder.glob("*mount"))
    expect(len(units), 2, "units in examples/systemd")
    done = run("systemd-analyze", "verify", "--man=no", *units, check=False)
    own = [line for line in done.text.splitlines() if "mnt-vapp" in line]
    expect((done.returncode, own), (0, []), f"what systemd says ({done.text})")


def main() -> int:
    cases = Cases("mount-helper")
    cases.run("by-mount", by_mount)
    cases.run("exit-codes", exit_codes)
    cases.run("fstab-as-root", fstab_as_root)
    cases.run("fstab-as-a-user", fstab_as_a_user)
    cases.run("units-are-valid", units_are_valid)
    cases.run("automount-units-are-valid", automount_units_are_valid)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
