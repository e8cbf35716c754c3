# SPDX-License-Identifier: MIT
"""Debian guests on many layers, made from one debootstrap: what installers lay down, and what they forget.

    folder = real_guests.make()         # NAME.xml and its disks (sparse raw) for each of LAYOUTS; cached
    real_guests.KEY                     # opens every container

Block layers are made inside an appliance (this host may have no device-mapper, md or btrfs), all guests in one run.
The Debian is the shop's, with what no inspection looks at taken out. It is not booted here (boot-vapp.py boots one).
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[2]
GUESTS = PROJECT / "tests" / "guests"
sys.path.insert(0, str(GUESTS))

import rootfs  # noqa: E402
from guest_disks import DIRECT, letters, name_disk  # noqa: E402
from steps import run, step  # noqa: E402

MIB = 1 << 20
DISK_MIB = 1000
TREE_MIB = 560
KEY = "open sesame, please"
NOT_LOOKED_AT = ["usr/share", "usr/include", "usr/lib/firmware", "usr/lib/grub", "usr/lib/x86_64-linux-gnu/perl",
                 "usr/lib/x86_64-linux-gnu/perl-base", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/locale", "var/cache",
                 "var/lib/dpkg/info", "boot/grub/i386-pc"]
KEPT_MODULES = ["drivers/virtio", "drivers/block", "drivers/scsi", "drivers/ata", "drivers/md", "drivers/message",
                "drivers/net/vmxnet3", "drivers/net/ethernet/intel", "drivers/xen", "drivers/nvme", "fs/ext4", "fs/xfs", "fs/btrfs"]
ESP, LINUX = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def uuid(guest: int, number: int) -> str:
    return f"5d0c8{guest:03x}-0000-4000-8000-{number:012x}"


class Recipe:
    """One guest: disks partitioned here, a shell script for the appliance, files over the tree."""

    def __init__(self, name: str, number: int):
        self.name, self.number = name, number
        self.tables = []    # of each disk: sfdisk's script
        self.script = []
        self.files = {"etc/hostname": name + "\n"}
        self.first = 0      # which of the appliance's disks its own first is

    def uuid(self, number: int) -> str:
        return uuid(self.number, number)

    def disk(self, table: str) -> int:
        self.tables.append(table)
        return len(self.tables) - 1

    def sh(self, text: str) -> None:
        self.script.append(text)

    def dev(self, part: int, disk: int = 0) -> str:
        return f"@disk{disk}@{part}"

    def grub(self, kernel: str, root: str, prefix: str = "/boot", options: str = "") -> None:
        """In the shape that grub-mkconfig gives it."""
        def entry(title, more):
            return (f"menuentry '{title}' --class debian $menuentry_id_option 'gnulinux-{title}' {{\n\tload_video\n\tinsmod gzio\n"
                    f"\tlinux\t{prefix}/vmlinuz-{kernel} root={root} ro {more}quiet\n\tinitrd\t{prefix}/initrd.img-{kernel}\n}}\n")
        self.files["boot/grub/grub.cfg"] = (
            'set default="0"\nset timeout=5\n' + entry("Debian GNU/Linux", options) +
            "submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced' {\n" + entry("recovery", "single " + options) + "}\n")


def plain(guest: Recipe, kernel: str) -> None:
    """Names of the kernel everywhere, as an old export has them."""
    guest.disk("label: dos\nlabel-id: 0x5d0c8001\n,900M,83,*\n,,82\n")
    guest.sh(f"lay_ext4 {guest.dev(1)} {guest.uuid(1)}; mkswap -U {guest.uuid(2)} {guest.dev(2)}; over {guest.dev(1)}")
    guest.files["etc/fstab"] = "/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sda2 none swap sw 0 0\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
    guest.files["etc/initramfs-tools/conf.d/resume"] = "RESUME=/dev/sda2\n"
    guest.grub(kernel, "/dev/sda1", options="resume=/dev/sda2 ")


def lvm(guest: Recipe, kernel: str) -> None:
    guest.disk("label: dos\n,120M,83,*\n,,8e\n")
    guest.sh(f"""pvcreate -q {guest.dev(2)}; vgcreate -q lvm-vg {guest.dev(2)}
