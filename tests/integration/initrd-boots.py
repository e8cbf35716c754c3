#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Initrds that lack virtio, made by the guest's own tools, supplemented by our library and booted on virtio.

    tests/integration/initrd-boots.py [--full]

The kernel and the initrd are given to qemu; the root file system is on a virtio disk. quick: Debian 12 with
initramfs-tools, MODULES=list; full: lz4, compressed modules, dracut, and Debian 11's and 13's kernels with an initrd that
says what it loaded, packed in each way that they read. Without the supplement the first one does not find its root.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "guests")]

import rootfs  # noqa: E402
from cases import Cases, Skip, Steps  # noqa: E402
from console import Console  # noqa: E402
from scene import BUILD, expect, need, run  # noqa: E402

TOOL = BUILD / "tests/support/initrd-supplement"
PASSWORD = "v2vfs"
ROOT_UUID = "5d0c7a40-0000-4000-8000-000000000001"
LOGIN_SECONDS = 600  # 30 s on an idle machine
DRIVERS = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net"]
# Where modules are compressed in the guest, and the image's tool decompresses them.
COMPRESSED = ["drivers/virtio", "drivers/block", "drivers/scsi", "drivers/ata", "drivers/message", "net/core", "lib",
              "fs/ext4", "fs/jbd2", "fs/mbcache.ko", "crypto", "arch/x86/crypto", "drivers/net/virtio_net.ko",
              "drivers/net/net_failover.ko"]


