#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sources whose disks are compressed, in chunks, or in archives of all kinds: read in place, as qemu-img reads the disk itself.

    mount-packed.py [--full]
"""
import gzip
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases  # noqa: E402
from scene import Scene, expect, need, run, wait_for  # noqa: E402

MIB = 1 << 20
SIZE = 24 * MIB
KINDS = {"stream": ("--type=streamOptimized",), "flat": ("--type=monolithicFlat",), "sparse": ("--type=monolithicSparse",)}


def describe(scene, disk: pathlib.Path, href: str, attributes: str = "") -> pathlib.Path:
    ovf = scene.ovf("vm.ovf", [("vm", [href])])
    if attributes:
        ovf.write_text(ovf.read_text().replace(f'ovf:href="{href}"', f'ovf:href="{href}" {attributes}'))
    return ovf


def chunked(path: pathlib.Path, size: int) -> None:
    with open(path, "rb") as file:
        for number in range(1 << 20):
            piece = file.read(size)
            if not piece:
                break
            (path.parent / f"{path.name}.{number:09}").write_bytes(piece)
    path.unlink()


def packed(path: pathlib.Path) -> None:
    """As gzip(1) leaves it."""
    with open(path, "rb") as file, gzip.open(f"{path}.gz", "wb", compresslevel=1) as out:
        shutil.copyfileobj(file, out)
    path.unlink()


def members(scene) -> list:
    """The descriptor first, as an OVA has it."""
    return sorted(scene.source.iterdir(), key=lambda path: (path.suffix != ".ovf", path.name))


def archive_path(scene, name: str) -> pathlib.Path:
    """In a folder of its own, all of which is watched."""
    folder = scene.folder / "archives"
    folder.mkdir(exist_ok=True)
    return folder / name


def in_tar(scene, name: str, mode: str) -> pathlib.Path:
    archive = archive_path(scene, name)
    with tarfile.open(archive, mode) as tar:
        for path in members(scene):
            tar.add(path, path.name)
    return archive


def in_tar_xz(scene, name: str) -> pathlib.Path:
    """As xz -T2 writes it: in blocks."""
    plain = in_tar(scene, "plain.tar", "w")
    archive = archive_path(scene, name)
    with open(archive, "wb") as out:
        subprocess.run(["xz", "-0", "-T2", "--block-size=4MiB", "-c", plain], stdout=out, check=True)
    return archive


def in_zip(scene, name: str, method: int) -> pathlib.Path:
    archive = archive_path(scene, name)
    with zipfile.ZipFile(archive, "w", method) as out:
        for path in members(scene):
            out.write(path, f"export/{path.name}")
    return archive


def compressed_file(scene, disk):
    packed(disk)
    return describe(scene, disk, f"{disk.name}.gz", 'ovf:compression="gzip"')


def compressed_under_its_own_name(scene, disk):
    packed(disk)
    pathlib.Path(f"{disk}.gz").rename(disk)
    return describe(scene, disk, disk.name, 'ovf:compression="gzip"')


def chunks(scene, disk):
    chunked(disk, 1_000_003)
    return describe(scene, disk, disk.name, 'ovf:chunkSize="1000003"')


def compressed_chunks(scene, disk):
    packed(disk)
    chunked(pathlib.Path(f"{disk}.gz"), 500_000)
    return describe(scene, disk, f"{disk.name}.gz", 'ovf:compression="gzip" ovf:chunkSize="500000"')


def with_ovf(archive):
    def make(scene, disk):
        describe(scene, disk, disk.name)
        return archive(scene)
    return make


WAYS = {
    "compressed": compressed_file,
    "compressed-same-name": compressed_under_its_own_name,
    "chunks": chunks,
    "compressed-chunks": compressed_chunks,
    "tgz": with_ovf(lambda scene: in_tar(scene, "vm.tgz", "w:gz")),
    "ova-gz": with_ovf(lambda scene: in_tar(scene, "vm.ova", "w:gz")),
    "tar-xz": with_ovf(lambda scene: in_tar_xz(scene, "vm.tar.xz")),
    "zip": with_ovf(lambda scene: in_zip(scene, "vm.zip", zipfile.ZIP_DEFLATED)),
    "zip-stored": with_ovf(lambda scene: in_zip(scene, "vm.zip", zipfile.ZIP_STORED)),
}


# SEMANTICS: "What is compressed or in pieces is read in place"
def is_as_the_disk(way: str, kind: str):
    def case():
        need("qemu-img", "xz")
        with Scene() as scene:
            disk = scene.vmdk("disk.vmdk", SIZE, *KINDS[kind])
            source = WAYS[way](scene, disk)
            mounted = scene.mount(source)
            wait_for(lambda: mounted.status("vm")["state"] == "unconverted", "the disk is read")
            run("qemu-img", "check", "-f", "qcow2", mounted.disk("vm"))
            run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", mounted.disk("vm"), scene.raw(disk))
            scene.unmount(mounted)
    return case


# SEMANTICS: "so the next mount does not read it again"
def bare_disk():
    """The places in a compressed source are kept: the second mount does not read it to its end."""
    need("qemu-img")
    with Scene() as scene:
        raw = scene.folder / "srv.raw"
        raw.write_bytes(os.urandom(3 * MIB) + bytes(40 * MIB) + os.urandom(MIB))
        with gzip.open(scene.source / "srv.raw.gz", "wb", compresslevel=1) as out:
            out.write(raw.read_bytes())
        for _ in range(2):
            mounted = scene.mount(scene.source)
            run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", mounted.disk("srv"), raw)
            scene.unmount(mounted)
            expect(scene.log.read_text().count("read once to its end"), 1, "passes that the log names")


# SEMANTICS: "Damage of what is compressed, a file that is cut short"
def damaged():
    """What cannot be inflated is an error that names the file and the place; nothing is zeros."""
    with Scene() as scene:
        disk = scene.vmdk("disk.vmdk", SIZE, "--type=monolithicFlat")
        flat = scene.source / "disk-flat.vmdk"
        packed(flat)
        packed_flat = pathlib.Path(f"{flat}.gz")
        packed_flat.write_bytes(packed_flat.read_bytes()[:-5000])
        descriptor = disk.read_text()
        disk.write_text(descriptor.replace("disk-flat.vmdk", "disk-flat.vmdk.gz"))
        mounted = scene.mount(describe(scene, disk, disk.name))
        wait_for(lambda: mounted.status("vm")["disks"][0].get("error"), "the disk says what is wrong")
        expect("cut short" in mounted.status("vm")["disks"][0]["error"], True, "the reason")
        try:
            mounted.disk("vm").read_bytes()
        except OSError:
            pass
        else:
            raise AssertionError("the disk could be read")
        scene.unmount(mounted)


# SEMANTICS: "lies in the source as a file of its own is in its drive, read-only, by its path there"
def media():
    """A CD image beside the descriptor is in the drive."""
    need("virt-xml-validate")
    with Scene() as scene:
        disk = scene.vmdk("disk.vmdk", 5 * MIB, "--type=monolithicSparse")
        ovf = describe(scene, disk, disk.name)
        (scene.source / "tools.iso").write_bytes(bytes(2 * MIB))
        drive = ("<Item><rasd:InstanceID>30</rasd:InstanceID><rasd:ResourceType>15</rasd:ResourceType><rasd:Parent>3</rasd:Parent>"
                 "<rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:HostResource>ovf:/file/iso</rasd:HostResource></Item>")
        text = ovf.read_text().replace("</VirtualHardwareSection>", drive + "</VirtualHardwareSection>")
        ovf.write_text(text.replace("</References>", '<File ovf:id="iso" ovf:href="tools.iso"/></References>'))
        mounted = scene.mount(ovf)
        domain = scene.folder / "domain.xml"
        domain.write_text((mounted.vm("vm") / "domain.xml").read_text())
        run("virt-xml-validate", domain, "domain")
        pattern = rf'<disk type="file" device="cdrom">\s*<driver name="qemu" type="raw" ?/>\s*<source file="{scene.source}/tools.iso"'
        expect(bool(re.search(pattern, domain.read_text())), True, "the image in domain.xml")
        scene.unmount(mounted)
        # SEMANTICS: "One in an archive, or compressed, is not"
        mounted = scene.mount(in_tar(scene, "vm.ova", "w"))
        text = (mounted.vm("vm") / "domain.xml").read_text()
        expect(re.findall(r'<source file="[^"]*tools', text), [], "an image in an archive in domain.xml")
        scene.unmount(mounted)


# SEMANTICS: "compares the disk files with the OVF's manifest in the background"
# SEMANTICS: "`signer` who it names"
def signed():
    """status.json says who signed the manifest, and that the files are as it says."""
    need("openssl")
    with Scene() as scene:
        disk = scene.vmdk("disk.vmdk", 5 * MIB, "--type=streamOptimized")
        ovf = describe(scene, disk, disk.name)
        manifest, key, pem = (scene.source / "vm.mf", scene.folder / "key", scene.folder / "pem")
        lines = [run("openssl", "dgst", "-sha256", path).text for path in (ovf, disk)]
        manifest.write_text("".join(f"SHA256({path.name})= {line.split()[-1]}\n" for path, line in zip((ovf, disk), lines)))
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
            "-subj", "/CN=Example Exports")
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key, manifest], stdout=subprocess.PIPE, check=True)
        (scene.source / "vm.cert").write_text(f"SHA256(vm.mf)= {signature.stdout.hex()}\n{pem.read_text()}")
        mounted = scene.mount(ovf)
        mounted.disk("vm").read_bytes()
        wait_for(lambda: mounted.status("vm")["integrity"]["state"] in ("good", "damaged"), "the manifest is compared", 60)
        integrity = mounted.status("vm")["integrity"]
        expect((integrity["state"], integrity["signature"], integrity["signer"]),
               ("good", "self-signed", "CN=Example Exports"), "integrity")
        scene.unmount(mounted)


# SEMANTICS: "it is refused, or with `-o unpack` unpacked once"
def one_block():
    """An .xz of one block is refused in one sentence with the way out."""
    with Scene() as scene:
        source = scene.folder / "vm.tar.xz"
        with lzma.open(source, "wb", preset=0) as out:
            with tarfile.open(fileobj=out, mode="w|") as tar:
                big = scene.folder / "big"
                with open(big, "wb") as file:
                    file.truncate(200 * MIB)
                tar.add(big, "vm.ovf")
        done = subprocess.run([mount.DAEMON, "--check", "--json", source], capture_output=True, text=True, check=False)
        expect((done.returncode, "unxz(1)" in done.stderr), (2, True), f"--check ({done.stderr})")


# SEMANTICS: "It is kept as a state `unpacked-...`, found by the archive's identity, and goes with `--remove-state`."
def unpacked():
    """-o unpack: once, into the folder of states, where it is listed, kept for the next mount, and removed."""
    need("qemu-img", "xz")
    with Scene() as scene:
        disk = scene.vmdk("disk.vmdk", 220 * MIB, "--type=monolithicFlat")
        describe(scene, disk, disk.name)
        plain = in_tar(scene, "plain.tar", "w")
        source = plain.with_name("vm.tar.xz")
        run("xz", "-0", "-T1", plain)
        plain.with_name("plain.tar.xz").rename(source)
        refused = scene.try_mount(source)
        expect((refused.returncode, "-o unpack" in refused.text), (2, True), f"without the option ({refused.text})")
        kept = made = None
        for turn in ("first", "second"):
            mounted = scene.mount(source, "unpack")
            run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", mounted.disk("vm"), scene.raw(disk))
            kept = next(scene.state.glob("unpacked-*"))
            listed = run(mount.DAEMON, "-o", f"state={scene.state}", "--list-states").text
            expect((kept.name in listed, str(source) in listed, str(mounted.point) in listed), (True,) * 3, listed)
            expect(run(mount.DAEMON, "-o", f"state={scene.state}", "--remove-state", kept.name, check=False).returncode, 4,
                   "removing it under a mount")
            made = made or (kept / "content").stat().st_mtime_ns
            expect((kept / "content").stat().st_mtime_ns, made, f"unpacked once ({turn} mount)")
            scene.unmount(mounted)
            wait_for(lambda: [path.name for path in scene.state.iterdir()] == [kept.name], "only the content is kept")
        run(mount.DAEMON, "-o", f"state={scene.state}", "--remove-state", kept.name)
        mounted = scene.mount(source, "unpack,ephemeral")
        run("qemu-img", "check", "-q", "-f", "qcow2", mounted.disk("vm"))
        scene.unmount(mounted)
        wait_for(lambda: not list(scene.state.iterdir()), "nothing is kept of an ephemeral one")


def main() -> int:
    cases = Cases("mount-packed")
    for way in WAYS:
        cases.run(f"{way}.stream", is_as_the_disk(way, "stream"), full=way not in ("compressed-chunks", "tgz"))
        cases.run(f"{way}.sparse", is_as_the_disk(way, "sparse"), full=way != "zip")
    for way in ("chunks", "tgz", "ova-gz", "tar-xz", "zip", "zip-stored"):
        if way != "chunks":
            cases.run(f"{way}.flat", is_as_the_disk(way, "flat"), full=way != "tar-xz")
    cases.run("bare-disk", bare_disk)
    cases.run("damaged", damaged)
    cases.run("media", media)
    cases.run("signed", signed)
    cases.run("one-block", one_block)
    cases.run("unpack", unpacked, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
