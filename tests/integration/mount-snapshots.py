#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Chains of deltas: the disk that they are, and snapshots/, the disks of a VMX as they were, read-only.

    mount-snapshots.py [--full]

Does each snapshot hold what the disk held then; is nothing written, opened early, or mixed with what changed; are
names safe; does a snapshot that cannot be read keep anything else from being read? What becomes of a disk whose parent
changes or is not there?
"""
import errno
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases  # noqa: E402
from scene import Scene, expect, expect_errno, run, wait_for  # noqa: E402

MIB = 1 << 20
SIZE = 5 * MIB + 37 * 512
ESX = "vmfs,vmfsSparse,seSparse"


def vmx_with(scene: Scene, types: str = ESX, names=("first", "second")) -> pathlib.Path:
    """web.vmx on the topmost disk of a chain; snapshot N is of the Nth image. What they hold is disk.vmdk.raw.N."""
    scene.vmdk("disk.vmdk", SIZE, f"--chain={types}")
    count = types.count(",")
    (scene.source / "web.vmx").write_text(
        '.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "19"\ndisplayName = "web"\nmemSize = "512"\nscsi0.present = "TRUE"\n'
        f'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "disk-{count:06}.vmdk"\n')
    lines = [f'snapshot.numSnapshots = "{len(names)}"', f'snapshot.current = "{len(names)}"']
    for number, name in enumerate(names):
        disk = "disk.vmdk" if number % count == 0 else f"disk-{number % count:06}.vmdk"
        lines += [f'snapshot{number}.{key} = "{value}"' for key, value in (
            ("uid", number + 1), ("displayName", name), ("createTimeHigh", "0"), ("createTimeLow", "0"),
            ("numDisks", 1), ("disk0.fileName", disk), ("disk0.node", "scsi0:0"))]
    (scene.source / "web.vmsd").write_text("\n".join(lines) + "\n")
    return scene.source


def raw_of(scene: Scene, level: int) -> pathlib.Path:
    return scene.folder / f"disk.vmdk.raw.{level}"


def same(raw, qcow2) -> None:
    run("qemu-img", "check", "-q", "-f", "qcow2", qcow2)
    run("qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", raw, qcow2)


# SEMANTICS: "the disks of a VMX or libvirt machine as they were at each snapshot"
# SEMANTICS: "neither what a VM writes nor `reset` changes them"
def each_is_what_it_was(types: str):
    def body():
        with Scene() as scene:
            mounted = scene.mount(vmx_with(scene, types))
            snapshots = mounted.vm() / "snapshots"
            expect(sorted(os.listdir(snapshots)), ["first", "second"], "ls snapshots")
            expect(os.listdir(snapshots / "first"), ["disk.qcow2"], "ls of a snapshot")
            for level, name in enumerate(("first", "second")):
                same(raw_of(scene, level), snapshots / name / "disk.qcow2")
            same(raw_of(scene, 2), mounted.disk())
            # What is written to the VM now is nothing to its past.
            run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M", mounted.disk())
            same(raw_of(scene, 1), snapshots / "second/disk.qcow2")
            mounted.no_holders()
            mounted.control("reset")
            same(raw_of(scene, 1), snapshots / "second/disk.qcow2")
            copy = scene.folder / "copy"
            run("cp", snapshots / "first/disk.qcow2", copy)
            same(raw_of(scene, 0), copy)
            expect(copy.stat().st_size, (snapshots / "first/disk.qcow2").stat().st_size, "size of the copy")
    return body


# SEMANTICS: "Read-only (EROFS), without state"
def nothing_is_written():
    with Scene() as scene:
        mounted = scene.mount(vmx_with(scene))
        disk = mounted.vm() / "snapshots/first/disk.qcow2"
        expect(disk.stat().st_mode & 0o222, 0, "write permissions")
        expect_errno(errno.EROFS, "open for writing", lambda: os.open(disk, os.O_RDWR))
        expect_errno(errno.EROFS, "open to truncate", lambda: os.open(disk, os.O_RDONLY | os.O_TRUNC))
        for name, body in (("unlink", disk.unlink), ("mkdir", lambda: (disk.parent / "x").mkdir()),
                           ("create", lambda: (disk.parent / "x").write_text("x")),
                           ("truncate", lambda: os.truncate(disk, 0))):
            try:
                body()
            except OSError:
                continue
            raise AssertionError(f"{name} went well")
        same(raw_of(scene, 0), disk)
        scene.unmount(mounted)
        kept = [str(path) for path in scene.state.rglob("*") if "snapshot" in path.name]
        expect(kept, [], "state of snapshots")


# SEMANTICS: "Listing the folders opens nothing"
def looking_opens_nothing():
    """Listing the folders opens none of a snapshot's files; what the source has then is what is found."""
    with Scene() as scene:
        source = vmx_with(scene)
        mounted = scene.mount(source)
        snapshots = mounted.vm() / "snapshots"
        (source / "disk-flat.vmdk").rename(source / "gone")
        expect(os.listdir(snapshots / "first"), ["disk.qcow2"], "ls without the files")
        if "disk-flat.vmdk" in scene.log.read_text():
            raise AssertionError("ls opened the disk")
        (source / "gone").rename(source / "disk-flat.vmdk")
        same(raw_of(scene, 0), snapshots / "first/disk.qcow2")


