#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real appliances over two disks with GPT, MBR, LVM, LUKS2, btrfs, md RAID1 and hostile names.

    guest-appliance.py [--full]

The disks are made by guestfish; they are read and written by `v2vfs --appliance` through guest-cat.
"""
import ctypes
import errno
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

from cases import Cases, Steps  # noqa: E402
from scene import BUILD, expect, need, run  # noqa: E402

MIB = 1 << 20
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
SECRET = "geheim,ja"
KVM = os.environ.get("V2VFS_TEST_ACCEL") == "kvm"
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) > 0  # landlock_create_ruleset: the version of its interface

# What guestfish does to the two disks. Sizes in sectors of 512 bytes; `debug sh` is the appliance's shell and drops quotes.
RECIPE = f"""
part-init /dev/sda gpt
part-add /dev/sda p 2048 133119
part-add /dev/sda p 133120 337919
part-add /dev/sda p 337920 952319
part-add /dev/sda p 952320 1361919
part-add /dev/sda p 1361920 1464319
part-set-gpt-type /dev/sda 1 {ESP.upper()}
part-set-name /dev/sda 2 "boot,$part"
part-init /dev/sdb mbr
part-add /dev/sdb p 2048 104447
part-add /dev/sdb p 104448 309247
part-set-bootable /dev/sdb 2 true
mkfs vfat /dev/sda1 label:ESP
mkfs ext4 /dev/sdb2 "label:M-ä ^b"
mkfs ext4 /dev/sda2 "label:my $boot"
pvcreate /dev/sda3
vgcreate vg-0 /dev/sda3
lvcreate root vg-0 160
lvcreate secret vg-0 60
mkfs ext4 /dev/vg-0/root
mkfs btrfs /dev/sda4
mount /dev/sda4 /
btrfs-subvolume-create "/@,compress=zstd"
write "/@,compress=zstd/inside" "in a subvolume"
btrfs-subvolume-snapshot "/@,compress=zstd" /before
umount /
debug sh "modprobe raid1; echo 1 > /proc/sys/dev/raid/speed_limit_min; echo 1 > /proc/sys/dev/raid/speed_limit_max"
md-create raid "/dev/sda5 /dev/sdb1" level:raid1
debug sh "mkfs.ext4 -q /dev/md127"
debug sh "printf {SECRET} >/tmp/key"
debug sh "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vg-0/secret /tmp/key"
debug sh "cryptsetup open --key-file /tmp/key /dev/vg-0/secret inner"
debug sh "mkfs.ext4 -q /dev/mapper/inner"
mount /dev/mapper/inner /
write /hidden "treasure"
umount /
debug sh "cryptsetup close inner"
mount /dev/vg-0/root /
mkdir /etc
mkdir /boot
mkdir /many
write /etc/hostname "web\\n"
chmod 0640 /etc/hostname
chown 12 34 /etc/hostname
lsetxattr user.note "a note" 6 /etc/hostname
ln-s /../../../etc/hostname /etc/climbing
ln-s loop /etc/loop
ln-s /proc/kmsg /etc/outside
mkfifo 0644 /etc/fifo
mknod-b 0600 8 0 /etc/device
touch "/etc/bad\\xff\\nname"
debug sh "cd /sysroot/many && seq 3000 | xargs touch"
touch /large
truncate-size /large 3000000000
debug sh "printf tail >>/sysroot/large"
write /Etc "a file of another case"
"""


def rpc(process, *call):
    process.stdin.write(json.dumps(call) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"guest-cat ended at {call}")
    return json.loads(line)


class Reader:
    """guest-cat with an appliance of its own."""

    def __init__(self, folder, *words):
        words = list(words) + (["--kvm"] if KVM else [])
        self.process = subprocess.Popen(
            [str(word) for word in (BUILD / "tests/support/guest-cat", BUILD / "v2vfs", folder, *words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)

    def ask(self, *call):
        answer = rpc(self.process, *call)
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"])
        return answer["result"]

    def refuse(self, number: int, *call) -> str:
        """The sentence with which the call fails; it must be this errno."""
        answer = rpc(self.process, *call)
        expect(answer.get("errno"), number, f"errno of {call}: {answer}")
        return answer["error"]


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def group(pid: int) -> list:
    return list(group_pids(pid).values())


def group_pids(pid: int) -> dict:
    """Processes of a process group that are not zombies, with their programs."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except (OSError, IndexError):
            continue
        if folder.name.isdigit() and int(fields[2]) == pid and fields[0] != "Z":
            found[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
    return found


def wait_until_empty(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := group(pid):
        if time.monotonic() > deadline:
            raise AssertionError(f"still there after {seconds} s: {left}")
        time.sleep(0.1)


class Suite:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.disks = [folder / "first, with:all sorts.qcow2", folder / "second.qcow2"]

    def make(self):
        need("guestfish", "qemu-img")
        for disk, size in zip(self.disks, ("736M", "160M")):
            run("qemu-img", "create", "-q", "-f", "qcow2", disk, size)
        environment = {**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_CACHEDIR": str(self.folder / "cache")}
        if not KVM:
            environment["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
        (self.folder / "cache").mkdir(mode=0o700, exist_ok=True)
        adds = [word for disk in self.disks for word in ("-a", disk)]
        done = subprocess.run(["guestfish", "--format=qcow2", *map(str, adds)], input="run\n" + RECIPE, text=True,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
        if done.returncode:
            raise AssertionError(f"guestfish: {done.stdout[-600:]}")
        self.tell_members_apart()

    # Reading.

    def storage(self, reader):
        found = reader.ask("storage")
        by_name = {device["name"]: device for device in found["devices"]}
        tables = {table["disk"]: table for table in found["tables"]}
        expect((tables["/dev/sda"]["kind"], tables["/dev/sda"]["index"]), ("gpt", 0), "the first table")
        expect((tables["/dev/sdb"]["kind"], len(tables["/dev/sdb"]["id"])), ("msdos", 8), "the second table")
        entries = {entry["device"]: entry for entry in found["partitions"]}
        expect(entries["/dev/sda1"]["gpt_type"], ESP, "type of sda1")
        expect(entries["/dev/sda2"]["partlabel"], "boot,$part", "name of sda2")
        expect(entries["/dev/sda2"]["start"], 133120 * 512, "start of sda2")
        expect((entries["/dev/sdb2"]["mbr_id"], entries["/dev/sdb2"]["bootable"], entries["/dev/sdb2"]["gpt_type"]),
               (0x83, True, ""), "sdb2")
        expect(entries["/dev/sdb2"]["partuuid"], tables["/dev/sdb"]["id"] + "-02", "PARTUUID of sdb2")
        expect(by_name["/dev/sda2"]["label"], "my $boot", "label of sda2")
        expect(by_name["/dev/sdb2"]["label"].encode("latin-1").decode(), "M-ä ^b", "label of sdb2")
        expect(by_name["/dev/sda3"]["type"], "LVM2_member", "sda3")
        expect(by_name["/dev/sda4"]["type"], "btrfs", "sda4")
        expect(by_name["/dev/sda5"]["type"], "linux_raid_member", "sda5")
        expect(by_name["/dev/vg-0/root"]["below"], ["/dev/sda3"], "what root lies on")
        expect(by_name["/dev/vg-0/secret"]["type"], "crypto_LUKS", "the container")
        arrays = [device for device in found["devices"] if device["kind"] == 3]
        expect([sorted(array["below"]) for array in arrays], [["/dev/sda5", "/dev/sdb1"]], "the array")
        expect(arrays[0]["type"], "ext4", "on the array")
        expect([(v["group"], v["name"]) for v in found["volumes"]], [("vg-0", "root"), ("vg-0", "secret")], "volumes")

    def luks(self, reader):
        reader.refuse(errno.EACCES, "unlock", "/dev/vg-0/secret", "wrong", "luks-1")
        reader.refuse(errno.EINVAL, "unlock", "/dev/vg-0/secret", SECRET, "../../sda")
        reader.ask("unlock", "/dev/vg-0/secret", SECRET, "luks-1")
        mapping = [d for d in reader.ask("storage")["devices"] if d["name"] == "/dev/mapper/luks-1"]
        expect([(d["below"], d["type"]) for d in mapping], [(["/dev/vg-0/secret"], "ext4")], "the mapping")
        reader.ask("mount", "/dev/mapper/luks-1", "/", "")
        expect(reader.ask("read", "/hidden", 0, 100), "treasure", "what is hidden")
        reader.ask("unmount_all")

    def btrfs(self, reader):
        found = {s["path"]: s for s in reader.ask("subvolumes", "/dev/sda4")}
        expect(sorted(found), ["@,compress=zstd", "before"], "subvolumes")
        expect([found[name]["snapshot"] for name in sorted(found)], [False, True], "snapshots")
        reader.ask("mount", "/dev/sda4", "/", "@,compress=zstd")
        expect([e["name"] for e in reader.ask("list", "/")], ["inside"], "the subvolume")
        reader.refuse(errno.EBUSY, "subvolumes", "/dev/sda4")
        reader.ask("unmount_all")
        reader.refuse(errno.ENOENT, "mount", "/dev/sda4", "/", "nothing")

    def files(self, reader):
        reader.ask("mount", "/dev/vg-0/root", "/", "")
        reader.ask("mount", "/dev/sda2", "/boot", "")
        stat = reader.ask("stat", "/etc/hostname")
        expect((stat["mode"], stat["uid"], stat["gid"], stat["size"]), (0o640, 12, 34, 4), "hostname")
        expect(reader.ask("xattrs", "/etc/hostname")["user.note"], "a note", "its attribute")
        expect(reader.ask("resolve", "/etc/climbing"), "/etc/hostname", "a link that climbs")
        expect(reader.ask("readlink", "/etc/outside"), "/proc/kmsg", "a link that leads out")
        for gone in ("/etc/loop", "/etc/outside", "/nothing"):
            expect(reader.ask("resolve", gone), None, gone)
        for special in ("/etc/fifo", "/etc/device", "/etc", "/etc/climbing"):
            reader.refuse(errno.EINVAL, "read", special, 0, 10)
        names = [e["name"] for e in reader.ask("list", "/etc")]
        expect("bad\xff\nname" in names, True, f"a name that is no text among {names}")
        expect(len(reader.ask("list", "/many")), 3000, "entries of /many")
        reader.refuse(errno.ENOTDIR, "list", "/etc/hostname")
        expect(reader.ask("read", "/large", 3_000_000_000 - 2, 100), "\0\0tail", "the end of a large file")
        expect(len(reader.ask("read", "/large", 0, 4 * MIB)), 4 * MIB, "a long read")
        expect(reader.ask("read_device", "/dev/sdb", 510, 2), "\x55\xaa", "an MBR's signature")
        expect(reader.ask("resolve_case", "/BOOT/LOST+found"), "/boot/lost+found", "a name in its case")
        expect(reader.ask("resolve_case", "/etc/NOTHING"), None, "a name that is not there")
        expect(reader.ask("space", "/boot")["bytes"] > 50 * MIB, True, "room in /boot")
        reader.refuse(errno.EROFS, "write_file", "/etc/new", "x")
        reader.refuse(errno.EROFS, "mount", "/dev/sda2", "/many", "", True)
        reader.refuse(errno.EINVAL, "read", "no/path", 0, 1)

    # SEMANTICS: "A guest is read by libguestfs in a process of its own"
    # SEMANTICS: "assembled beside the disks, never into them, where a guest is only read"
    def read_all(self):
        before = [digest(disk) for disk in self.disks]
        steps = Steps()
        with Reader(self.folder, *self.disks) as reader:
            for name in ("storage", "luks", "btrfs", "files"):
                getattr(self, name)(reader)
                steps.done(name)
            pid = reader.ask("pid")
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            expect("Max core file size        0" in limits, True, "no core files")
            self.confined(pid)
            # SEMANTICS: "it is what the kernel kills first when memory is short"
            score = int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())
            expect(score > int(pathlib.Path("/proc/self/oom_score_adj").read_text()), True, f"it is killed before us ({score})")
            links = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            expect([link for link in links if "/dev/fuse" in link], [], "inherited descriptors")
        wait_until_empty(pid, 5)
        steps.done("end")
        expect([digest(disk) for disk in self.disks], before, "the disks after reading")
        expect(list((self.folder / "run").iterdir()), [], "what is left of the appliance")

    # SEMANTICS: "as root it keeps no capability but that over files"
    @staticmethod
    def confined(pid: int):
        """The child and all that it started: no capabilities but those over files, and none to be gained."""
        for each in {pid, *group_pids(pid)}:
            status = pathlib.Path(f"/proc/{each}/task/{each}/status").read_text()
            expect("CapEff:\t0000000000000002" in status or os.geteuid() != 0, True, f"capabilities of {each}")
            expect("NoNewPrivs:\t1" in status, True, f"NoNewPrivs of {each}")

    # The array was never synchronized: its second member, at the end, has what the first has not. A kernel that starts
    # it for writing copies the one over the other.
    MEMBER_END = (2048 + 90_000) * 512

    def tell_members_apart(self):
        run("qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x5a {self.MEMBER_END} 64k", self.disks[1])

    def members_differ(self):
        said = run("qemu-io", "-f", "qcow2", "-c", f"read -q -P 0x5a {self.MEMBER_END} 64k", self.disks[1]).text
        if "fail" in said:
            raise AssertionError("the array's second member was written over")

    # Writing.

    def write(self):
        with Reader(self.folder, "--writable", *self.disks) as reader:
            reader.ask("mount", "/dev/vg-0/root", "/", "", True)
            reader.ask("write_file", "/etc/hostname", "mail\n")
            stat = reader.ask("stat", "/etc/hostname")
            expect((stat["mode"], stat["uid"], stat["size"]), (0o640, 12, 5), "hostname, edited in place")
            expect(reader.ask("xattrs", "/etc/hostname")["user.note"], "a note", "its attribute afterwards")
            reader.refuse(errno.ELOOP, "write_file", "/etc/climbing", "x")
            reader.refuse(errno.EINVAL, "write_file", "/etc/fifo", "x")
            reader.ask("make_directory", "/etc/new", 0o750)
            reader.ask("write_file", "/etc/new/large", "y" * (9 * MIB))
            reader.ask("append", "/etc/new/large", "end and more")
            reader.refuse(errno.EINVAL, "truncate", "/etc/new/large", 10 * MIB)
            reader.ask("truncate", "/etc/new/large", 9 * MIB + 3)
            reader.ask("set_permissions", "/etc/new/large", 0o600)
            reader.ask("set_owner", "/etc/new/large", 1000, 1001)
            reader.ask("set_xattr", "/etc/new/large", "user.a", "b")
            reader.ask("make_symlink", "new/large", "/etc/link")
            reader.ask("rename", "/etc/new/large", "/etc/moved")
            reader.ask("remove", "/etc/new")
            reader.refuse(errno.EPERM, "rpm_packages", "/dev/vg-0/root")
            reader.ask("mount", self.array(reader), "/many", "")
            time.sleep(5)
            reader.ask("sync")
            self.start_anew(reader)
            reader.ask("finish")
            reader.refuse(errno.EIO, "stat", "/")
        self.members_differ()
        with Reader(self.folder, *self.disks) as reader:
            reader.ask("mount", "/dev/vg-0/root", "/", "")
            expect(reader.ask("read", "/etc/hostname", 0, 100), "mail\n", "hostname afterwards")
            stat = reader.ask("stat", "/etc/moved")
            expect((stat["mode"], stat["uid"], stat["gid"], stat["size"]), (0o600, 1000, 1001, 9 * MIB + 3), "moved")
            expect(reader.ask("read", "/etc/moved", 9 * MIB - 1, 10), "yend", "its end")
            reader.refuse(errno.ENOENT, "stat", "/etc/new")
            self.killed(reader)

    @staticmethod
    def start_anew(reader):
        """What the first appliance knew, and what a program of the guest's may have left in it, is gone."""
        reader.ask("start_anew")
        reader.refuse(errno.EIO, "stat", "/etc/hostname")
        reader.ask("mount", "/dev/vg-0/root", "/", "", True)
        expect(reader.ask("read", "/etc/hostname", 0, 100), "mail\n", "hostname as another appliance sees it")

    @staticmethod
    def array(reader) -> str:
        return next(device["name"] for device in reader.ask("storage")["devices"] if device["kind"] == 3)

    def killed(self, reader):
        """The daemon's side dies: nothing is left, not even where the child is stopped."""
        pid = reader.ask("pid")
        expect(any("qemu" in name for name in group(pid)), True, f"qemu in {group(pid)}")
        os.kill(pid, signal.SIGSTOP)
        reader.process.kill()
        reader.process.wait()
        wait_until_empty(pid, 10)

    # SEMANTICS: "but no source, home, other state, block device or TCP port"
    def outside(self):
        """A disk's header names another file of the host, as a hostile appliance's qemu might: it is not opened."""
        secret, disk = self.folder / "secret.raw", self.folder / "behind.qcow2"
        secret.write_bytes(b"this is nobody's business" * 100_000)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", disk)
        with Reader(self.folder, disk) as reader:
            reader.refuse(errno.EIO, "storage")

    def garbage(self):
        disk = self.folder / "garbage.qcow2"
        disk.write_bytes(b"QFI\xfb" + os.urandom(1 << 20))
        with Reader(self.folder, disk) as reader:
            said = reader.refuse(errno.EIO, "storage")
            expect("did not start" in said or "qemu-img" in said, True, f"the sentence: {said}")
            expect(reader.refuse(errno.EIO, "sync"), said, "the error of later calls")


def main() -> int:
    cases = Cases("guest-appliance", independent=False)
    with tempfile.TemporaryDirectory(prefix="v2vfs-appliance-", dir="/var/tmp") as folder:
        suite = Suite(pathlib.Path(folder))
        if cases.run("make", suite.make):
            cases.run("read", suite.read_all)
            cases.run("garbage", suite.garbage)
            if LANDLOCK:
                cases.run("outside", suite.outside)
            cases.run("write", suite.write, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
