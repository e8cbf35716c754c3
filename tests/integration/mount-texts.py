#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sources that are no OVF: VMX, Xen configurations, libvirt domains and URIs, disks by themselves, whole datastores.

    mount-texts.py [--full]
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402
from scene import Scene, expect, need, run, wait_for  # noqa: E402

MIB = 1 << 20
SIZE = 5 * MIB
MANY = 10_000


def vmx(name: str, disk: str) -> str:
    return (f'.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "14"\ndisplayName = "{name}"\n'
            'guestOS = "debian12-64"\nmemSize = "64"\nfloppy0.present = "FALSE"\nsata0.present = "TRUE"\n'
            f'sata0:0.present = "TRUE"\nsata0:0.fileName = "{disk}"\nethernet0.present = "TRUE"\n'
            'ethernet0.virtualDev = "vmxnet3"\nethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:01"\n'
            'serial0.present = "TRUE"\nserial0.fileType = "file"\nserial0.fileName = "x"\n'
            'serial1.present = "TRUE"\nserial1.fileType = "file"\nserial1.fileName = "y"\n'
            'vm.genid = "81985529216486895"\nvm.genidX = "-81985529216486896"\n')


def xen(name: str, disk: str) -> str:
    return f'name = "{name}"\nmemory = 64\nbootloader = "pygrub"\ndisk = [ "{disk},raw,xvda,w" ]\n'


def domain(name: str, disk: str) -> str:
    return (f"<domain type='kvm'><name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
            f"<disk type='file'><driver type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
            "</devices></domain>")