# SEMANTICS: "its open(2) says why (also in the log), and the next one tries again"
def a_broken_one_hides_nothing():
    with Scene() as scene:
        source = vmx_with(scene)
        text = (source / "disk-000001.vmdk").read_text()
        (source / "disk-000001.vmdk").write_text(text.replace("parentCID=7e57d15c", "parentCID=00000001"))
        mounted = scene.mount(source)
        snapshots = mounted.vm() / "snapshots"
        same(raw_of(scene, 0), snapshots / "first/disk.qcow2")
        run("ls", "-lR", snapshots)
        # SEMANTICS: "One that cannot be opened has the size 0"
        expect((snapshots / "second/disk.qcow2").stat().st_size, 0, "size of one that cannot be opened")
        expect_errno(errno.EIO, "open", lambda: os.open(snapshots / "second/disk.qcow2", os.O_RDONLY))
        if "7e57d15c" not in scene.log.read_text():
            raise AssertionError("the log does not say why")
        # The next opening tries again.
        (source / "disk-000001.vmdk").write_text(text)
        same(raw_of(scene, 1), snapshots / "second/disk.qcow2")
        scene.watch(source)


# SEMANTICS: "A source that changed is ESTALE; write `reset` to `ctl` once it is as it should be"
def a_change_is_seen():
    with Scene() as scene:
        source = vmx_with(scene)
        mounted = scene.mount(source)
        disk = mounted.vm() / "snapshots/first/disk.qcow2"
        same(raw_of(scene, 0), disk)
        with open(source / "disk-flat.vmdk", "r+b") as file:
            first = file.read(512)
            file.seek(0)
            file.write(bytes(512))

        def is_stale() -> bool:
            try:
                with open(disk, "rb") as file:
                    file.read(512)
                return False
            except OSError as error:
                return error.errno == errno.ESTALE
        wait_for(is_stale, "ESTALE")
        with open(source / "disk-flat.vmdk", "r+b") as file:
            file.write(first)
        mounted.control("reset")
        same(raw_of(scene, 0), disk)
        scene.watch(source)


# SEMANTICS: "Names are made safe and unique as those of VMs are"
def names_are_safe():
    names = ["before/after", "..", "-rf", "twice", "twice", "", "a" * 300, "Fertig zum Testen"]
    with Scene() as scene:
        mounted = scene.mount(vmx_with(scene, names=names))
        found = os.listdir(mounted.vm() / "snapshots")
        expect(len(found), len(names), f"snapshots of {len(names)}, {found}")
        for name in found:
            if name.startswith((".", "-")) or len(name.encode()) > 200:
                raise AssertionError(f"{name!r} is no safe name")
            run("qemu-img", "check", "-q", "-f", "qcow2", mounted.vm() / "snapshots" / name / "disk.qcow2")
        expect({"twice", "twice-2", "Fertig zum Testen"} <= set(found), True, f"names in {found}")
        said = json.loads(run(mount.DAEMON, "--check", "--json", scene.source).text)
        expect(len(said["machines"][0]["snapshots"]), len(names), "snapshots in --check")


# Parents.

def read_errno(path) -> int:
    """The errno of reading content, 0 if it can be read."""
    try:
        with open(path, "rb") as file:
            file.seek(-9 * MIB, os.SEEK_END)
            file.read(1024)
        return 0
    except OSError as error:
        return error.errno


def parent_changes():
    """A parent that is written to under a mount makes the disk stale, never a mixture; put back, it is well again."""
    with Scene() as scene:
        source = vmx_with(scene)
        mounted = scene.mount(source)
        run("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 1M", mounted.disk())
        before = mounted.disk().read_bytes()
        flat = source / "disk-flat.vmdk"
        first = flat.read_bytes()[:512]
        with open(flat, "r+b") as file:
            file.write(bytes(512))
        wait_for(lambda: read_errno(mounted.disk()) == errno.ESTALE, "ESTALE")
        scene.unmount(mounted)
        with open(flat, "r+b") as file:
            file.write(first)
        scene.watch(source)
        mounted = scene.mount(source)
        expect(mounted.disk().read_bytes() == before, True, "disk.qcow2 is what it was once the parent is back")


