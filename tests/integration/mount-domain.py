#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""domain.xml in a mount: saved over by what people use, taken back, defined and started by libvirt.

    mount-domain.py [--full]
"""
import errno
import os
import pathlib
import shutil
import stat
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402
from libvirt_host import Machine, network_option, start_libvirt, virsh  # noqa: E402
from scene import Scene, expect, expect_errno, need, run  # noqa: E402

MIB = 1 << 20
NAME = f"v2vfs-test-{os.getpid()}"


def memory(domain) -> str:
    return ElementTree.parse(domain).getroot().findtext("memory")


def edit(domain, scene, value: int, how: str) -> None:
    """Sets <memory> as a person with this tool would."""
    text = (domain.parent / "domain-compat.xml").read_text()
    changed = text.replace(f">{memory(domain.parent / 'domain-compat.xml')}</memory>", f">{value}</memory>")
    file = scene.folder / "edited.xml"
    file.write_text(changed)
    shell = {"cp": f"cp '{file}' '{domain}'", "cat": f"cat '{file}' > '{domain}'", "tee": f"tee '{domain}' < '{file}'",
             "mv": f"cp '{file}' '{domain}.new' && mv '{domain}.new' '{domain}'",
             "dd": f"dd if='{file}' of='{domain}' bs=100 status=none", "sed": f"sed -i 's|>[0-9]*</memory>|>{value}</memory>|' '{domain}'",
             "vim": f"vim -u NONE -es -c '%s#>[0-9]*</memory>#>{value}</memory>#' -c wq '{domain}'",
             "vim-backup": f"vim -u NONE -es -c 'set backup writebackup backupcopy=no' -c "
                           f"'%s#>[0-9]*</memory>#>{value}</memory>#' -c wq '{domain}'",
             "perl": f"perl -pi -e 's|>[0-9]*</memory>|>{value}</memory>|' '{domain}'"}[how]
    need(how.partition("-")[0])
    run("sh", "-c", shell, timeout=30)


# SEMANTICS: "MOUNTPOINT/<vm>/ domain.xml domain-compat.xml inspection.json inspection.xml conversion.json status.json guest/"
# SEMANTICS: "Saving a well-formed domain over it replaces it, durably"
# SEMANTICS: "brings the computed one back"
# SEMANTICS: "domain-compat.xml is always the computed one"
# SEMANTICS: "A machine without a uuid gets one that is the same at every mount"
def saved_by(how: str):
    def body():
        with Scene() as scene:
            ovf = scene.one_disk(MIB)
            mounted = scene.mount(ovf)
            domain = mounted.vm() / "domain.xml"
            before = domain.read_text()
            edit(domain, scene, 123456, how)
            expect(memory(domain), "123456", "memory at once")
            expect(len(domain.read_bytes()), domain.stat().st_size, "st_size")
            expect((mounted.vm() / "domain-compat.xml").read_text(), before, "domain-compat.xml")
            scene.unmount(mounted)
            mounted = scene.mount(ovf)
            expect(memory(domain), "123456", "memory after the remount")
            edit(domain, scene, 7654321, how)
            expect(memory(domain), "7654321", "memory, edited again")
            # A backup is the editor's own; it may be there or not.
            left = {path.name for path in mounted.vm().iterdir()} - {"domain.xml~"}
            expect(left, {"ctl", "disk.qcow2", "domain-compat.xml", "domain.xml", "guest", "inspection.json",
                          "inspection.xml", "conversion.json", "status.json"}, "files")
            domain.unlink()
            expect(domain.read_text(), before, "domain.xml after it was deleted")
            scene.unmount(mounted)
            scene.mount(ovf)
            expect(domain.read_text(), before, "domain.xml after it was deleted, remounted")
    return body


# SEMANTICS: "otherwise close(2) fails with EINVAL and the old one stays"
def malformed_is_refused():
    with Scene() as scene:
        mounted = scene.mount(scene.one_disk(MIB))
        domain = mounted.vm() / "domain.xml"
        edit(domain, scene, 123456, "cp")
        before = domain.read_text()
        doctype = '<!DOCTYPE domain [<!ENTITY a SYSTEM "file:///etc/passwd">]><domain>&a;</domain>'
        for what, text in (("no XML", "hello\n"), ("cut short", before[:200]), ("another root", "<network/>"),
                           ("nothing", ""), ("zeros", "\0" * 100), ("a DOCTYPE", doctype)):
            def save():
                fd = os.open(domain, os.O_WRONLY | os.O_TRUNC)
                os.write(fd, text.encode())
                os.close(fd)
            expect_errno(errno.EINVAL, f"close with {what}", save)
            expect(domain.read_text(), before, f"domain.xml after {what}")
        done = run("sh", "-c", f"echo nonsense > '{domain}'", check=False)
        expect(domain.read_text(), before, f"domain.xml after echo ({done.returncode})")
        fresh = mounted.vm() / "new.xml"
        fresh.write_text("<network/>")
        expect_errno(errno.EINVAL, "rename of another root", lambda: fresh.rename(domain))
        expect(domain.read_text(), before, "domain.xml after that rename")

        def too_long():
            fd = os.open(domain, os.O_WRONLY)
            try:
                for _ in range(20):
                    os.write(fd, b" " * MIB)
            finally:
                expect_errno(errno.EINVAL, "close with a part of it", lambda: os.close(fd))
        expect_errno(errno.EFBIG, "20 MiB", too_long)


def read_by_everything():
    """A domain.xml that was never opened, read by what takes the size first and what does not."""
    need("xmllint")
    with Scene() as scene:
        ovf = scene.one_disk(MIB)
        copy = scene.folder / "copy"
        for words in (["cp"], ["cat"], ["rsync"], ["dd"], ["tar"]):
            if not shutil.which(words[0]):
                continue
            mounted = scene.mount(ovf, "ephemeral")
            domain = mounted.vm() / "domain.xml"
            run("sh", "-c", {"cp": f"cp '{domain}' '{copy}'", "cat": f"cat '{domain}' > '{copy}'",
                             "rsync": f"rsync '{domain}' '{copy}'", "dd": f"dd if='{domain}' of='{copy}' status=none",
                             "tar": f"tar -C '{domain.parent}' -cf - domain.xml | tar -xOf - > '{copy}'"}[words[0]])
            expect(copy.read_text(), domain.read_text(), f"the copy by {words[0]}")
            run("xmllint", "--noout", copy)
            copy.unlink()
            scene.unmount(mounted)


# libvirt.

def security_of(disk) -> tuple:
    status = disk.stat()
    return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode),
            {name: os.getxattr(disk, name) for name in os.listxattr(disk)})


# SEMANTICS: "Owner, permissions and `user.*`, `trusted.*`, `security.*` attributes"
def started_by_libvirt():
    start_libvirt()
    with Scene() as scene:
        # Where qemu's user can reach it, and under a name of this run's own.
        ovf = scene.ovf("vm.ovf", [(NAME, [scene.vmdk("disk.vmdk", 5 * MIB)])])
        mounted = scene.mount(ovf, network_option())
        disk, domain = mounted.disk(), mounted.vm() / "domain.xml"
        before = security_of(disk)
        for _ in range(2):  # with the definition of the first time gone
            with Machine(domain) as machine:
                expect(machine.name, NAME, "the domain's name")
                virsh("start", "--paused", machine.name)
                expect(virsh("domstate", machine.name), "paused", "state")
                holders = mounted.holders()
                expect([holder["kind"] for holder in holders], ["writer"], "holders")
                if "qemu-system" not in os.readlink(f"/proc/{holders[0]['pid']}/exe"):
                    raise AssertionError(f"the holder is not qemu: {holders}")
                try:
                    mounted.control("reset")
                except OSError as error:
                    expect(error.errno, errno.EBUSY, "reset under a running VM")
                else:
                    raise AssertionError("reset under a running VM succeeded")
                virsh("destroy", machine.name)
                mounted.no_holders()
                expect(security_of(disk), before, "owner, mode and attributes after destroy")
        run("qemu-img", "check", "-q", disk)
        scene.unmount(mounted)
        expect(security_of(scene.mount(ovf).disk()), before, "owner, mode and attributes after the remount")


def main() -> int:
    cases = Cases("mount-domain")
    for how in ("cp", "sed", "tee", "vim", "mv", "cat", "dd", "perl", "vim-backup"):
        cases.run(f"saved-by-{how}", saved_by(how), full=how in ("cat", "dd", "perl", "vim-backup"))
    cases.run("malformed-is-refused", malformed_is_refused)
    cases.run("read-by-everything", read_by_everything)
    cases.run("started-by-libvirt", started_by_libvirt)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