lvcreate -q -n root -L {TREE_MIB}M lvm-vg; lvcreate -q -n home -L 40M lvm-vg; lvcreate -q -n swap_1 -L 40M lvm-vg
lay_ext4 /dev/lvm-vg/root {guest.uuid(1)}; mkswap -U {guest.uuid(2)} /dev/lvm-vg/swap_1
mke2fs -q -t ext4 -U {guest.uuid(3)} /dev/lvm-vg/home
mke2fs -q -t ext2 -U {guest.uuid(4)} {guest.dev(1)}; split_boot /dev/lvm-vg/root {guest.dev(1)}
over /dev/lvm-vg/root {guest.dev(1)}; vgchange -an lvm-vg""")
    guest.files["etc/fstab"] = (f"/dev/mapper/lvm--vg-root / ext4 errors=remount-ro 0 1\nUUID={guest.uuid(4)} /boot ext2 defaults 0 2\n"
                                "/dev/mapper/lvm--vg-home /home ext4 defaults 0 2\n/dev/mapper/lvm--vg-swap_1 none swap sw 0 0\n")
    guest.grub(kernel, "/dev/mapper/lvm--vg-root", "")


def luks_lvm(guest: Recipe, kernel: str) -> None:
    """Debian's installer: "use entire disk and set up encrypted LVM"; a KDF that takes no time here."""
    guest.disk("label: dos\n,120M,83,*\n,,83\n")
    guest.sh(f"""container {guest.dev(2)} {guest.uuid(9)} c2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000
pvcreate -q /dev/mapper/c2; vgcreate -q luks-lvm-vg /dev/mapper/c2
lvcreate -q -n root -L {TREE_MIB}M luks-lvm-vg; lvcreate -q -n swap_1 -L 40M luks-lvm-vg
lay_ext4 /dev/luks-lvm-vg/root {guest.uuid(1)} whole; mkswap -U {guest.uuid(2)} /dev/luks-lvm-vg/swap_1
mke2fs -q -t ext4 -U {guest.uuid(4)} {guest.dev(1)}; split_boot /dev/luks-lvm-vg/root {guest.dev(1)}
over /dev/luks-lvm-vg/root {guest.dev(1)}; vgchange -an luks-lvm-vg; cryptsetup close c2""")
    guest.files["etc/fstab"] = (f"/dev/mapper/luks--lvm--vg-root / ext4 errors=remount-ro 0 1\nUUID={guest.uuid(4)} /boot ext4 defaults 0 2\n"
                                "/dev/mapper/luks--lvm--vg-swap_1 none swap sw 0 0\n")
    guest.files["etc/crypttab"] = f"sda2_crypt UUID={guest.uuid(9)} none luks,discard\n"
    guest.grub(kernel, "/dev/mapper/luks--lvm--vg-root", "")


def luks_argon2id(guest: Recipe, kernel: str) -> None:
    """LUKS2 with cryptsetup's own defaults on a machine with much memory: argon2id with 1 GiB."""
    guest.disk("label: dos\n,120M,83,*\n,,83\n")
    guest.sh(f"""container {guest.dev(2)} {guest.uuid(9)} c3 --pbkdf argon2id --pbkdf-memory 1048576 --pbkdf-force-iterations 4 --pbkdf-parallel 4
lay_ext4 /dev/mapper/c3 {guest.uuid(1)} whole; mke2fs -q -t ext4 -U {guest.uuid(4)} {guest.dev(1)}
split_boot /dev/mapper/c3 {guest.dev(1)}; over /dev/mapper/c3 {guest.dev(1)}; cryptsetup close c3""")
    guest.files["etc/fstab"] = f"/dev/mapper/sda2_crypt / ext4 errors=remount-ro 0 1\nUUID={guest.uuid(4)} /boot ext4 defaults 0 2\n"
    guest.files["etc/crypttab"] = "sda2_crypt /dev/sda2 none luks\n"
    guest.grub(kernel, "/dev/mapper/sda2_crypt", "")


