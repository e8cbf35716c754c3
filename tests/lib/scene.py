# SPDX-License-Identifier: MIT
"""What a mount test needs around it: sources, mounts and daemons in a folder of their own.

    with Scene() as scene:
        source = scene.vmdk("disk.vmdk", 5 << 20, "--type=monolithicSparse")
        ovf = scene.ovf("vm.ovf", [("vm", [source])])
        mount = scene.mount(ovf)
        ... mount.disk() ...

At the end everything is unmounted, lazily where it must be, daemons that are still there are killed, and every
source that was mounted is compared with what it was: content, size, mtime.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import mount
from cases import Skip

BUILD = pathlib.Path(os.environ.get("V2VFS_BUILD") or mount.PROJECT / "build")
OVF_HEAD = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
"""


def run(*argv, check: bool = True, timeout: float = 300, **options) -> subprocess.CompletedProcess:
    """Runs a program; its output, both streams in one text, is in the error if it fails."""
    done = subprocess.run([str(word) for word in argv], stdin=options.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **options)
    done.text = done.stdout.decode(errors="replace").strip()
    if check and done.returncode != 0:
        raise AssertionError(f"`{' '.join(map(str, argv))[:300]}`: {done.returncode}: {done.text[-400:]}")
    return done


def need(*programs) -> None:
    for program in programs:
        if not shutil.which(program):
            raise Skip(program)


def expect(what, wanted, name: str) -> None:
    if what != wanted:
        raise AssertionError(f"{name}: {what!r}, expected {wanted!r}")


def expect_errno(wanted: int, what: str, body) -> None:
    """body() fails with this errno."""
    try:
        body()
    except OSError as error:
        expect(error.errno, wanted, f"errno of {what}")
    else:
        raise AssertionError(f"{what} succeeded, expected {os.strerror(wanted)}")