def raw_disk(path: pathlib.Path) -> pathlib.Path:
    """With something at both ends."""
    with open(path, "wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(SIZE - MIB)
        file.seek(0, os.SEEK_END)
        file.write(os.urandom(MIB))
    return path


def expect_content(disk: pathlib.Path, raw: pathlib.Path) -> None:
    run("qemu-img", "check", "-f", "qcow2", disk)
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", disk, raw)


def valid(scene, text: str) -> None:
    """libvirt takes the domain."""
    path = scene.folder / "domain.xml"
    path.write_text(text)
    run("virt-xml-validate", path, "domain")


# SEMANTICS: "SOURCE is an .ova, .ovf or .vmx"
def each_kind():
    need("qemu-img", "virt-xml-validate")
    with Scene() as scene:
        disk = scene.vmdk("web.vmdk", SIZE, "--type=monolithicFlat")
        (scene.source / "web.vmx").write_text(vmx("web", "/vmfs/volumes/store/web/web.vmdk"))
        raws = {name: raw_disk(scene.source / f"{name}.img") for name in ("xen", "kvm")}
        raws["spare"] = raw_disk(scene.source / "spare.raw")
        (scene.source / "xen.cfg").write_text(xen("xen", "/srv/xen/xen.img"))
        (scene.source / "kvm.xml").write_text(domain("kvm", str(raws["kvm"])))
        raws["web"] = scene.raw(disk)
        mounted = scene.mount(scene.source)
        expect(mounted.vms(), ["kvm", "spare", "web", "xen"], "machines")
        for name, raw in raws.items():
            expect_content(mounted.disk(name), raw)
            expect(mounted.status(name)["state"], "unconverted", f"state of {name}")
            valid(scene, (mounted.vm(name) / "domain.xml").read_text())
        text = (mounted.vm("web") / "domain.xml").read_text()
        for word in ("<genid>89abcdef-4567-0123-1032-547698badcfe", "00:50:56:00:00:01", 'type="vmxnet3"',
                     '<target port="1"'):
            expect(word in text, True, f"{word} in domain.xml")
        scene.unmount(mounted)


# SEMANTICS: "a libvirt URI behind `libvirt+`"
def libvirt_uri():
    need("qemu-img", "virsh")
    with Scene() as scene:
        images = scene.source / "images"
        images.mkdir()
        raw = raw_disk(images / "off.raw")
        node = scene.source / "host.xml"
        states = "<test:runstate xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>5</test:runstate></domain>"
        off = domain("off", str(raw)).replace("type='kvm'", "type='test'").replace("</domain>", states)
        on = domain("on", str(raw)).replace("type='kvm'", "type='test'")
        pool = f"<pool type='dir'><name>p</name><target><path>{images}</path></target></pool>"
        node.write_text(f"<node>{off}{on}{pool}</node>")
        scene.watched[f"libvirt+test://{node}"] = {}
        mounted = scene.mount(f"libvirt+test://{node}")
        scene.watched.clear()
        expect(mounted.vms(), ["off", "on"], "machines")
        expect_content(mounted.disk("off"), raw)
        expect(mounted.status("on")["state"], "unusable", "a running domain")
        scene.unmount(mounted)


def make_many(folder: pathlib.Path) -> None:
    descriptor = ("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                  "RW 2048 FLAT \"{}-flat.vmdk\" 0\n")
    for number in range(MANY):
        name = f"vm{number:05}"
        (folder / f"{name}.vmx").write_text(vmx(name, f"{name}.vmdk"))
        (folder / f"{name}.vmdk").write_text(descriptor.format(name))
        with open(folder / f"{name}-flat.vmdk", "wb") as flat:
            flat.truncate(MIB)


def timed(*argv) -> float:
    start = time.monotonic()
    run(*argv)
    return time.monotonic() - start


def memory_mib(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def many_machines():
    """From the start of the mount to the end of the first ls: under 5 s; the next under 0.3 s; under 500 MiB."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 3 * MANY:
        raise Skip(f"a limit of open files (ulimit -Hn) above {3 * MANY}")
    with Scene() as scene:
        make_many(scene.source)
        scene.watched[str(scene.source)] = {}  # 30,000 files are not hashed
        start = time.monotonic()
        mounted = scene.run_daemon(scene.source)
        first = timed("ls", mounted.point)
        total = time.monotonic() - start
        second = timed("ls", mounted.point)
        expect(os.stat(mounted.disk(f"vm{MANY - 1:05}")).st_size > MIB, True, "size of the last VM's disk, asked for at once")
        expect(len(mounted.vms()), MANY, "machines")
        scene.watched.clear()
        start = time.monotonic()
        wait_for(lambda: mounted.status(f"vm{MANY - 1:05}")["state"] == "unconverted", "the last is read", 240)
        loaded = time.monotonic() - start
        (mounted.vm(f"vm{MANY - 1:05}") / "domain.xml").read_text()
        memory = memory_mib(mounted.daemon.pid)
        print(f"    mount and first ls {total:.1f} s (ls {first:.2f} s), second ls {second:.2f} s, "
              f"all disks read {loaded:.0f} s later, {memory:.0f} MiB")
        for value, limit, what in ((total, 5, "first ls"), (second, 0.3, "second ls"), (memory, 500, "MiB")):
            if value >= limit:
                raise AssertionError(f"{what}: {value:.1f}, limit {limit}")
        scene.unmount(mounted)


def check_json():
    """--check says the same, and mounts nothing."""
    with Scene() as scene:
        (scene.source / "gone.vmx").write_text(vmx("gone", "gone.vmdk"))
        done = subprocess.run([mount.DAEMON, "--check", "--json", scene.source], capture_output=True, text=True, check=False)
        expect(done.returncode, 1, "exit code")
        machine = json.loads(done.stdout)["machines"][0]
        expect(machine["problems"][0]["code"], "disk-missing", "problem")
        expect(machine["source_kind"], "vmx", "kind")
        expect([serial["port"] for serial in machine["serials"]], [0, 1], "serial ports")


def main() -> int:
    cases = Cases("mount-texts")
    cases.run("each-kind", each_kind)
    cases.run("libvirt-uri", libvirt_uri)
    cases.run("check-json", check_json)
    cases.run("many-machines", many_machines, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