def base_tar() -> pathlib.Path:
    """The plain Debian that tests/guests/make keeps, and waits for if somebody makes it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = pathlib.Path(os.environ.get("V2VFS_TEST_CACHE") or os.path.join(base, "v2vfs-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "shop.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return rootfs.base_tar(cache)


def supplement(root: pathlib.Path, kernel: str, image: str, *words) -> subprocess.CompletedProcess:
    """As a conversion does it; status 0: written, 3: nothing was needed."""
    with tempfile.TemporaryDirectory(prefix="v2vfs-work-") as work:
        options = [f"--driver={name}" for name in DRIVERS] + list(words)
        return run(TOOL, root, kernel, image, work, *options, check=False)


def qemu(kernel: pathlib.Path, initrd: pathlib.Path, line: str, disk: pathlib.Path = None) -> list:
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-reboot", "-display", "none",
            "-serial", "stdio", "-kernel", kernel, "-initrd", initrd, "-append", f"console=ttyS0 panic=-1 {line}",
            "-device", "virtio-net-pci"]
    if disk:
        argv += ["-drive", f"file={disk},if=none,format=raw,id=d,snapshot=on", "-device", "virtio-blk-pci,drive=d"]
    return [str(word) for word in argv]


class Debian:
    """One Debian 12, its disk, and as many initrds as are wanted."""

    def __init__(self, folder: pathlib.Path):
        need("debootstrap", "qemu-system-x86_64", "mke2fs")
        if os.geteuid() != 0:
            raise Skip("root")
        steps = Steps()
        self.root, self.disk = folder / "root", folder / "disk.raw"
        self.root.mkdir()
        run("tar", "-C", self.root, "--numeric-owner", "--xattrs", "-xpf", base_tar(), timeout=1200)
        self.root.chmod(0o755)
        rootfs.lay_files(HERE.parent / "guests/files/common", self.root, {"KERNEL": "none"})
        (self.root / "etc/fstab").write_text(f"UUID={ROOT_UUID} / ext4 defaults 0 1\n")
        run("chroot", self.root, "chpasswd", stdin=self.password())
        self.kernel = next((self.root / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        self.image = f"/boot/initrd.img-{self.kernel}"
        steps.done("Debian 12 unpacked")
        run("mke2fs", "-q", "-F", "-t", "ext4", "-U", ROOT_UUID, "-d", self.root, self.disk, "1500m")
        steps.done("its disk")

    @staticmethod
    def password():
        file = tempfile.TemporaryFile()
        file.write(f"root:{PASSWORD}\n".encode())
        file.seek(0)
        return file

    def chroot(self, *argv) -> str:
        return run("chroot", self.root, *argv, timeout=1200).text

    def make_initrd(self, compress: str = "zstd") -> None:
        config = self.root / "etc/initramfs-tools/initramfs.conf"
        config.write_text(re.sub("COMPRESS=.*", f"COMPRESS={compress}", config.read_text()))
        (self.root / self.image[1:]).unlink(missing_ok=True)
        self.chroot("update-initramfs", "-c", "-k", self.kernel)

    def boot(self) -> Console:
        line = f"root=UUID={ROOT_UUID} ro rootdelay=4"
        return Console(qemu(self.root / f"boot/vmlinuz-{self.kernel}", self.root / self.image[1:], line, self.disk))

    def fails(self) -> None:
        console = self.boot()
        try:
            console.expect(r"ALERT! +UUID=\S+ does not exist|dracut.*(Timeout|timeout)|Entering emergency mode", LOGIN_SECONDS)
        finally:
            console.close()

    def works(self) -> None:
        console = self.boot()
        try:
            console.login(PASSWORD, LOGIN_SECONDS)
            expect(console.command("findmnt -no SOURCE /"), "/dev/vda", "the root")
            expect(console.command("basename $(readlink /sys/class/net/en*/device/driver)"), "virtio_net", "the NIC's driver")
        finally:
            console.close()

    def supplemented(self, *words) -> None:
        """Appended once; what was there before stays; a second time changes nothing."""
        path = self.root / self.image[1:]
        before = path.read_bytes()
        done = supplement(self.root, self.kernel, self.image, *words)
        expect(done.returncode, 0, f"the supplement: {done.text}")
        print(f"    {len(before)} bytes and {path.stat().st_size - len(before)}: {len(done.text.splitlines())} entries", flush=True)
        expect(path.read_bytes()[:len(before)] == before, True, "the image's own bytes stay")
        expect(supplement(self.root, self.kernel, self.image, *words).returncode, 3, "a second time")
        state = self.root / "var/lib/initramfs-tools" / self.kernel
        if state.exists():
            self.chroot("sha1sum", "--check", "--quiet", f"/var/lib/initramfs-tools/{self.kernel}")
        steps = Steps()
        self.works()
        steps.done("booted and logged in")


def initramfs_tools(debian: Debian) -> None:
    debian.make_initrd()
    steps = Steps()
    debian.fails()
    steps.done("without the supplement it does not find its root")
    debian.supplemented()


LZ4_MAGIC = b"\x02\x21\x4c\x18"


def lz4(debian: Debian) -> None:
    need("lz4")
    shutil.copy(shutil.which("lz4"), debian.root / "usr/bin")  # without it mkinitramfs takes another one
    debian.make_initrd("lz4")
    path = debian.root / debian.image[1:]
    expect(LZ4_MAGIC in path.read_bytes(), True, "the image is lz4's")
    debian.supplemented("--codec=gzip", "--codec=lz4")
    # Zeros behind lz4 would be taken for a block of it: they go.
    debian.make_initrd("lz4")
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(bytes(1000))
    expect(supplement(debian.root, debian.kernel, debian.image).returncode, 0, "with zeros at the end")
    expect(path.read_bytes()[size:size + 4], LZ4_MAGIC, "no zeros in between")
    debian.works()


def dracut(debian: Debian) -> None:
    shutil.copy("/etc/resolv.conf", debian.root / "etc/resolv.conf")
    debian.chroot("apt-get", "-q", "update")
    debian.chroot("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends", "install",
                  "dracut-core")
    virtio = "virtio virtio_ring virtio_pci virtio_blk virtio_scsi virtio_net virtio_pci_modern_dev"
    debian.chroot("dracut", "--force", "--no-hostonly", "--zstd", "--omit-drivers", virtio, "--omit", "network-legacy",
                  debian.image, debian.kernel)
    debian.supplemented(f"--file=etc/cmdline.d/90-v2vfs.conf=root=UUID={ROOT_UUID}")


def xz_modules(debian: Debian) -> None:
    """.ko.xz in the guest; initramfs-tools of Debian 12 decompresses them, so the guest's index is not the image's."""
    modules = debian.root / "lib/modules" / debian.kernel / "kernel"
    files = []
    for name in COMPRESSED:
        at = modules / name
        files += [at] if at.is_file() else sorted(at.rglob("*.ko"))
    for start in range(0, len(files), 200):
        run("xz", "-1", "-T1", "--check=crc32", *files[start:start + 200], timeout=1200)
    debian.chroot("depmod", debian.kernel)
    debian.make_initrd()
    debian.supplemented()


# Initrds that say what they loaded.

INIT = """#!/bin/busybox sh
/bin/busybox mkdir /proc /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for m in loop virtio_pci virtio_blk virtio_net; do /bin/busybox modprobe $m || echo "no $m"; done
echo "RESULT $(/bin/busybox ls /sys/block | /bin/busybox grep -c vda) $(/bin/busybox cut -d' ' -f1 /proc/modules | /bin/busybox sort | /bin/busybox tr '\\n' ' ')"
/bin/busybox poweroff -f
"""
PACKERS = {"none": ["cat"], "gzip": ["gzip", "-n"], "xz": ["xz", "--check=crc32"], "zstd": ["zstd", "-q"],
           "lz4": ["lz4", "-l", "-q"]}


def fetch(folder: pathlib.Path, suite: str, pattern: str) -> pathlib.Path:
    """A package of another Debian, unpacked."""
    apt = folder / f"apt-{suite}"
    for name in ("lists/partial", "archives/partial", "etc"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb {rootfs.MIRROR} {suite} main\n")
    (apt / "status").touch()  # what this host has installed is no package of that suite
    options = ["-o", f"Dir::Etc::SourceList={apt}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null", "-o",
               f"Dir::State::Lists={apt}/lists", "-o", f"Dir::State::status={apt}/status", "-o", f"Dir::Cache={apt}"]
    run("apt-get", "-q", *options, "update", timeout=600)
    names = run("apt-cache", *options, "search", "--names-only", pattern).text.splitlines()
    if not names:
        raise Skip(f"{pattern} in {suite}")
    package = sorted(line.split()[0] for line in names)[-1]
    run("apt-get", "-q", *options, "download", package, cwd=apt, timeout=1200)
    tree = folder / f"{suite}-{package}"
    run("dpkg-deb", "-x", next(apt.glob(f"{package}_*.deb")), tree, timeout=600)
    return tree


class TinyInitrd:
    """A kernel, and an initrd with busybox and loop.ko in the shape of Alpine's."""

    def __init__(self, folder: pathlib.Path, root: pathlib.Path):
        self.root = root
        self.kernel = next((root / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        if (root / "usr/lib/modules").exists() and not (root / "lib").exists():
            (root / "lib").symlink_to("usr/lib")
        run("depmod", "-b", root, self.kernel)
        tree = folder / f"tiny-{self.kernel}"
        modules = tree / "lib/modules" / self.kernel / "kernel"
        for name in ("bin", "sbin", "dev"):
            (tree / name).mkdir(parents=True, exist_ok=True)
        modules.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(fetch(folder, "bookworm", "^busybox-static$").glob("**/bin/busybox")), tree / "bin/busybox")
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        (tree / "sbin/nlplug-findfs").write_text("")
        run("mknod", tree / "dev/console", "c", "5", "1")
        loop = next((root / "lib/modules" / self.kernel).rglob("loop.ko*"))
        plain = subprocess.run(["xz", "-dc", loop], check=True, stdout=subprocess.PIPE).stdout if loop.suffix == ".xz" \
            else loop.read_bytes()
        (modules / "loop.ko").write_bytes(plain)
        run("depmod", "-b", tree, self.kernel)
        self.archive = subprocess.run("find . | sort | cpio -o -H newc --quiet", shell=True, cwd=tree, check=True,
                                      stdout=subprocess.PIPE).stdout

    def boots(self, packer: str, zeros: int, codecs: list) -> None:
        image = self.root / "boot/tiny.img"
        packed = subprocess.run(PACKERS[packer], input=self.archive, check=True, stdout=subprocess.PIPE).stdout
        image.write_bytes(packed + bytes(zeros))
        done = supplement(self.root, self.kernel, "/boot/tiny.img", *[f"--codec={codec}" for codec in codecs])
        expect(done.returncode, 0, f"the supplement of {packer}: {done.text}")
        disk = image.with_name("small.raw")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        console = Console(qemu(self.root / f"boot/vmlinuz-{self.kernel}", image, "quiet", disk))
        try:
            said = console.expect(r"RESULT (\d) ([^\r\n]*)[\r\n]", 180)
        finally:
            console.close()
        words = said[2].decode().split()
        expect(said[1], b"1", f"{packer}+{zeros}: a virtio disk")
        for name in ("loop", "virtio_blk", "virtio_net"):
            expect(name in words, True, f"{packer}+{zeros}: {name} in {words}")
        print(f"    {self.kernel} {packer}+{zeros} {'/'.join(codecs)}", flush=True)


def kernels(folder: pathlib.Path, suite: str, packers: list) -> None:
    need("lz4", "zstd", "cpio", "qemu-system-x86_64", "apt-get")
    tiny = TinyInitrd(folder, fetch(folder, suite, r"^linux-image-[0-9.]+[^ ]*-cloud-amd64$"))
    for packer in packers:
        for zeros in (0, 512):
            tiny.boots(packer, zeros, ["gzip"])
    tiny.boots("gzip", 3, ["xz"])  # a kernel without gzip gets it plain


def main() -> int:
    cases = Cases("initrd-boots")
    with tempfile.TemporaryDirectory(prefix="v2vfs-test-") as folder:
        folder = pathlib.Path(folder)
        made = []

        def on_debian(body):
            def case():
                if not TOOL.exists():
                    raise Skip(f"{TOOL} (not built)")
                if not made:
                    made.append(Debian(folder))
                body(made[0])
            return case

        cases.run("initramfs-tools", on_debian(initramfs_tools))
        cases.run("lz4", on_debian(lz4), full=True)
        cases.run("dracut", on_debian(dracut), full=True)
        cases.run("xz-modules", on_debian(xz_modules), full=True)
        cases.run("linux-5.10", lambda: kernels(folder, "bullseye", ["none", "gzip", "xz", "lz4", "zstd"]), full=True)
        cases.run("linux-6.12", lambda: kernels(folder, "trixie", ["none", "gzip", "xz", "zstd", "lz4"]), full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
