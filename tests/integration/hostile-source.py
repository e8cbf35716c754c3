#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sources that mean harm: each mounts or is refused with a sentence, and nothing outside of it is opened.

    hostile-source.py [--full]

The daemon runs under strace; every file that it or a child opens must lie in the source, in its state, or on the
list below, and no program but those named is started. A secret lies beside each source: it is never seen.
"""
import os
import pathlib
import re
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases  # noqa: E402
from scene import Scene, expect, is_mounted, need, run, write_ovf  # noqa: E402

MIB = 1 << 20
SIZE = 2 * MIB
SECRET = b"this is nobody's business "
BAD_OVF = mount.PROJECT / "tests/bad/ovf"
BAD_TEXTS = mount.PROJECT / "tests/bad/texts"

# What the daemon needs of the system, whatever the source says.
ALLOWED = [r"/etc/ld\.so\.(cache|preload)", r"(/usr)?/lib(64)?/.*\.so[.\d]*", r"/dev/(fuse|null|kvm)",
           r"/proc/(self|\d+)/(mountinfo|cgroup)", r"/proc/sys/kernel/random/boot_id", r"/proc/(cpuinfo|filesystems)",
           r"/proc/sys/fs/fuse/(default|max)_request_timeout",
           r"/sys/devices/system/cpu(/.*)?", r"/sys/fs/fuse/connections/\d+/abort", r"/etc/(localtime|fuse\.conf)",
           r"/usr/share/zoneinfo/.*", r"/usr/lib/.*/gconv/gconv-modules(\.cache|\.d/.*)?", r"/(usr/share|etc)/qemu/firmware(/.*)?", r"/etc/ssl/openssl\.cnf",
           # constructors of libcap-ng and libnuma, which libvirt is linked with
           r"/proc/\d+/status", r"/proc/sys/kernel/cap_last_cap", r"/sys/devices/system/node(/.*)?",
           r"/proc/sys/vm/overcommit_memory"]  # glibc, when it gives memory back
PROGRAMS = {"v2vfs", "fusermount3"}


def traps(scene) -> None:
    """What the hostile hrefs point to, beside the source and in it."""
    (scene.folder / "secret").write_bytes(SECRET * 10_000)
    (scene.folder / "secret.vmdk").write_bytes(SECRET * 10_000)
    (scene.folder / "outside").mkdir()
    (scene.folder / "outside/secret").write_bytes(SECRET * 10_000)
    os.mkfifo(scene.source / "fifo")
    (scene.source / "folder").mkdir()
    for name in ("symlink", "link", "link.vmdk"):
        (scene.source / name).symlink_to("../secret")
    for name in ("symlink-folder", "linked"):
        (scene.source / name).symlink_to("../outside")
    (scene.source / "to-proc").symlink_to("/proc/self/environ")
    (scene.source / "hard").write_bytes(b"a file of the source\n" * 1000)


# SEMANTICS: "Nothing outside the source's folder (or archive) is opened"
def opened_outside(scene, trace: str) -> list:
    """Paths of successful opens, links resolved (strace -y names the descriptor), that are on no list."""
    mine = [str(scene.source), str(scene.state), str(scene.point()), str(scene.log), str(mount.DAEMON)]
    found = []
    for line in trace.splitlines():
        opened = re.search(r"\b(?:open|openat|openat2|creat)\(.*\) = \d+<(.*)>$", line)
        if opened:
            path = opened[1].removesuffix(" (deleted)")
            path = re.sub(r"<(char|block) .*>?$", "", path)
            if not any(path == own or path.startswith(own + "/") for own in mine) and \
                    not any(re.fullmatch(allowed, path) for allowed in ALLOWED):
                found.append(path)
        started = re.search(r'execve\("([^"]*)"', line)
        if started and os.path.basename(started[1]) not in PROGRAMS:
            found.append("execve " + started[1])
    return found


def all_paths(mounted):
    """Outside of guest/, which starts an appliance."""
    for folder, folders, files in os.walk(mounted.point):
        folders[:] = [name for name in folders if name != "guest"]
        yield from (pathlib.Path(folder) / name for name in folders + files)


def look_at_everything(mounted) -> bytes:
    """Reads all files of the mount, as far as they can be read; disks by what is data in their middle.

    Not the inspection: that is about hostile guests, and starts an appliance.
    """
    seen = b""
    for path in sorted(all_paths(mounted)):
        if not path.is_file() or path.name in ("ctl", "inspection.json", "inspection.xml", "conversion.json"):
            continue
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < MIB:
                    seen += file.read()
                    continue
                at = 0
                while at < size and len(seen) < 256 * MIB:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                    end = min(os.lseek(file.fileno(), at, os.SEEK_HOLE), at + 8 * MIB)
                    seen += os.pread(file.fileno(), end - at, at)
                    at = end
        except OSError:
            continue  # EIO, ENXIO at the last hole
    return seen


# SEMANTICS: "no `/`, no control characters, no leading dot or dash"
def names_are_safe(mounted) -> None:
    for path in all_paths(mounted):
        name = os.fsencode(path.name)
        if name.startswith((b".", b"-")) or len(name) > 255 or re.search(rb"[\x00-\x1f\x7f/]", name):
            raise AssertionError(f"unsafe name {name!r}")
        if not path.resolve().is_relative_to(mounted.point):
            raise AssertionError(f"{path} leads out of the mount")


def survives(scene, sources) -> object:
    """Mounts under strace and looks at everything; None if it was refused with a sentence. Judges the trace."""
    need("strace")
    trace = scene.folder / "trace"
    prefix = ["strace", "-f", "-qq", "-y", "-s", "4096", "-o", str(trace), "-e",
              "trace=open,openat,openat2,creat,execve"]
    outcome = None
    try:
        mounted = scene.run_daemon(sources, prefix=prefix)
    except AssertionError:
        said = scene.log.read_text(errors="replace").splitlines()
        expect(scene.daemons[-1].returncode, 2, f"exit code ({said[-1:]})")
        sentences = [line for line in said if line.startswith("v2vfs: ")]
        expect(len(sentences), 1, f"sentences ({said})")
    else:
        names_are_safe(mounted)
        seen = look_at_everything(mounted)
        if SECRET in seen:
            raise AssertionError("the secret is in the mount")
        outcome = {name: mounted.status(name) for name in mounted.vms()}
        scene.unmount(mounted)
    expect(sorted(set(opened_outside(scene, trace.read_text(errors="replace")))), [], "opened outside")
    pwned = [str(path) for path in scene.folder.rglob("*") if "pwn" in path.name and path.parent.name != "mnt"
             and scene.state not in path.parents]
    expect(pwned, [], "made by a name")
    expect(is_mounted(scene.point()), False, "mounted")
    return outcome


# OVFs.

def ovf_case(file: pathlib.Path):
    """By itself; then in a folder with a good neighbour, which is served whatever the bad one is."""
    def body():
        with Scene() as scene:
            traps(scene)
            shutil.copy(file, scene.source / "bad.ovf")
            survives(scene, scene.source / "bad.ovf")
        with Scene() as scene:
            traps(scene)
            shutil.copy(file, scene.source / "bad.ovf")
            scene.ovf("good.ovf", [("the good one", [scene.vmdk("good.vmdk", SIZE)])])
            neighbours(survives(scene, scene.source))
    return body


# SEMANTICS: "Its neighbours work"
def neighbours(outcome) -> None:
    if not outcome or "the good one" not in outcome:
        raise AssertionError(f"the neighbour is missing: {outcome and sorted(outcome)}")
    expect(outcome["the good one"]["state"], "unconverted", "the neighbour's state")


def names():
    with Scene() as scene:
        traps(scene)
        disk = scene.vmdk("disk.vmdk", SIZE)
        given = ["../x", "..", ".", "/etc", "$(touch pwn)", "`touch pwn`", "; touch pwn", "-rf", "a\tb\nc", "a\x7fb", "n" * 300,
                 "ü" * 150, "same", "same", "SAME", "status.json", "vapp.json", " ", "a/b", "a\\b", "con:fig", "%s%n",
                 "<b>&amp;", "the good one"]
        outcome = survives(scene, scene.ovf("names.ovf", [(name, [disk]) for name in given]))
        expect(len(outcome), len(given), "VMs")
        neighbours(outcome)


# VMX, Xen configurations, libvirt domains.

def texts():
    """All bad ones in one folder, with a good neighbour; those that name files, each by itself too."""
    with Scene() as scene:
        traps(scene)
        for file in sorted(BAD_TEXTS.iterdir()):
            if "-many" not in file.name:  # hundreds of disks to look at
                shutil.copy(file, scene.source / file.name)
        scene.ovf("good.ovf", [("the good one", [scene.vmdk("good.vmdk", SIZE)])])
        neighbours(survives(scene, scene.source))


def text_case(file: pathlib.Path):
    def body():
        with Scene() as scene:
            traps(scene)
            shutil.copy(file, scene.source / file.name)
            survives(scene, scene.source / file.name)
    return body


def absolute_path():
    """A libvirt domain names a file that is there, outside: not without its folder, and only that one with it."""
    for kind, text in (("xml", "<domain><name>a</name><memory>65536</memory><devices><disk type='file'><source file='{}'/>"
                               "<target dev='vda' bus='virtio'/></disk></devices></domain>"),
                       ("cfg", "name = 'a'\nmemory = 64\nbootloader = 'x'\ndisk = [ '{},raw,xvda,w' ]\n")):
        with Scene() as scene:
            traps(scene)
            (scene.source / f"a.{kind}").write_text(text.format(scene.folder / "secret"))
            survives(scene, scene.source / f"a.{kind}")


# VMDK descriptors.

def descriptor(extents: list, more: str = "") -> str:
    return ("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n" + more
            + "".join(extent + "\n" for extent in extents) + "ddb.adapterType = \"lsilogic\"\n")


TARGETS = {"parent": "../secret", "absolute": "{outside}/secret", "symlink": "link", "symlink-folder": "linked/secret",
           "fifo": "fifo", "folder": "folder", "proc-fd": "/proc/self/fd/0", "proc-relative": "../../proc/self/environ",
           "to-proc": "to-proc", "device": "/dev/zero", "inside-and-out": "folder/../../secret", "itself": "disk.vmdk",
           "empty": "", "nbd": "nbd://127.0.0.1/x", "json": 'json:{\\"driver\\":\\"file\\"}', "long": "x" * 5000,
           "percent": "%2e%2e/secret", "dot": "."}


def extent_case(kind: str, target: str):
    def body():
        with Scene() as scene:
            traps(scene)
            path = TARGETS[target].replace("{outside}", str(scene.folder / "outside"))
            lines = {"flat": [f'RW 256 FLAT "{path}" 0'], "sparse": [f'RW 256 SPARSE "{path}"'],
                     "second": ['RW 2 FLAT "hard" 0', f'RW 256 FLAT "{path}" 0'],
                     "device": [f'RW 256 VMFSRAW "{path}"'], "parent": ['RW 2 FLAT "hard" 0']}[kind]
            more = f'parentFileNameHint="{path}"\n' if kind == "parent" else ""
            if more:
                more = more + "parentCID=87654321\n"
            (scene.source / "disk.vmdk").write_text(descriptor(lines, more))
            good = scene.vmdk("good.vmdk", SIZE)
            outcome = survives(scene, scene.ovf("vm.ovf", [("bad", ["disk.vmdk"]), ("the good one", [good])]))
            neighbours(outcome)
            if not outcome["bad"]["problems"] and not outcome["bad"]["error"]:
                raise AssertionError(f"nothing is said against it: {outcome['bad']}")
    return body


def table_case(damage: str):
    def body():
        with Scene() as scene:
            traps(scene)
            bad = scene.vmdk("bad.vmdk", SIZE, f"--damage={damage}")
            good = scene.vmdk("good.vmdk", SIZE)
            neighbours(survives(scene, scene.ovf("vm.ovf", [("bad", [bad]), ("the good one", [good])])))
    return body


def random_header(seed: int):
    """Header fields at their extremes."""
    def body():
        with Scene() as scene:
            traps(scene)
            good = scene.vmdk("good.vmdk", SIZE)
            content = bytearray(good.read_bytes())
            fields = [12, 20, 28, 40, 48, 56, 64]  # capacity, grain, descriptor, directories, overhead
            value = [0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(content) // 512][seed % 7]
            struct.pack_into("<Q", content, fields[seed // 7 % len(fields)], value)
            (scene.source / "bad.vmdk").write_bytes(content)
            neighbours(survives(scene, scene.ovf("vm.ovf", [("bad", ["bad.vmdk"]), ("the good one", [good])])))
    return body


# Archives.

def tar_header(name: bytes, size: bytes, kind: bytes = b"0", link: bytes = b"", bad_checksum: bool = False) -> bytes:
    header = bytearray(512)
    for at, value in ((0, name[:100]), (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"), (124, size[:12]),
                      (136, b"00000000000\0"), (148, b" " * 8), (156, kind), (157, link[:100]), (257, b"ustar\00000")):
        header[at:at + len(value)] = value
    header[148:156] = b"%06o\0 " % (sum(header) + bad_checksum)
    return bytes(header)


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def member(name: bytes, content: bytes) -> bytes:
    return tar_header(name, octal(len(content))) + padded(content)


LIES = {
    "size-past-end": tar_header(b"disk.vmdk", octal(2**33 - 1)),
    "size-negative": tar_header(b"disk.vmdk", b"\xff" * 12) + bytes(1024),
    "size-huge": tar_header(b"disk.vmdk", b"\x80" + b"\x7f" * 11) + bytes(1024),
    "size-wraps": tar_header(b"disk.vmdk", b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff") + bytes(1024),
    "size-no-number": tar_header(b"disk.vmdk", b"hello world!") + bytes(1024),
    "name-parent": member(b"../secret", b"x" * 512) + member(b"disk.vmdk", b"x" * 512),
    "name-absolute": member(b"/etc/passwd", b"x" * 512),
    "symbolic-link": tar_header(b"disk.vmdk", octal(0), b"2", b"../secret"),
    "hard-link": tar_header(b"disk.vmdk", octal(0), b"1", b"../secret"),
    "device": tar_header(b"disk.vmdk", octal(0), b"3"),
    "fifo": tar_header(b"disk.vmdk", octal(0), b"6"),
    "bad-checksum": tar_header(b"disk.vmdk", octal(512), bad_checksum=True) + bytes(512),
    "long-name": tar_header(b"././@LongLink", octal(5 * MIB), b"L") + b"x" * 5 * MIB + member(b"disk.vmdk", b"x" * 512),
    "long-name-past-end": tar_header(b"././@LongLink", octal(2**32), b"L"),
    "pax-size": tar_header(b"pax", octal(29), b"x") + padded(b"29 size=99999999999999999999\n") + member(b"disk.vmdk", b"x"),
    "pax-length": tar_header(b"pax", octal(20), b"x") + padded(b"99999999999 path=..\n") + member(b"disk.vmdk", b"x"),
    "gnu-sparse": tar_header(b"disk.vmdk", octal(512), b"S") + bytes(512),
    "twice": member(b"disk.vmdk", b"first" * 200) + member(b"disk.vmdk", b"second" * 200),
    "cut-short": tar_header(b"disk.vmdk", octal(512))[:300],
}


def tar_case(lie: str):
    """Alone as an OVA, with the lie behind the descriptor; then beside a good OVF."""
    def body():
        for with_neighbour in (False, True):
            with Scene() as scene:
                traps(scene)
                ovf = write_ovf(scene.folder / "x.ovf", [("bad", ["disk.vmdk"])]).read_bytes()
                (scene.source / "bad.ova").write_bytes(member(b"x.ovf", ovf) + LIES[lie]
                                                       + (b"" if lie == "cut-short" else bytes(1024)))
                if with_neighbour:
                    scene.ovf("good.ovf", [("the good one", [scene.vmdk("good.vmdk", SIZE)])])
                    neighbours(survives(scene, scene.source))
                else:
                    survives(scene, scene.source / "bad.ova")
    return body


def trace_sees():
    """The judge itself: what it must find is found."""
    with Scene() as scene:
        secret = scene.folder / "secret"
        secret.write_text("x")
        trace = scene.folder / "trace"
        run("strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=open,openat,openat2,creat,execve", "sh", "-c",
            f"cat '{secret}'")
        found = opened_outside(scene, trace.read_text())
        expect(str(secret) in found, True, f"the secret in {found}")
        expect(any(path.startswith("execve") for path in found), True, f"a shell in {found}")


QUICK_OVF = {"doctype", "doctype-system-entity", "billion-laughs", "href-parent", "href-absolute", "href-symlink", "href-fifo",
             "href-proc", "name-shell", "disk-parent-cycle"}
QUICK_TEXTS = {"href-absolute", "href-parent", "href-device", "target-symlink", "source-proc"}
QUICK_EXTENTS = {("flat", "parent"), ("flat", "absolute"), ("flat", "symlink"), ("flat", "fifo"), ("flat", "proc-fd"),
                 ("flat", "device"), ("sparse", "symlink-folder"), ("parent", "parent")}
QUICK_LIES = {"size-past-end", "size-wraps", "name-parent", "symbolic-link", "long-name"}


def main() -> int:
    cases = Cases("hostile-source")
    cases.run("trace-sees", trace_sees)
    cases.run("names", names)
    for file in sorted(BAD_OVF.glob("*.ovf")):
        cases.run(f"ovf-{file.stem}", ovf_case(file), full=file.stem not in QUICK_OVF)
    cases.run("texts", texts)
    cases.run("text-absolute", absolute_path)
    for file in sorted([*BAD_TEXTS.glob("href-*"), *BAD_TEXTS.glob("target-*"), *BAD_TEXTS.glob("source-*")]):
        cases.run(f"text-{file.stem}", text_case(file), full=file.stem not in QUICK_TEXTS)
    for kind in ("flat", "sparse", "second", "device", "parent"):
        for target in TARGETS:
            cases.run(f"extent-{kind}-{target}", extent_case(kind, target), full=(kind, target) not in QUICK_EXTENTS)
    for damage in ("table-past-end", "entry-past-end", "same-place", "no-footer", "wrong-marker", "bad-newlines"):
        cases.run(f"table-{damage}", table_case(damage), full=damage != "table-past-end")
    for seed in range(49):
        cases.run(f"header-{seed}", random_header(seed), full=seed != 38)
    for lie in LIES:
        cases.run(f"tar-{lie}", tar_case(lie), full=lie not in QUICK_LIES)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
