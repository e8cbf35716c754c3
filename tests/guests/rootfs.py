# SPDX-License-Identifier: MIT
"""The Debian 12 that both guests of the shop are made from: one debootstrap, kept as a tar in the cache."""
import hashlib
import os
import pathlib
import shutil
import tempfile

from steps import run, step

SUITE = "bookworm"
MIRROR = os.environ.get("V2VFS_TEST_MIRROR", "http://deb.debian.org/debian")
# linux-image-amd64 and not the cloud kernel: the guest needs VMware's and LSI's drivers.
PACKAGES = ["linux-image-amd64", "initramfs-tools", "grub-pc", "systemd-sysv", "udev", "dbus", "ifupdown", "iproute2",
            "kmod", "open-vm-tools", "nano", "e2fsprogs", "procps"]
# Nothing at boot reads these, and half a gigabyte of them would be compressed twice.
NOT_WANTED = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt/archives",
              "var/lib/apt/lists", "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin"]


def debootstrap(tree: pathlib.Path) -> None:
    """INITRD=No: the kernel's package would make an initramfs that nobody uses (see configure())."""
    run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, tree, MIRROR,
        env={**os.environ, "INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"})
    for name in NOT_WANTED:
        path = tree / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)


def base_tar(cache: pathlib.Path) -> pathlib.Path:
    """The plain Debian as a tar; made when it is not in the cache."""
    key = hashlib.sha256(repr((SUITE, PACKAGES, NOT_WANTED)).encode()).hexdigest()[:12]
    tar = cache / f"debian-{SUITE}-{key}.tar"
    if tar.exists():
        return tar
    with step(f"debootstrap {SUITE}"), tempfile.TemporaryDirectory(prefix="debootstrap-", dir=cache) as work:
        tree, partial = pathlib.Path(work) / "tree", pathlib.Path(work) / "tar"
        debootstrap(tree)
        run("tar", "-C", tree, "--numeric-owner", "--xattrs", "--one-file-system", "-cf", partial, ".")
        partial.rename(tar)
    return tar


def lay_files(source: pathlib.Path, tree: pathlib.Path, words: dict) -> None:
    """Copies a folder of configuration over a tree; @WORD@ in a text is replaced."""
    for path in sorted(source.rglob("*")):
        target = tree / path.relative_to(source)
        if path.is_dir():
            target.mkdir(exist_ok=True)
            continue
        text = path.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def install_grub(tree: pathlib.Path) -> tuple:
    """What grub-install does to /boot/grub; gives (boot code, core image) for the disk's first sectors."""
    folder = tree / "boot/grub/i386-pc"
    shutil.copytree(tree / "usr/lib/grub/i386-pc", folder, dirs_exist_ok=True)
    run("chroot", tree, "grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub",
        "-o", "/boot/grub/i386-pc/core.img", "biosdisk", "part_msdos", "ext2")
    return (folder / "boot.img").read_bytes(), (folder / "core.img").read_bytes()


def configure(tree: pathlib.Path, layers: list, password: str) -> tuple:
    """Makes a guest of the plain tree; gives GRUB's (boot code, core image)."""
    kernel = next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
    for layer in layers:
        lay_files(layer, tree, {"KERNEL": kernel})
    run("chroot", tree, "chpasswd", input=f"root:{password}\n")
    (tree / "etc/machine-id").write_text("")
    run("chroot", tree, "update-initramfs", "-c", "-k", kernel)
    return install_grub(tree)