def btrfs(guest: Recipe, kernel: str) -> None:
    guest.disk("label: dos\n,,83,*\n")
    guest.sh(f"""mkfs.btrfs -q -f -U {guest.uuid(1)} {guest.dev(1)}; mount {guest.dev(1)} /tmp/a
btrfs -q subvolume create /tmp/a/@rootfs; btrfs -q subvolume create /tmp/a/@home; mkdir /tmp/a/snapshots
lay_files /tmp/a/@rootfs; cp -a $OVER/. /tmp/a/@rootfs/; mkdir -p /tmp/a/@rootfs/home
btrfs -q subvolume snapshot -r /tmp/a/@rootfs /tmp/a/snapshots/before-upgrade; umount /tmp/a""")
    guest.files["etc/fstab"] = f"UUID={guest.uuid(1)} / btrfs defaults,subvol=@rootfs 0 0\nUUID={guest.uuid(1)} /home btrfs defaults,subvol=@home 0 0\n"
    guest.grub(kernel, f"UUID={guest.uuid(1)}", "/@rootfs/boot", "rootflags=subvol=@rootfs ")


def split_boot(guest: Recipe, kernel: str) -> None:
    guest.disk("label: dos\n,120M,83,*\n,,83\n")
    guest.sh(f"""lay_ext4 {guest.dev(2)} {guest.uuid(1)}; mke2fs -q -t ext2 -U {guest.uuid(4)} -L boot {guest.dev(1)}
split_boot {guest.dev(2)} {guest.dev(1)}; over {guest.dev(2)} {guest.dev(1)}""")
    guest.files["etc/fstab"] = f"UUID={guest.uuid(1)} / ext4 errors=remount-ro 0 1\nLABEL=boot /boot ext2 defaults 0 2\n"
    guest.grub(kernel, f"UUID={guest.uuid(1)}", "")


def xfs(guest: Recipe, kernel: str) -> None:
    guest.disk("label: dos\n,,83,*\n")
    guest.sh(f"""mkfs.xfs -q -f -m uuid={guest.uuid(1)} {guest.dev(1)}; mount {guest.dev(1)} /tmp/a
lay_files /tmp/a; cp -a $OVER/. /tmp/a/; umount /tmp/a""")
    guest.files["etc/fstab"] = f"UUID={guest.uuid(1)} / xfs defaults 0 0\n"
    guest.grub(kernel, f"UUID={guest.uuid(1)}")


def gpt_esp(guest: Recipe, kernel: str) -> None:
    guest.disk(f"label: gpt\nsize=64M, type={ESP}, uuid={guest.uuid(17).upper()}\ntype={LINUX}, uuid={guest.uuid(18).upper()}\n")
    guest.sh(f"""mkfs.vfat -i 5D0C8007 {guest.dev(1)}; lay_ext4 {guest.dev(2)} {guest.uuid(1)}; over {guest.dev(2)}
mount {guest.dev(1)} /tmp/a; mkdir -p /tmp/a/EFI/debian; cp $OVER/esp-grub.cfg /tmp/a/EFI/debian/grub.cfg; umount /tmp/a
mount {guest.dev(2)} /tmp/a; rm /tmp/a/esp-grub.cfg; mkdir -p /tmp/a/boot/efi; umount /tmp/a""")
    guest.files["esp-grub.cfg"] = f"search.fs_uuid {guest.uuid(1)} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    guest.files["etc/fstab"] = f"PARTUUID={guest.uuid(18)} / ext4 errors=remount-ro 0 1\n/dev/disk/by-uuid/5D0C-8007 /boot/efi vfat umask=0077 0 1\n"
    guest.grub(kernel, f"UUID={guest.uuid(1)}")


def md(guest: Recipe, kernel: str) -> None:
    for _ in range(2):
        guest.disk("label: dos\n,,fd,*\n")
    array = f"5d0c8008:00000000:40008000:{guest.number:08x}"
    guest.sh(f"""mdadm --create /dev/md/made --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean --homehost=any \\
--uuid={array} {guest.dev(1)} {guest.dev(1, 1)}
udevadm settle; lay_ext4 /dev/md/made {guest.uuid(1)}; over /dev/md/made; sync; mdadm --stop /dev/md/made""")
    guest.files["etc/mdadm/mdadm.conf"] = f"HOMEHOST <system>\nARRAY /dev/md/0 metadata=1.2 UUID={array} name=md:0\n"
    guest.files["etc/fstab"] = "/dev/md0 / ext4 errors=remount-ro 0 1\n"
    guest.grub(kernel, "/dev/md0")


