#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests that mean harm, on a real mount and in a real appliance: the daemon lives, the answer is an error or a clean text.

    hostile-guest.py [--full]

The daemon runs under strace with all that it starts: nothing that a guest's link names is opened on the host, by anybody,
and the daemon itself opens nothing but what is its own. Links of the guests point to a secret beside the source, which
must not be seen anywhere. quick: links, devices and names. full: also fifty megabytes of fstab, package databases of
garbage, flipped bits.
"""
import json
import os
import pathlib
import random
import re
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "guests"))
sys.dont_write_bytecode = True

import disk_image  # noqa: E402
from cases import Cases, Steps  # noqa: E402
from inspecting import finished, need_appliance, start_cat  # noqa: E402
from real_guests import domain  # noqa: E402
from scene import Scene, expect, need, run  # noqa: E402

MIB = 1 << 20
SECRET = b"this is nobody's business "
LONGEST = 1200
EVIL_NAMES = [b"bell\a and \x1b[2Jclear", b"line\nbreak", b"\xff\xfe\xfd", "right\u202eto left".encode(), b"-rf", b"$(touch pwn)", b"x" * 255,
              b"quote\"'`;|&", b" ", b"..."]
FLIPS = [(1, 20), (2, 200), (3, 2000), (4, 20000)]  # (seed, bits)


class Tree:
    """A folder that becomes a guest: a Debian of a few files, and what is put over it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        for path, text in {"etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
                           "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/hostname": "hostile\n",
                           "etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n", "bin/sh": "", "boot/config-1": "",
                           "var/lib/dpkg/status": "Package: dpkg\nStatus: install ok installed\nVersion: 1\n\n"}.items():
            self.put(path, text)

    def put(self, path, content) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            target.unlink()
        target.write_bytes(content if isinstance(content, bytes) else content.encode())

    def link(self, path: str, target) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).unlink(missing_ok=True)
        (self.folder / path).symlink_to(target)

    def node(self, path: str, kind: int, device: int = 0) -> None:
        (self.folder / path).unlink(missing_ok=True)
        os.mknod(self.folder / path, kind | 0o666, device)


def links(tree: Tree, scene) -> None:
    """Out of the guest, in circles, to devices; in every file that an inspection reads."""
    secret = scene.folder / "secret"
    tree.link("etc/hostname", secret)
    tree.link("etc/fstab", "../../../../../../../../../.." + str(secret))
    tree.link("etc/crypttab", "/etc/crypttab")
    tree.link("etc/debian_version", scene.folder / "outside" / "secret")
    tree.link("etc/shadow", "/etc/shadow")
    tree.link("root", "/root")
    tree.link("loop", ".")
    tree.link("up", "..")
    tree.link("boot/grub", "/proc/self/root")
    tree.link("to-mount", scene.point())
    tree.node("etc/machine-id", stat.S_IFIFO)
    tree.node("etc/mdadm.conf", stat.S_IFCHR, os.makedev(1, 5))                        # zeros without end
    tree.node("etc/issue", stat.S_IFBLK, os.stat("/").st_dev)                          # the host's own disk
    tree.node("etc/network", stat.S_IFSOCK)
    for name in EVIL_NAMES:
        with open(os.fsencode(tree.folder) + b"/etc/" + name, "wb") as file:
            file.write(b"named badly\n")


