#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""v2vfsctl with libvirt: define, start, undefine; a running VM is pulled out of its mount and goes on.

    ctl-libvirt.py [--full]
"""
import os
import pathlib
import signal
import sys
import uuid
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases, Steps  # noqa: E402
from ctl import BUSY, FAILED, INTERRUPTED, MIB, NOT_THERE, UNSUPPORTED, ctl, end_of, noise_disk, start_ctl  # noqa: E402
from libvirt_host import URI, Machine, network_option, start_libvirt, virsh  # noqa: E402
from mount import make_vapp  # noqa: E402
from scene import Scene, expect, run, wait_for  # noqa: E402

NAME = f"v2vfs-test-{os.getpid()}"


class Libvirt(Scene):
    """A scene with libvirt, whose domains of this run are gone after it."""

    def __enter__(self):
        start_libvirt()
        return self

    def __exit__(self, *error):
        for domain in virsh("list", "--all", "--name").split():
            if domain.startswith(NAME):
                virsh("destroy", domain, check=False)
                virsh("undefine", domain, "--nvram", "--managed-save", check=False)
        super().__exit__(*error)

    def mounted(self, name: str, *disks):
        """A VM of this run's own name, where qemu's user can reach it."""
        return self.mount(self.ovf("vm.ovf", [(f"{NAME}-{name}", list(disks))]), network_option())

    def big(self):
        """One that takes a while to copy: 256 MiB of noise."""
        raw = noise_disk(self.source / f"{NAME}-big.raw", 512)
        return self.mount(raw, network_option())


def files_of(domain: str, *options) -> list:
    root = ElementTree.fromstring(virsh("dumpxml", domain, *options))
    return [source.get("file") for source in root.findall(".//disk/source")]


def define_and_undefine():
    with Libvirt() as scene:
        mounted = scene.mounted("define", scene.vmdk("disk.vmdk", 5 * MIB))
        name = f"{NAME}-define"
        ctl("undefine", "-c", URI, mounted.vm(), code=NOT_THERE, says="no such domain")
        ctl("define", "-c", URI, mounted.vm(), says=f"defined as {name}")
        expect(virsh("domstate", name), "shut off", "state")
        ctl("define", "-c", URI, "--start", mounted.vm(), says="defined and started")
        expect(virsh("domstate", name), "running", "state")
        ctl("undefine", "-c", URI, mounted.vm(), code=BUSY, says="virsh shutdown")
        virsh("destroy", name)
        ctl("undefine", "-c", URI, mounted.vm())
        expect(name in virsh("list", "--all", "--name").split(), False, "defined")
        ctl("define", "-c", "no-such-driver:///", mounted.vm(), code=NOT_THERE, says="no-such-driver")


# SEMANTICS: "moves a VM that runs in libvirt, and its definition, to a copy in DEST/VM/"
def pulled(full_disks: bool):
    def body():
        with Libvirt() as scene:
            disks = [scene.vmdk("a.vmdk", 48 * MIB), scene.vmdk("b.vmdk", 20 * MIB)]
            mounted = scene.mounted("pull", *disks) if full_disks else scene.mounted("pull", disks[0])
            name, out = mounted.vms()[0], scene.folder / "out"
            ctl("pull", "-c", URI, mounted.vm(), out, code=NOT_THERE, says="v2vfsctl export")
            ctl("define", "-c", URI, "--start", mounted.vm())
            ctl("export", mounted.vm(), out, code=BUSY, says="v2vfsctl pull")
            said = ctl("pull", "-c", URI, mounted.vm(), out, says="does not need the mount any more")
            print(f"    {said}")
            wanted = [str(out / name / disk) for disk in ("disk.qcow2", "disk-2.qcow2")][:2 if full_disks else 1]
            expect(files_of(name), wanted, "disks that it runs on")
            expect(files_of(name, "--inactive"), wanted, "disks of its definition")
            expect(virsh("domstate", name), "running", "state")
            mounted.no_holders()
            scene.unmount(mounted)
            expect(virsh("domstate", name), "running", "state without the mount")
            virsh("destroy", name)
            run("qemu-img", "check", "-q", out / name / "disk.qcow2")
            run("qemu-img", "compare", "-q", "-F", "raw", out / name / "disk.qcow2", scene.raw("a.vmdk"))
            virsh("start", name)  # its next start does not need it either
    return body


# SEMANTICS: "or it stays where it was, and no copy is left"
def interrupted_pull():
    with Libvirt() as scene:
        mounted = scene.big()
        name, out = mounted.vms()[0], scene.folder / "out"
        ctl("define", "-c", URI, "--start", mounted.vm())
        child = start_ctl("pull", "-c", URI, mounted.vm(), out)
        wait_for(lambda: (out / name / "disk.qcow2").exists() or child.poll() is not None, "the copy begins")
        child.send_signal(signal.SIGINT)
        end_of(child, INTERRUPTED, "runs on from the mount")
        expect((out / name).exists(), False, "anything is left of the copy")
        expect(files_of(name), [str(mounted.disk())], "disks that it runs on")
        virsh("suspend", name)  # it answers
        # A folder that qemu's user cannot get to.
        private = scene.folder / "private"
        private.mkdir(mode=0o700)
        ctl("pull", "-c", URI, mounted.vm(), private, code=FAILED, says="runs as another user")
        expect(files_of(name), [str(mounted.disk())], "disks that it runs on")
        virsh("resume", name)
        virsh("undefine", name)
        ctl("pull", "-c", URI, mounted.vm(), out, code=UNSUPPORTED, says="Define it first")


def target_is_full():
    with Libvirt() as scene:
        mounted = scene.big()
        name, small = mounted.vms()[0], scene.folder / "small"
        small.mkdir(mode=0o755)
        run("mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "none", small)
        try:
            ctl("define", "-c", URI, "--start", mounted.vm())
            ctl("pull", "-c", URI, mounted.vm(), small, code=FAILED)
            expect(files_of(name), [str(mounted.disk())], "disks that it runs on")
            expect(virsh("domstate", name), "running", "state")
            expect([path for path in small.rglob("*") if path.is_file()], [], "what is left of the copy")
        finally:
            run("umount", "-l", small)


def rename(domain, name: str) -> None:
    """Another name and uuid, saved over domain.xml as a user may."""
    root = ElementTree.parse(domain)
    root.find("name").text = name
    root.find("uuid").text = str(uuid.uuid4())
    domain.write_text(ElementTree.tostring(root.getroot(), encoding="unicode"))


def guest_goes_on():
    """A guest that writes all the time is pulled: it notices nothing, and what it wrote is on the new disk."""
    with Libvirt() as scene:
        name, out, steps = f"{NAME}-guest", scene.folder / "out", Steps()
        mounted = scene.mount(make_vapp() / "shop.ova", network_option())
        rename(mounted.vm("web") / "domain.xml", name)
        with Machine(mounted.vm("web") / "domain.xml") as machine:
            console = machine.start_and_login("v2vfs", 600)
            steps.done("started and logged in")
            console.command("(while :; do date +%s >> /var/local/ticks; sync; sleep 0.3; done) > /dev/null 2>&1 & true")
            print("    " + ctl("pull", "-c", URI, mounted.vm("web"), out))
            steps.done("pulled")
            mounted.no_holders("web")
            scene.unmount(mounted)
            before = int(console.command("wc -l < /var/local/ticks").split()[-1])
            wait_for(lambda: int(console.command("wc -l < /var/local/ticks").split()[-1]) > before + 3, "it goes on writing", 60)
            console.command("kill %1; echo the-last-line >> /var/local/ticks; sync")
            machine.power_off()
            steps.done("it went on without the mount, and is off")
            expect(files_of(name), [str(out / "web/disk.qcow2")], "disks of its definition")
            run("qemu-img", "check", "-q", out / "web/disk.qcow2")
            said = run("guestfish", "--ro", "-a", out / "web/disk.qcow2", "-m", "/dev/sda1", "cat", "/var/local/ticks",
                       env={**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}).text
            lines = said.splitlines()
            expect(lines[-1], "the-last-line", "the last line that it wrote")
            gaps = [int(b) - int(a) for a, b in zip(lines[:-1], lines[1:-1])]
            print(f"    {len(lines)} lines, never more than {max(gaps)} s apart")


def main() -> int:
    cases = Cases("ctl-libvirt")
    cases.run("define-and-undefine", define_and_undefine)
    cases.run("pulled", pulled(False))
    cases.run("pulled-two-disks", pulled(True), full=True)
    cases.run("interrupted-pull", interrupted_pull, full=True)
    cases.run("target-is-full", target_is_full, full=True)
    cases.run("guest-goes-on", guest_goes_on, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