def two_roots(guest: Recipe, kernel: str) -> None:
    """The same machine before and after: the boot menu starts the second."""
    guest.disk("label: dos\nsize=400M, type=83, bootable\ntype=83\n")
    guest.sh(f"""mke2fs -q -t ext4 -U {guest.uuid(3)} {guest.dev(1)}; mount {guest.dev(1)} /tmp/a
for f in etc usr/lib/os-release usr/bin/bash bin lib lib64 sbin; do (cd $TREE_FILES && cp -a --parents $f /tmp/a); done
mkdir -p /tmp/a/var/lib/dpkg; cp $TREE_FILES/var/lib/dpkg/status /tmp/a/var/lib/dpkg/
echo two-roots-old > /tmp/a/etc/hostname; echo UUID={guest.uuid(3)} / ext4 defaults 0 1 > /tmp/a/etc/fstab; umount /tmp/a
lay_ext4 {guest.dev(2)} {guest.uuid(1)}; over {guest.dev(2)}""")
    guest.files["etc/fstab"] = f"UUID={guest.uuid(1)} / ext4 errors=remount-ro 0 1\n"
    guest.grub(kernel, f"UUID={guest.uuid(1)}")


LAYOUTS = {"plain": plain, "lvm": lvm, "luks-lvm": luks_lvm, "luks-argon2id": luks_argon2id, "btrfs": btrfs, "boot": split_boot,
           "xfs": xfs, "gpt-esp": gpt_esp, "md": md, "two-roots": two_roots}

# What every recipe's script begins with, in the appliance. $OVER: the guest's own files.
SHELL = f"""
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /tmp/a /tmp/b /tmp/tree
mount -o ro @tree@ /tmp/tree
TREE_FILES=/tmp/tree
lay_ext4() {{  # DEVICE UUID [whole]: below encryption zeros are no zeros
  if [ "$3" ]; then dd if=@tree@ of=$1 bs=4M status=none; else dd if=@tree@ of=$1 bs=4M conv=sparse status=none; fi
  tune2fs -U $2 $1 > /tmp/said || {{ cat /tmp/said; exit 1; }}
}}
lay_files() {{ cp -a $TREE_FILES/. $1/; rmdir $1/lost+found 2>/dev/null || true; }}
split_boot() {{ mount $1 /tmp/a; mount $2 /tmp/b; mv /tmp/a/boot/* /tmp/b/; umount /tmp/a /tmp/b; }}
over() {{  # ROOT [BOOT]
  mount $1 /tmp/a; if [ "$2" ]; then mount $2 /tmp/a/boot; fi
  cp -a $OVER/. /tmp/a/; if [ "$2" ]; then umount /tmp/a/boot; fi; umount /tmp/a
}}
container() {{  # DEVICE UUID NAME OPTION...
  d=$1 u=$2 n=$3; shift 3
  printf %s '{KEY}' > /tmp/key
  cryptsetup luksFormat --batch-mode --type luks2 --uuid $u "$@" $d /tmp/key; cryptsetup open --key-file /tmp/key $d $n
}}
"""


def make_tree(cache: pathlib.Path, tree: pathlib.Path) -> str:
    """The plain Debian without what nobody looks at; gives its kernel's version."""
    run("tar", "-C", tree, "--numeric-owner", "--xattrs", "-xpf", rootfs.base_tar(cache))
    tree.chmod(0o755)
    rootfs.configure(tree, [GUESTS / "files" / "common", GUESTS / "files" / "web"], "v2vfs")
    kernel = next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
    for name in NOT_LOOKED_AT:
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir(parents=True, exist_ok=True)
    modules = tree / "usr/lib/modules" / kernel / "kernel"
    for path in sorted(modules.rglob("*.ko"), reverse=True):
        if not any(str(path.relative_to(modules)).startswith(kept + "/") for kept in KEPT_MODULES):
            path.unlink()
    for name in ("etc/fstab", "etc/initramfs-tools/conf.d/resume", "etc/systemd/network/10-ens192.link"):
        (tree / name).unlink()
    return kernel


def image(path: pathlib.Path, size: int, folder: pathlib.Path) -> pathlib.Path:
    """An ext4 whose UUID can be changed without rewriting all of it."""
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "metadata_csum_seed", "-d", folder, path, f"{size}M")
    return path