# SEMANTICS: "So are a missing parent, a loop"
def parent_missing():
    """Neither mount nor --check takes a delta for a disk; both name the parent."""
    with Scene() as scene:
        source = vmx_with(scene, names=())
        (source / "disk-000001.vmdk").unlink()
        checked = run(mount.DAEMON, "--check", source / "web.vmx", check=False)
        mounted = scene.mount(source / "web.vmx")
        for name, said in (("--check", checked.text), ("status.json", json.dumps(mounted.status()))):
            if "disk-000001.vmdk" not in said or "parent" not in said:
                raise AssertionError(f"{name} does not name the parent: {said[-300:]}")
        expect(checked.returncode, 1, "exit of --check")
        if not read_errno(mounted.disk()):
            raise AssertionError("a delta without its parent is read")


# Deltas of an OVF.

def ovf_of_deltas(scene: Scene, types: str, knowing: bool) -> pathlib.Path:
    """A machine on the topmost of a chain and one on the image below; only the OVF knows who is whose parent unless
    they are `knowing`, and the files have the names of an export."""
    scene.vmdk("disk.vmdk", SIZE, f"--chain={types}")
    for number, name in enumerate(("base", "middle", "top")):
        file = scene.source / ("disk.vmdk" if number == 0 else f"disk-{number:06}.vmdk")
        content = file.read_bytes()
        if not knowing:
            content = forget_parent(content)
        file.unlink()
        (scene.source / f"export-{name}.vmdk").write_bytes(content)
    ovf = scene.ovf("vapp.ovf", [("top", ["export-top.vmdk"]), ("middle", ["export-middle.vmdk"])])
    text = ovf.read_text().replace("</References>", '<File ovf:id="f3" ovf:href="export-base.vmdk"/></References>')
    text = text.replace("</DiskSection>", '<Disk ovf:diskId="d3" ovf:fileRef="f3" ovf:capacity="1"/></DiskSection>')
    ovf.write_text(text.replace('ovf:diskId="d1"', 'ovf:diskId="d1" ovf:parentRef="d2"')
                   .replace('ovf:diskId="d2"', 'ovf:diskId="d2" ovf:parentRef="d3"'))
    return ovf


def forget_parent(vmdk: bytes) -> bytes:
    """In the descriptor's own length."""
    vmdk = re.sub(rb"parentCID=[0-9a-f]{8}", b"parentCID=ffffffff", vmdk, count=1)
    return re.sub(rb'parentFileNameHint="[^"]*"', lambda hint: b"#" * len(hint[0]), vmdk, count=1)


# SEMANTICS: "that file is the parent, whatever the VMDK says; one that knows of no parent is a delta all the same."
def ovf_names_the_parents(types: str, knowing: bool):
    def body():
        with Scene() as scene:
            ovf = ovf_of_deltas(scene, types, knowing)
            for source in (ovf, scene.source):
                mounted = scene.mount(source)
                expect(mounted.vms(), ["middle", "top"], "machines")
                same(raw_of(scene, 2), mounted.disk("top"))
                same(raw_of(scene, 1), mounted.disk("middle"))
                scene.unmount(mounted)
            expect(run(mount.DAEMON, "--check", ovf).returncode, 0, "--check")
    return body


def ovf_without_a_parent():
    with Scene() as scene:
        ovf = ovf_of_deltas(scene, "streamOptimized,streamOptimized,streamOptimized", knowing=False)
        (scene.source / "export-base.vmdk").unlink()
        checked = run(mount.DAEMON, "--check", ovf, check=False)
        expect((checked.returncode, "export-base.vmdk" in checked.text), (1, True), f"--check: {checked.text}")
        mounted = scene.mount(ovf)
        for name in ("top", "middle"):
            if not read_errno(mounted.disk(name)):
                raise AssertionError(f"{name} is read without its parent")


def main() -> int:
    cases = Cases("mount-snapshots")
    cases.run("ovf-deltas", ovf_names_the_parents("streamOptimized,streamOptimized,streamOptimized", knowing=False))
    cases.run("ovf-deltas-knowing", ovf_names_the_parents("streamOptimized,monolithicSparse,monolithicSparse", knowing=True), full=True)
    cases.run("ovf-parent-missing", ovf_without_a_parent)
    cases.run("parent-changes", parent_changes)
    cases.run("parent-missing", parent_missing)
    cases.run("esx", each_is_what_it_was(ESX))
    cases.run("workstation", each_is_what_it_was("streamOptimized,monolithicSparse,monolithicSparse"), full=True)
    cases.run("read-only", nothing_is_written)
    cases.run("lazy", looking_opens_nothing)
    cases.run("broken", a_broken_one_hides_nothing)
    cases.run("stale", a_change_is_seen)
    cases.run("names", names_are_safe)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