def wait_for(condition, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def mount_points() -> list:
    """All mount points, the latest first."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    octal = re.compile(r"\\([0-7]{3})")  # blanks, tabs, newlines and backslashes (proc(5))
    return [octal.sub(lambda match: chr(int(match[1], 8)), line.split()[4]) for line in lines][::-1]


def is_mounted(point) -> bool:
    """Without asking the mount itself, which may be dead."""
    return str(point) in mount_points()


def unmount_lazily(point) -> None:
    subprocess.run(["umount", "-l", point], capture_output=True)


def files_below(path: pathlib.Path) -> list:
    """Regular files of a source: what is there by another name or kind is no file of it."""
    if not path.is_dir():
        path = path.parent
    return [file for file in sorted(path.rglob("*")) if stat.S_ISREG(file.lstat().st_mode)]


def write_ovf(path: pathlib.Path, machines: list) -> pathlib.Path:
    """An OVF of machines [(name, [disk])]; a disk is a file's name or path, or (an empty one) its size in bytes."""
    files, disks, systems = [], [], []
    for name, machine_disks in machines:
        items = []
        for disk in machine_disks:
            number = len(disks) + 1
            if isinstance(disk, int):
                disks.append(f'<Disk ovf:diskId="d{number}" ovf:capacity="{disk}"/>')
            else:
                href = pathlib.Path(disk).name if isinstance(disk, pathlib.Path) else disk
                files.append(f'<File ovf:id="f{number}" ovf:href="{escape(href)}"/>')
                disks.append(f'<Disk ovf:diskId="d{number}" ovf:fileRef="f{number}" ovf:capacity="1"'
                             ' ovf:capacityAllocationUnits="byte * 2^20"/>')
            items.append(item(10 + number, 17, f"<rasd:AddressOnParent>{len(items)}</rasd:AddressOnParent>"
                              f"<rasd:HostResource>ovf:/disk/d{number}</rasd:HostResource><rasd:Parent>3</rasd:Parent>"))
        systems.append(f'<VirtualSystem ovf:id="{escape(name)}"><Name>{escape(name)}</Name><VirtualHardwareSection>'
                       + item(1, 3, "<rasd:VirtualQuantity>1</rasd:VirtualQuantity>")
                       + item(2, 4, "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>"
                              "<rasd:VirtualQuantity>64</rasd:VirtualQuantity>")
                       + item(3, 20, "<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>") + "".join(items)
                       + "</VirtualHardwareSection></VirtualSystem>")
    path.write_text(OVF_HEAD + f"<References>{''.join(files)}</References>\n<DiskSection>{''.join(disks)}</DiskSection>\n"
                    + f'<VirtualSystemCollection ovf:id="all">{chr(10).join(systems)}</VirtualSystemCollection>\n</Envelope>\n')
    return path


def item(number: int, kind: int, more: str) -> str:
    return (f"<Item><rasd:InstanceID>{number}</rasd:InstanceID><rasd:ResourceType>{kind}</rasd:ResourceType>{more}"
            "</Item>")


def escape(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\t", "&#9;"), ("\n", "&#10;")):
        text = text.replace(char, entity)
    return text


class Mounted:
    """A mount that is there; `daemon` is a process of ours if it runs in the foreground."""

    def __init__(self, point: pathlib.Path, state: pathlib.Path, daemon=None):
        self.point, self.state, self.daemon = point, state, daemon

    def vms(self) -> list:
        return sorted(path.name for path in self.point.iterdir() if path.is_dir())

    def vm(self, name: str = "") -> pathlib.Path:
        return self.point / (name or self.vms()[0])

    def disk(self, name: str = "", number: int = 1) -> pathlib.Path:
        return self.vm(name) / ("disk.qcow2" if number == 1 else f"disk-{number}.qcow2")

    def status(self, name: str = "") -> dict:
        return json.loads((self.vm(name) / "status.json").read_text())

    def holders(self, name: str = "") -> list:
        return [holder for disk in self.status(name)["disks"] for holder in disk["holders"]]

    def no_holders(self, name: str = "") -> None:
        """RELEASE comes after close(2) has returned: it waits for it."""
        wait_for(lambda: not self.holders(name), "nobody holds the disk")

    def control(self, word: str, name: str = "") -> None:
        """Throws OSError with what ctl answered."""
        fd = os.open(self.vm(name) / "ctl", os.O_WRONLY)
        try:
            os.write(fd, word.encode() + b"\n")
        finally:
            os.close(fd)

    def kill(self) -> None:
        self.daemon.kill()
        self.daemon.wait()


class Scene:
    def __init__(self):
        if not mount.DAEMON.exists():
            raise Skip(f"{mount.DAEMON} (not built)")
        if not os.path.exists("/dev/fuse"):
            raise Skip("/dev/fuse")
        if os.geteuid() != 0:
            raise Skip("root")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="v2vfs-test-"))
        self.folder.chmod(0o755)
        self.source = self.folder / "source"
        self.source.mkdir()
        self.state = self.folder / "state"
        self.log = self.folder / "log"
        self.daemons = []
        self.watched = {}

    # Sources.

    def vmdk(self, name: str, size: int, *options) -> pathlib.Path:
        """Makes source/NAME and NAME.raw, what it holds; `raw:` of the path gives the latter."""
        tool = BUILD / "tests/support/vmdk-make"
        if not tool.exists():
            raise Skip(f"{tool} (not built)")
        run(tool, f"--size={size}", f"--raw={self.raw(name)}", *options, self.source / name)
        return self.source / name

    def raw(self, name) -> pathlib.Path:
        return self.folder / f"{pathlib.Path(name).name}.raw"

    def ovf(self, name: str, machines: list) -> pathlib.Path:
        return write_ovf(self.source / name, machines)

    def one_disk(self, size: int, *options) -> pathlib.Path:
        """An OVF with one machine `vm` that has one VMDK, disk.vmdk."""
        return self.ovf("vm.ovf", [("vm", [self.vmdk("disk.vmdk", size, *options)])])

    def watch(self, source) -> None:
        """From now on the files of this source must stay what they are; again after a change of one's own."""
        self.watched[str(source)] = mount.fingerprint(files_below(pathlib.Path(source)))

    def check_sources(self) -> None:
        for source, before in self.watched.items():
            after = mount.fingerprint(files_below(pathlib.Path(source)))
            if after != before:
                changed = [name for name in set(before) | set(after) if before.get(name) != after.get(name)]
                raise AssertionError(f"the source changed: {sorted(changed)}")

    # Mounts.

    def command(self, sources, point, options: str = "", state=None, words=()) -> list:
        sources = sources if isinstance(sources, list) else [sources]
        given = [f"state={state or self.state}", "accel=tcg", "convert=off"]
        given += [options] if options else []
        if not words or "-f" not in words:
            given.append(f"log={self.log}")
        return [str(mount.DAEMON), *words, "-o", ",".join(given), *map(str, sources), str(point)]

    def point(self, name: str = "mnt") -> pathlib.Path:
        point = self.folder / name
        if not is_mounted(point):
            point.mkdir(exist_ok=True)
        return point

    def try_mount(self, sources, options: str = "", point=None, state=None) -> subprocess.CompletedProcess:
        """Mounts and gives whatever the program said and ended with."""
        return run(*self.command(sources, point or self.point(), options, state), check=False, timeout=90)

    def mount(self, sources, options: str = "", point=None, state=None) -> Mounted:
        for source in sources if isinstance(sources, list) else [sources]:
            if str(source) not in self.watched:
                self.watch(source)
        point = point or self.point()
        done = self.try_mount(sources, options, point, state)
        if done.text:  # a warning, or what went wrong
            print(f"    {done.text}", flush=True)
        expect(done.returncode, 0, f"v2vfs ({done.text})")
        return Mounted(point, state or self.state)

    def run_daemon(self, sources, options: str = "", point=None, prefix=(), seconds: float = 60) -> Mounted:
        """The same with the daemon as our child, perhaps below another program (strace)."""
        for source in sources if isinstance(sources, list) else [sources]:
            if str(source) not in self.watched:
                self.watch(source)
        point = point or self.point()
        with open(self.log, "ab") as log:
            argv = [*prefix, *self.command(sources, point, options, words=["-f"])]
            daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                      start_new_session=True)
        self.daemons.append(daemon)
        wait_for(lambda: daemon.poll() is not None or self._answers(point), "the mount answers", seconds)
        if daemon.poll() is not None:
            raise AssertionError(f"v2vfs -f ended with {daemon.returncode}: {self.log.read_text()[-300:]}")
        return Mounted(point, self.state, daemon)

    @staticmethod
    def _answers(point) -> bool:
        try:
            return is_mounted(point) and (point / "status.json").exists()
        except OSError:  # the dead mount that is about to be replaced
            return False

    def unmount(self, mounted: Mounted) -> None:
        """As a person does; qemu's last close may still be under way, so it tries for a while."""
        deadline = time.monotonic() + 30
        while run("umount", mounted.point, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"cannot unmount {mounted.point}")
            time.sleep(0.2)
        if mounted.daemon:
            mounted.daemon.wait(60)

    # The end.

    def _clear_mounts(self) -> None:
        for point in mount_points():
            if point.startswith(f"{self.folder}/"):
                unmount_lazily(point)

    def _end_daemons(self) -> None:
        for daemon in self.daemons:
            if daemon.poll() is None:
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(daemon.pid, signal.SIGKILL)
                    daemon.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            self._clear_mounts()
            self._end_daemons()
            self._clear_mounts()
            if error and self.log.exists():
                print("".join(f"    log: {line}\n" for line in self.log.read_text(errors="replace").splitlines()[-15:]))
            if not error:
                self.check_sources()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