def texts(tree: Tree, _scene) -> None:
    """Control characters, invalid UTF-8, words of other languages, in what becomes JSON and XML."""
    tree.put("etc/os-release", b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="\x1b[2J\xff\xfe <a>]]>&\x00 \xe2\x80\xae"\n')
    tree.put("etc/hostname", b"evil\x1b[31m\xff\xc0\x80<!--\n")
    tree.put("etc/fstab", b"/dev/\x07sda1 / ext4 defaults 0 1\n/dev/\xff\xfe /x\\040\x1b ext4 defaults 0 2\n/dev/sda1 /../../../etc ext4 d 0 0\n")
    tree.put("var/lib/dpkg/status", b"Package: \x1b]0;x\x07\xff\nStatus: install ok installed\nVersion: <&>\n\n" * 50)
    tree.put("boot/grub/grub.cfg", b"menuentry '\xff\x1b' {\n linux /../../../../etc/shadow root=/dev/\xff`reboot`\n}\n" * 300)


def large_fstab(tree: Tree, _scene) -> None:
    tree.put("etc/fstab", b"/dev/sda1 /x ext4 defaults 0 0\n" * (50 * MIB // 31))


def packages(tree: Tree, _scene) -> None:
    tree.put("etc/os-release", "ID=fedora\nVERSION_ID=37\n")
    tree.put("etc/redhat-release", "Fedora release 37\n")
    (tree.folder / "var/lib/dpkg/status").unlink()
    garbage = random.Random(4)
    tree.put("var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + garbage.randbytes(MIB))
    tree.put("usr/lib/sysimage/rpm/Packages.db", b"RpmP" + garbage.randbytes(MIB))
    tree.put("var/lib/rpm/Packages", garbage.randbytes(12) + b"\x61\x15\x06\x00" + garbage.randbytes(MIB))
    tree.put("usr/bin/rpm", "")


def plain(_tree: Tree, _scene) -> None:
    """For flipped bits: nothing else is wrong."""


def add_guest(scene, name: str, change) -> pathlib.Path:
    raw = scene.source / f"{name}.raw"
    with tempfile.TemporaryDirectory(prefix="tree-", dir=scene.folder) as folder:
        change(Tree(pathlib.Path(folder)), scene)
        disk_image.make_disk(raw, 128 * MIB, [(disk_image.LINUX, MIB, 127 * MIB)], disk_id=0xbad)
        disk_image.add_ext4(raw, MIB, 127 * MIB, pathlib.Path(folder), "", "0bad0bad-0000-4000-8000-000000000000")
    (scene.source / f"{name}.xml").write_text(domain(name, [raw]))
    return raw


def flip(raw: pathlib.Path, seed: int, bits: int) -> None:
    """In the file system's first 16 MiB: superblock, descriptors, inodes, folders, journal."""
    source = random.Random(seed)
    with open(raw, "r+b") as file:
        file.seek(MIB)
        content = bytearray(file.read(16 * MIB))
        used = [at for at in range(0, len(content), 4096) if any(content[at:at + 4096])]
        for _ in range(bits):
            content[source.choice(used) + source.randrange(4096)] ^= 1 << source.randrange(8)
        file.seek(MIB)
        file.write(content)


def traps(scene) -> None:
    (scene.folder / "secret").write_bytes(SECRET * 1000)
    (scene.folder / "outside").mkdir()
    (scene.folder / "outside" / "secret").write_bytes(SECRET * 1000)


def read_all(guest: pathlib.Path) -> bytes:
    """What a person with find and cat gets to see; special files are not opened (a FIFO is one of the host's)."""
    seen, count = b"", 0
    for folder, folders, files in os.walk(os.fsencode(guest), onerror=lambda _: None):
        for name in folders + files:
            path, count = os.path.join(folder, name), count + 1
            try:
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    place = os.path.normpath(os.path.join(folder, os.readlink(path)))
                    if not place.startswith(os.fsencode(guest)):
                        raise AssertionError(f"{path!r} leads to {place!r}")
                # SEMANTICS: "a FIFO is shown as a socket, for opening one would wait on this host for ever"
                if stat.S_ISFIFO(status.st_mode) or status.st_rdev:
                    raise AssertionError(f"{path!r} is shown as a FIFO, or with a device number")
                if stat.S_ISREG(status.st_mode):
                    seen += subprocess.run(["head", "-c", "100000", path], capture_output=True, timeout=300).stdout
            except OSError:
                continue
        if count > 3000:
            break
    return seen


def clean(text: bytes) -> None:
    decoded = text.decode()  # raises for what is no UTF-8
    bad = re.findall("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e]", decoded)
    expect(bad, [], "control characters in a text")


def look_at(mounted, name: str) -> tuple:
    """(inspection or None, everything that was seen of it)."""
    vm = mounted.vm(name)
    code, out, said = finished(start_cat(vm / "inspection.json"), LONGEST)
    if code != 0:
        if "Input/output error" not in said:
            raise AssertionError(f"{name}: cat said {said}")
        expect(mounted.status(name)["error"]["code"], "inspection-failed", f"{name}: error")
    xml = b"" if code else (vm / "inspection.xml").read_bytes()
    for text in (out, xml, (vm / "status.json").read_bytes()):
        clean(text)
    return (json.loads(out) if code == 0 else None), out + xml + read_all(vm / "guest")


def opened(trace: str) -> list:
    """(pid, path) of every successful open; (pid, "execve PATH") of every program."""
    found = []
    for line in trace.splitlines():
        pid = line.split(maxsplit=1)[0]
        done = re.search(r"\b(?:open|openat|openat2|creat)\(.*\) = \d+<(.*)>$", line)
        if done:
            found.append((pid, re.sub(r"<(char|block) .*>?$", "", done[1].removesuffix(" (deleted)"))))
        started = re.search(r'execve\("([^"]*)"', line)
        if started:
            found.append((pid, "execve " + started[1]))
    return found


# SEMANTICS: "but no source, home, other state, block device or TCP port"
def judge(scene, trace: str) -> None:
    paths = {path for _, path in opened(trace)}
    for never in (str(scene.folder / "secret"), str(scene.folder / "outside" / "secret"), "/etc/shadow", "/root", "/proc/kmsg"):
        if never in paths:
            raise AssertionError(f"{never} was opened")
    devices = [path for path in paths if path.startswith("/dev/") and stat.S_ISBLK(os.stat(path).st_mode if os.path.exists(path) else 0)]
    expect(devices, [], "block devices that were opened")
    if not any("qemu-system" in path for path in paths):
        raise AssertionError("the trace does not even see qemu")


def hostile(guests: dict, flips=()):
    """Mounts them all, looks at each; gives what was found by name."""
    need_appliance()
    need("strace", "mke2fs")
    with Scene() as scene:
        traps(scene)
        for name, change in guests.items():
            add_guest(scene, name, change)
        for seed, bits in flips:
            flip(add_guest(scene, f"flip-{bits}", plain), seed, bits)
        steps, trace = Steps(), scene.folder / "trace"
        prefix = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-o", str(trace), "-e",
                  "trace=open,openat,openat2,creat,execve"]
        mounted = scene.run_daemon(scene.source, prefix=prefix)
        results = {}
        for name in mounted.vms():
            found, seen = look_at(mounted, name)
            if SECRET in seen:
                raise AssertionError(f"the secret is seen in {name}")
            results[name] = found
            steps.done(f"{name}: {'inspected' if found else mounted.status(name)['error']['what'][:120]}")
        scene.unmount(mounted)
        judge(scene, trace.read_text(errors="replace"))
        expect([str(path) for path in scene.folder.rglob("*pwn*")], [], "made by a name")
        return results


def case_links() -> None:
    found = hostile({"links": links})["links"]
    guest = found["guests"][0]
    expect((guest["distro"], guest["hostname"]), ("debian", ""), "a guest of links")


def case_texts() -> None:
    guest = hostile({"texts": texts, "large-fstab": large_fstab, "packages": packages})
    expect(guest["texts"]["guests"][0]["distro"], "debian", "texts")
    notes = guest["large-fstab"]["guests"][0]["notes"]
    expect(any("/etc/fstab" in note for note in notes), True, f"a note of the large fstab: {notes}")
    expect(guest["packages"]["guests"][0]["distro"], "fedora", "packages")
    expect(guest["packages"]["guests"][0]["applications"], [], "packages of garbage")


def case_flips() -> None:
    found = hostile({}, FLIPS)
    expect(len(found), len(FLIPS), "guests")


def case_trace_sees() -> None:
    """The judge itself: what it must find is found."""
    need("strace")
    with Scene() as scene:
        traps(scene)
        trace = scene.folder / "trace"
        run("strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=open,openat,openat2,creat,execve", "cat", scene.folder / "secret")
        try:
            judge(scene, trace.read_text())
        except AssertionError as error:
            expect("secret was opened" in str(error), True, str(error))
        else:
            raise AssertionError("an open of the secret is not seen")


def main() -> int:
    cases = Cases("hostile-guest")
    cases.run("trace-sees", case_trace_sees)
    cases.run("links", case_links)
    cases.run("texts", case_texts, full=True)
    cases.run("flips", case_flips, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