def cached_tree(cache: pathlib.Path) -> tuple:
    """(the image, its kernel's version)."""
    said = repr((NOT_LOOKED_AT, KEPT_MODULES, TREE_MIB)).encode() + (GUESTS / "rootfs.py").read_bytes()
    target = cache / f"layouts-tree-{hashlib.sha256(said).hexdigest()[:12]}"
    if not target.exists():
        with step("guests: the tree"), tempfile.TemporaryDirectory(prefix="making-", dir=cache) as work:
            work = pathlib.Path(work)
            for name in ("tree", "out"):
                (work / name).mkdir()
            (work / "out" / "kernel").write_text(make_tree(cache, work / "tree"))
            image(work / "out" / "tree.img", TREE_MIB, work / "tree")
            (work / "out").rename(target)
    return target / "tree.img", (target / "kernel").read_text()


def domain(name: str, disks: list) -> str:
    devices = "".join(f"<disk type='file'><driver name='qemu' type='raw'/><source file='{disk.name}'/>"
                      f"<target dev='sd{letters(number)}' bus='sata'/></disk>" for number, disk in enumerate(disks))
    return (f"<domain type='kvm'><name>{name}</name><memory unit='MiB'>512</memory><vcpu>1</vcpu><os><type>hvm</type></os>"
            f"<devices>{devices}</devices></domain>\n")


def make_disks(recipes: list, folder: pathlib.Path) -> list:
    disks = []
    for recipe in recipes:
        recipe.first, own = len(disks), []
        for number, table in enumerate(recipe.tables, 1):
            path = folder / f"{recipe.name}{'' if number == 1 else f'-{number}'}.raw"
            with open(path, "xb") as file:
                file.truncate(DISK_MIB * MIB)
            run("sfdisk", "-q", path, input=table)
            own.append(path)
        (folder / f"{recipe.name}.xml").write_text(domain(recipe.name, own))
        disks += own
    return disks


def write_script(recipes: list, work: pathlib.Path, tree_device: str) -> None:
    """recipe/run: the scripts one after the other; recipe/NAME: the files of each."""
    text = "\n".join(name_disk(number, 2) for number in range(recipes[-1].first + len(recipes[-1].tables) + 1)) + "\n"
    text += SHELL.replace("@tree@", tree_device)
    for recipe in recipes:
        for path, content in recipe.files.items():
            (work / recipe.name / path).parent.mkdir(parents=True, exist_ok=True)
            (work / recipe.name / path).write_text(content)
        own = "\n".join(recipe.script)
        for number in range(len(recipe.tables)):
            own = own.replace(f"@disk{number}@", f"$(readlink -f /tmp/disks/{letters(recipe.first + number)})")
        text += f"\necho {recipe.name}\nOVER=/tmp/recipe/{recipe.name}\n{own}\n"
    (work / "run").write_text(text + "\nsync\necho all made\n")


def build(target: pathlib.Path, cache: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(prefix="making-", dir=cache) as work:
        work = pathlib.Path(work)
        for name in ("recipe", "out"):
            (work / name).mkdir()
        tree, kernel = cached_tree(cache)
        recipes = [Recipe(name, number) for number, name in enumerate(LAYOUTS, 1)]
        for recipe in recipes:
            LAYOUTS[recipe.name](recipe, kernel)
        disks = make_disks(recipes, work / "out")
        write_script(recipes, work / "recipe", f"/tmp/disks/{letters(len(disks))}")
        recipe = image(work / "recipe.img", 16, work / "recipe")
        with step("guests: their disks"):
            fish(disks + [tree, recipe], f'debug sh "d=`ls /sys/bus/scsi/devices/*:0:{len(disks) + 1}:0/block`; mkdir -p /tmp/recipe && '
                                         'mount -o ro /dev/$d /tmp/recipe && sh /tmp/recipe/run 2>&1"')
        (work / "out").rename(target)


def fish(disks: list, command: str) -> None:
    adds = [word for disk in disks for word in ("-a", str(disk))]
    done = subprocess.run(["guestfish", "--format=raw", *adds], input=f"run\n{command}\n", text=True, env={**os.environ, **DIRECT},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=3000)
    if done.returncode != 0 or "all made" not in done.stdout:
        raise RuntimeError(f"guestfish: {done.stdout[-1500:]}")


def make() -> pathlib.Path:
    cache = pathlib.Path(os.environ.get("V2VFS_TEST_CACHE") or
                         os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "v2vfs-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes() + (GUESTS / "rootfs.py").read_bytes()).hexdigest()[:12]
    target = cache / f"layouts-{digest}"
    with open(cache / "layouts.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            build(target, cache)
    return target


if __name__ == "__main__":
    print(make())
