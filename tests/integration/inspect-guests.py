#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real Debian guests on ten layers, through a mount: LVM, LUKS, btrfs, xfs, md, GPT, several roots.

    inspect-guests.py [--full]

Each is a libvirt domain with raw disks, made by tests/lib/real_guests.py. quick: encrypted LVM with its key file.
full: all at once, their files, keys that are missing, -o root=, and each against virt-inspector.
"""
import json
import os
import pathlib
import sys
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import real_guests  # noqa: E402
import referee  # noqa: E402
from cases import Cases, Steps  # noqa: E402
from inspecting import finished, need_appliance, processes_of, qemus_of, seconds_of, start_cat  # noqa: E402
from scene import BUILD, Scene, expect, expect_errno, need, run, wait_for  # noqa: E402

PLACES = 2
LONGEST = 1500  # seconds for all ten, emulated, on a busy machine
LS_SECONDS = 0.05

# Of each: the root, what else is in its tree, what readiness has to say of it.
SAYS = {
    "plain": ("/dev/sda1", {"/"}, {"fragile-device"}),
    "lvm": ("/dev/lvm-vg/root", {"/", "/boot", "/home"}, set()),
    "luks-lvm": ("/dev/luks-lvm-vg/root", {"/", "/boot"}, set()),
    "luks-argon2id": ("/dev/mapper/luks-" + real_guests.uuid(4, 9), {"/", "/boot"}, {"fragile-device"}),
    "btrfs": ("/dev/sda1", {"/", "/home"}, set()),
    "boot": ("/dev/sda2", {"/", "/boot"}, set()),
    "xfs": ("/dev/sda1", {"/"}, set()),
    "gpt-esp": ("/dev/sda2", {"/", "/boot/efi"}, set()),
    "md": ("/dev/md127", {"/"}, set()),
    "two-roots": ("/dev/sda2", {"/"}, {"several-roots"}),
}
LOCKED = ["luks-lvm", "luks-argon2id"]
INSPECTED = {}  # inspection.xml of those that were inspected at once


class Guests:
    """A folder with links to some of the domains, and a key file."""

    def __init__(self, scene, names):
        need_appliance()
        need("guestfish", "sfdisk", "mke2fs")
        made = real_guests.make()
        for path in made.iterdir():
            if any(path.name in (f"{name}.xml", f"{name}.raw", f"{name}-2.raw") for name in names):
                os.link(path, scene.source / path.name)
        self.key = scene.folder / "key file, of all"
        self.key.write_text(real_guests.KEY + "\n")
        self.escaped = str(self.key).replace(",", "\\,")


def check(name: str, found: dict) -> None:
    root, tree, codes = SAYS[name]
    guest = found["guests"][found["chosen"]]
    expect((guest["root"], guest["hostname"], guest["distro"], guest["osinfo"]), (root, name, "debian", "debian12"), f"{name}: guest")
    expect({point["path"] for point in guest["mountpoints"] if point["mounted"]}, tree, f"{name}: tree")
    if len(guest["applications"]) < 100:
        raise AssertionError(f"{name}: {len(guest['applications'])} packages")
    kernel = next(each for each in guest["kernels"] if each["is_default"])
    expect((kernel["initrd"] or {}).get("problem"), "", f"{name}: initrd")
    drivers = {each["name"]: each["state"] for each in kernel["drivers"]}
    expect(drivers["virtio_blk"], "module", f"{name}: virtio_blk")
    said = {each["code"] for each in found["readiness"]} - {"no-virtio"}
    expect(said, codes, f"{name}: readiness {found['readiness']}")
    if name == "btrfs":
        expect(len(found["guests"]), 1, "btrfs: a snapshot is no root")
    if name == "plain":
        lines = {(each["file"], each["name"]) for each in guest["fragile_devices"]}
        for wanted in (("/boot/grub/grub.cfg", "/dev/sda1"), ("/boot/grub/grub.cfg", "/dev/sda2"),
                       ("/etc/initramfs-tools/conf.d/resume", "/dev/sda2"), ("/etc/fstab", "/dev/sda2")):
            if wanted not in lines:
                raise AssertionError(f"plain: {wanted} is not fragile: {lines}")


def keep(name: str, vm: pathlib.Path) -> None:
    if "V2VFS_KEEP" in os.environ:
        for text in ("inspection.json", "inspection.xml"):
            (pathlib.Path(os.environ["V2VFS_KEEP"]) / f"{name}-{text}").write_bytes((vm / text).read_bytes())


# SEMANTICS: "opens LUKS containers, also for guest/"
# SEMANTICS: "Keys stand in no command line, log or state"
def key_opens() -> None:
    """Encrypted LVM: locked without its key, read with it; the key is on no command line and in no log."""
    with Scene() as scene:
        guests, steps = Guests(scene, ["luks-lvm"]), Steps()
        mounted = scene.run_daemon(scene.source, f"keyfile=all:{guests.escaped}")
        vm = mounted.vm("luks-lvm")
        cat = start_cat(vm / "inspection.json")
        wait_for(lambda: qemus_of(mounted.daemon), "the appliance starts", 120)
        lines = [pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + pathlib.Path(f"/proc/{pid}/environ").read_bytes()
                 for pid, _ in processes_of(mounted.daemon)]
        code, out, said = finished(cat, LONGEST)
        expect((code, said), (0, ""), "cat")
        steps.done("inspection.json")
        check("luks-lvm", json.loads(out))
        expect((vm / "guest/etc/hostname").read_text(), "luks-lvm\n", "guest/etc/hostname")
        expect((vm / "guest/boot/grub/grub.cfg").exists(), True, "guest/boot")
        steps.done("guest/")
        scene.unmount(mounted)
        secret = real_guests.KEY.encode()
        kept = [path for path in [scene.log, *scene.state.rglob("*")] if path.is_file() and secret in path.read_bytes()]
        expect(kept, [], "files with the key in them")
        expect([line for line in lines if secret in line], [], "command lines with the key in them")
        keyless(scene, steps)


# SEMANTICS: "What stays closed is `luks-locked`; if the guest's root is in it, guest/ is EACCES"
def keyless(scene, steps) -> None:
    mounted = scene.run_daemon(scene.source)
    found = json.loads((mounted.vm("luks-lvm") / "inspection.json").read_bytes())
    steps.done("without a key")
    expect({"luks-locked", "no-root"} <= {each["code"] for each in found["readiness"]}, True, f"readiness {found['readiness']}")
    expect_errno(13, "guest/ without a key", lambda: os.listdir(mounted.vm("luks-lvm") / "guest"))
    steps.done("guest/ without a key")
    scene.unmount(mounted)


# SEMANTICS: "At most `appliances=N` run at once"
def all_at_once() -> None:
    """`cat */inspection.json` of ten VMs: all right, never more appliances than places, ls of an idle VM is quick."""
    with Scene() as scene:
        guests, steps = Guests(scene, SAYS), Steps()
        scene.vmdk("idle.vmdk", 4 << 20)
        scene.ovf("idle.ovf", [("idle", ["idle.vmdk"])])
        mounted = scene.run_daemon(scene.source, f"appliances={PLACES},keyfile=all:{guests.escaped}")
        cats = {name: start_cat(mounted.vm(name) / "inspection.json") for name in SAYS}
        most, looks = 0, []
        while any(cat.poll() is None for cat in cats.values()):
            most = max(most, len(qemus_of(mounted.daemon)))
            looks.append(seconds_of(lambda: list(os.scandir(mounted.vm("idle")))))
            time.sleep(0.2)
        steps.done("ten inspections")
        for name, cat in cats.items():
            code, out, said = finished(cat, 10)
            expect((code, said), (0, ""), f"cat {name}")
            check(name, json.loads(out))
            INSPECTED[name] = (mounted.vm(name) / "inspection.xml").read_bytes()
            keep(name, mounted.vm(name))
        expect(most, PLACES, "appliances at once")
        median = sorted(looks)[len(looks) // 2]
        print(f"    ls of an idle VM: median {median * 1000:.1f} ms, longest {max(looks) * 1000:.1f} ms of {len(looks)}")
        if median > 10 * LS_SECONDS:
            raise AssertionError("ls of an idle VM is slow meanwhile")
        scene.unmount(mounted)


# SEMANTICS: "The files of the guest by its mountpoints"
def files(name: str):
    def body() -> None:
        with Scene() as scene:
            guests = Guests(scene, [name])
            mounted = scene.run_daemon(scene.source, f"keyfile=all:{guests.escaped}")
            guest = mounted.vm(name) / "guest"
            expect((guest / "etc/hostname").read_text(), name + "\n", "etc/hostname")
            expect(any(each.startswith("vmlinuz-") for each in os.listdir(guest / "boot")), True, "boot")
            expect((guest / "etc/os-release").read_text().count("bookworm") > 0, True, "etc/os-release")
            scene.unmount(mounted)
    return body


# SEMANTICS: "one that is not there is EIO, and the error lists those that are"
def other_root() -> None:
    """The boot menu starts the second; -o root= says the first, also for guest/. Of another choice nothing is kept."""
    with Scene() as scene:
        Guests(scene, ["two-roots"])
        for option, host in (("", "two-roots"), ("root=/dev/sda1", "two-roots-old"), ("root=UUID=" + real_guests.uuid(10, 3), "two-roots-old"),
                             ("two-roots/root=/dev/sda2", "two-roots")):
            mounted = scene.run_daemon(scene.source, option)
            found = json.loads((mounted.vm("two-roots") / "inspection.json").read_bytes())
            expect(found["guests"][found["chosen"]]["hostname"], host, f"chosen with {option}")
            if option.startswith("root=/dev"):
                expect((mounted.vm("two-roots") / "guest/etc/hostname").read_text(), host + "\n", "guest/etc/hostname")
            scene.unmount(mounted)
        mounted = scene.run_daemon(scene.source, "root=/dev/sdz")
        expect_errno(5, "a root that is not there", lambda: (mounted.vm("two-roots") / "inspection.json").read_bytes())
        said = mounted.status("two-roots")["error"]["what"]
        for word in ("/dev/sdz", "/dev/sda1", "/dev/sda2"):
            expect(word in said, True, f"{word} in {said}")
        scene.unmount(mounted)


def little_memory() -> None:
    """argon2id with 1 GiB in an appliance without it: the sentence speaks of memory, not of keys."""
    with Scene() as scene:
        guests = Guests(scene, ["luks-argon2id"])
        disk, work = scene.folder / "disk.qcow2", scene.folder / "work"
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", scene.source / "luks-argon2id.raw", disk)
        work.mkdir()
        done = run(BUILD / "tests/support/guest-inspect", BUILD / "v2vfs", work, "--memory=900", f"--key=all:{guests.key}", disk,
                   timeout=LONGEST)
        locked = [each["what"] for each in json.loads(done.text)["readiness"] if each["code"] == "luks-locked"]
        expect(["memory" in what for what in locked], [True], f"what is said of it: {locked}")
        print(f"    {locked[0]}", flush=True)


def inspection_xml(scene, guests: Guests, name: str) -> bytes:
    mounted = scene.run_daemon(scene.source, f"keyfile=all:{guests.escaped}")
    text = (mounted.vm(name) / "inspection.xml").read_bytes()
    scene.unmount(mounted)
    return text


# SEMANTICS: "inspection.xml says the same of the guest to programs that read virt-inspector's XML"
def against_referee(name: str):
    def body() -> None:
        need("virt-inspector")
        with Scene() as scene:
            guests, steps = Guests(scene, [name]), Steps()
            mine = ET.fromstring(INSPECTED.get(name) or inspection_xml(scene, guests, name))
            steps.done("inspection.xml")
            keys = [f"--key={real_guests.uuid(list(SAYS).index(name) + 1, 9)}:file:{guests.key}"] if name in LOCKED else []
            referee.judge(name, mine, sorted(scene.source.glob("*.raw")), "raw", *keys)
            steps.done("virt-inspector")
    return body


def main() -> int:
    cases = Cases("inspect-guests")
    cases.run("key-opens", key_opens, full=True)
    cases.run("all-at-once", all_at_once, full=True)
    cases.run("little-memory", little_memory, full=True)
    cases.run("other-root", other_root, full=True)
    for name in ("btrfs", "md", "xfs", "luks-argon2id"):
        cases.run(f"files-{name}", files(name), full=True)
    for name in SAYS:
        cases.run(f"referee-{name}", against_referee(name), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
