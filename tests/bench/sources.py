# SPDX-License-Identifier: MIT
"""What is mounted: the vApps of tests/guests, one disk made of their systems, and a disk of 2 TiB."""
import contextlib
import dataclasses
import json
import pathlib
import sys
import tempfile

from measure import run
from mount import DAEMON, make_vapp

VMDK_MAKE = DAEMON.parent / "tests/support/vmdk-make"
TAIL = 8 << 20  # free clusters at the end of disk.qcow2
HUGE_BYTES = 2 << 40

OVF = """<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References><File ovf:id="file1" ovf:href="{name}.vmdk"/></References>
<DiskSection><Info/><Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="{bytes}"
 ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
<VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name><VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
 <rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
 <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>256</rasd:VirtualQuantity></Item>
<Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID>
 <rasd:ResourceSubType>lsilogicsas</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
 <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
"""


@dataclasses.dataclass
class Export:
    """A vApp as its VMware wrote it, and the one disk of it that is measured."""
    folder: pathlib.Path
    ova: pathlib.Path
    vmdk: pathlib.Path
    disk: str  # below the mount point

    def span_in_qcow2(self, size: int) -> tuple:
        """Where in disk.qcow2 the source's bytes lie: they end in front of the tail."""
        length = self.vmdk.stat().st_size // 4096 * 4096
        return (size - TAIL - length) // 4096 * 4096, length

    def span_in_guest(self) -> tuple:
        """The longest stretch of the guest's disk that has data."""
        longest, current = (0, 0), (0, 0)
        for piece in json.loads(run("qemu-img", "map", "--output=json", "-f", "vmdk", self.vmdk)):
            if not piece["data"]:
                continue
            follows = piece["start"] == sum(current)
            current = (current[0], current[1] + piece["length"]) if follows else (piece["start"], piece["length"])
            longest = max(longest, current, key=lambda span: span[1])
        return longest


def export_of(options: list, name: str, vmdk: int, disk: str) -> Export:
    folder = make_vapp(*options)
    return Export(folder / name, folder / f"{name}.ova", folder / name / f"{name}-disk{vmdk}.vmdk", disk)


def small_or_large(quick: bool) -> Export:
    """kiosk's films, 17 MB, or the data disk of shop's db, 470 MB; of random bytes, so the grains do not shrink."""
    return export_of(["--small"], "kiosk", 3, "screen/disk-2.qcow2") if quick else export_of(
        [], "shop", 2, "db/disk-2.qcow2")


def system_disk() -> Export:
    """The system disk of shop's db, 200 MB: files of an installed Debian, which deflate."""
    return export_of([], "shop", 1, "db/disk.qcow2")


def two_systems() -> Export:
    """A disk with the system disks of shop's db and web one behind the other: 400 MB of what real disks hold.

    Copying does not care, but converting does: random bytes cost no inflating.  Kept beside the vApp.
    """
    vapp = make_vapp()
    folder = vapp.with_name(f"bench-{vapp.name}")
    vmdk = folder / "systems.vmdk"
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix="making-", dir=vapp.parent) as work:
            made = pathlib.Path(work) / "out"
            made.mkdir()
            disks = [vapp / "raw" / name for name in ("db.raw", "web.raw")]
            run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", *disks,
                made / vmdk.name)
            size = sum(disk.stat().st_size for disk in disks)
            (made / "systems.ovf").write_text(OVF.format(name="systems", bytes=size))
            made.rename(folder)
    return Export(folder, folder, vmdk, "systems/disk.qcow2")


VMDKS = ("streamOptimized", "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "vmfs",
         "seSparse")
IMAGES = {"vpc": "vhd", "vhdx": "vhdx", "vdi": "vdi", "qcow2": "qcow2", "qed": "qed", "parallels": "hdd", "raw": "raw"}


def every_format(work: pathlib.Path, size: int):
    """Gives (name, source) of the same content in one format after the other; each in a folder of its own."""
    raw = work / "content"
    for kind in (*VMDKS, "vmfs,vmfsSparse,seSparse"):
        folder = work / kind
        folder.mkdir()
        option = f"--chain={kind}" if "," in kind else f"--type={kind}"
        run(VMDK_MAKE, f"--size={size}", option, f"--raw={raw}", folder / "disk.vmdk")
        yield f"VMDK {kind}", folder
    for driver, suffix in IMAGES.items():
        folder = work / suffix
        folder.mkdir()
        run("qemu-img", "convert", "-f", "raw", "-O", driver, raw, folder / f"disk.{suffix}")
        yield {"vpc": "VHD", "hdd": "Parallels"}.get(driver, driver.upper() if suffix != "raw" else "raw"), folder
    yield from packed(work, size)


def packed(work: pathlib.Path, size: int):
    """The same disk as an OVF in archives."""
    folder = work / "plain"
    folder.mkdir()
    run(VMDK_MAKE, f"--size={size}", folder / "disk.vmdk")
    (folder / "disk.ovf").write_text(OVF.format(name="disk", bytes=size))
    for name, command in (("OVA", ["tar", "-cf"]), ("tar.gz", ["tar", "--use-compress-program=gzip -1", "-cf"]),
                          ("zip", [sys.executable, "-m", "zipfile", "-c"]), ("tar.xz", ["tar", "--use-compress-program=xz -1 --block-size=16MiB", "-cf"])):
        place = work / f"as-{name}"
        place.mkdir()
        run(*command, place / f"disk.{name.lower()}", "disk.ovf", "disk.vmdk", cwd=folder)
        yield name, place / f"disk.{name.lower()}"


@contextlib.contextmanager
def huge():
    """The OVF of a streamOptimized disk of 2 TiB: every grain allocated, grain tables real, grains holes."""
    with tempfile.TemporaryDirectory(prefix="v2vfs-bench-huge-") as folder:
        folder = pathlib.Path(folder)
        run(VMDK_MAKE, "--full", f"--size={HUGE_BYTES}", folder / "huge.vmdk")
        (folder / "huge.ovf").write_text(OVF.format(name="huge", bytes=HUGE_BYTES))
        yield folder / "huge.ovf"
