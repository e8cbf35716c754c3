# SPDX-License-Identifier: MIT
"""Writes an export as vSphere writes one: OVF 1.1 (DSP0243) with VMware's additions, manifest, disks, OVA."""
import dataclasses
import hashlib
import pathlib
import tarfile
from xml.sax.saxutils import escape, quoteattr

from disk_image import to_stream_optimized
from steps import step

OVF = "http://schemas.dmtf.org/ovf/envelope/1"
CIM = "http://schemas.dmtf.org/wbem/wscim/1"
STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
# The day that the export says it was made.
EXPORTED = "2026-02-03T04:05:06.789012Z"
EXPORTED_SECONDS = 1770091506


@dataclasses.dataclass
class Disk:
    raw: pathlib.Path
    file: str = ""      # the VMDK's name in the export
    number: int = 0     # vmdiskN and fileN
    size: int = 0       # bytes of the VMDK


@dataclasses.dataclass
class Machine:
    name: str
    scsi: str           # rasd:ResourceSubType of the controller
    nic: str
    mac: str
    network: str
    memory_mb: int
    cpus: int
    disks: list
    annotation: str
    cores_per_socket: int = 1


@dataclasses.dataclass
class Appliance:
    name: str
    networks: dict
    machines: list
    start_delay_s: int
    properties: dict

    def disks(self) -> list:
        return [disk for machine in self.machines for disk in machine.disks]


def item(required: bool = True, config: dict = None, cores_per_socket: int = 0, **elements) -> str:
    """A rasd item; vSphere writes the elements in alphabetical order, and its own behind them."""
    head = "<Item>" if required else '<Item ovf:required="false">'
    lines = [f"<rasd:{name}>{escape(str(value))}</rasd:{name}>" for name, value in sorted(elements.items())]
    if cores_per_socket:
        lines.append(f'<vmw:CoresPerSocket ovf:required="false">{cores_per_socket}</vmw:CoresPerSocket>')
    lines += [f'<vmw:Config ovf:required="false" vmw:key="{key}" vmw:value="{value}"/>'
              for key, value in (config or {}).items()]
    return "        " + head + "".join(f"\n          {line}" for line in lines) + "\n        </Item>\n"


def hardware(machine: Machine) -> str:
    text = item(AllocationUnits="hertz * 10^6", Description="Number of Virtual CPUs",
                ElementName=f"{machine.cpus} virtual CPU(s)", InstanceID=1, ResourceType=3,
                VirtualQuantity=machine.cpus, cores_per_socket=machine.cores_per_socket)
    text += item(AllocationUnits="byte * 2^20", Description="Memory Size",
                 ElementName=f"{machine.memory_mb}MB of memory", InstanceID=2, ResourceType=4,
                 VirtualQuantity=machine.memory_mb)
    text += item(Address=0, Description="SCSI Controller", ElementName="SCSI controller 0", InstanceID=3,
                 ResourceSubType=machine.scsi, ResourceType=6,
                 config={"slotInfo.pciSlotNumber": 160})
    for number in (1, 0):
        text += item(Address=number, Description="IDE Controller", ElementName=f"IDE {number}",
                     InstanceID=5 - number, ResourceType=5)
    text += item(required=False, AutomaticAllocation="false", ElementName="Video card", InstanceID=6,
                 ResourceType=24, config={"videoRamSizeInKB": 4096})
    text += item(required=False, AutomaticAllocation="false", ElementName="VMCI device", InstanceID=7,
                 ResourceSubType="vmware.vmci", ResourceType=1)
    text += item(required=False, AddressOnParent=0, AutomaticAllocation="false", ElementName="CD/DVD drive 1",
                 InstanceID=8, Parent=4, ResourceSubType="vmware.cdrom.remotepassthrough", ResourceType=15)
    for index, disk in enumerate(machine.disks):
        text += item(AddressOnParent=index, ElementName=f"Hard disk {index + 1}",
                     HostResource=f"ovf:/disk/vmdisk{disk.number}", InstanceID=9 + index, Parent=3, ResourceType=17,
                     config={"backing.writeThrough": "false"})
    text += item(Address=machine.mac, AddressOnParent=7, AutomaticAllocation="true", Connection=machine.network,
                 Description=f'{machine.nic} ethernet adapter on "{machine.network}"',
                 ElementName="Network adapter 1", InstanceID=30, ResourceSubType=machine.nic, ResourceType=10,
                 config={"slotInfo.pciSlotNumber": 192, "wakeOnLanEnabled": "true"})
    for key, value in {"firmware": "bios", "cpuHotAddEnabled": "false", "memoryHotAddEnabled": "false",
                       "powerOpInfo.powerOffType": "soft", "tools.syncTimeWithHost": "false"}.items():
        text += f'        <vmw:Config ovf:required="false" vmw:key="{key}" vmw:value="{value}"/>\n'
    return text


def virtual_system(machine: Machine) -> str:
    return f"""    <VirtualSystem ovf:id="{machine.name}">
      <Info>A virtual machine</Info>
      <Name>{machine.name}</Name>
      <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest">
        <Info>The kind of installed guest operating system</Info>
        <Description>Debian GNU/Linux 12 (64-bit)</Description>
      </OperatingSystemSection>
      <AnnotationSection>
        <Info>A human-readable annotation</Info>
        <Annotation>{escape(machine.annotation)}</Annotation>
      </AnnotationSection>
      <VirtualHardwareSection>
        <Info>Virtual hardware requirements</Info>
        <System>
          <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
          <vssd:InstanceID>0</vssd:InstanceID>
          <vssd:VirtualSystemIdentifier>{machine.name}</vssd:VirtualSystemIdentifier>
          <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>
        </System>
{hardware(machine)}      </VirtualHardwareSection>
    </VirtualSystem>
"""


def capacity(disk: Disk) -> str:
    """Capacity in the largest unit that says it exactly, as vSphere does."""
    size = disk.raw.stat().st_size
    power = next((power for power in (40, 30, 20, 10) if size % (1 << power) == 0), 0)
    units = f'ovf:capacityAllocationUnits="byte * 2^{power}" ' if power else ""
    return f'ovf:capacity="{size >> power}" {units}'


def envelope(appliance: Appliance) -> str:
    files = "".join(f'    <File ovf:href="{disk.file}" ovf:id="file{disk.number}" ovf:size="{disk.size}"/>\n'
                    for disk in appliance.disks())
    disks = "".join(f'    <Disk {capacity(disk)}ovf:diskId="vmdisk{disk.number}" ovf:fileRef="file{disk.number}" '
                    f'ovf:format="{STREAM_OPTIMIZED}" ovf:populatedSize="{disk.raw.stat().st_blocks * 512}"/>\n'
                    for disk in appliance.disks())
    networks = "".join(f"    <Network ovf:name={quoteattr(name)}>\n      <Description>{escape(about)}</Description>\n"
                       "    </Network>\n" for name, about in appliance.networks.items())
    startup = "".join(f'      <Item ovf:id="{machine.name}" ovf:order="{order}" ovf:startAction="powerOn" '
                      f'ovf:startDelay="{appliance.start_delay_s}" ovf:stopAction="guestShutdown" ovf:stopDelay="120" '
                      'ovf:waitingForGuest="false"/>\n'
                      for order, machine in enumerate(appliance.machines, start=1))
    properties = "".join(f"      <Property ovf:key={quoteattr(key)} ovf:type=\"string\" ovf:userConfigurable=\"true\" "
                         f"ovf:value={quoteattr(value)}/>\n" for key, value in appliance.properties.items())
    systems = "".join(virtual_system(machine) for machine in appliance.machines)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!--Generated by VMware vCenter Server, User: VSPHERE.LOCAL\\Administrator, UTC time: {EXPORTED}-->
<Envelope vmw:buildId="build-20051473" xmlns="{OVF}" xmlns:cim="{CIM}/common" xmlns:ovf="{OVF}" \
xmlns:rasd="{CIM}/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" \
xmlns:vssd="{CIM}/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
{files}  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
{disks}  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
{networks}  </NetworkSection>
  <VirtualSystemCollection ovf:id="{appliance.name}">
    <Info>A multi-tiered application</Info>
    <Name>{appliance.name}</Name>
    <ProductSection ovf:required="false">
      <Info>What can be set when the vApp is deployed</Info>
      <Product>{appliance.name}</Product>
{properties}    </ProductSection>
    <StartupSection>
      <Info>Specifies the order in which entities are powered on and shut down</Info>
{startup}    </StartupSection>
{systems}  </VirtualSystemCollection>
</Envelope>
"""


def write_manifest(folder: pathlib.Path, names: list, manifest: pathlib.Path) -> None:
    with open(manifest, "w") as out:
        for name in names:
            with open(folder / name, "rb") as file:
                out.write(f"SHA256({name})= {hashlib.file_digest(file, 'sha256').hexdigest()}\n")


def write_ova(folder: pathlib.Path, names: list, ova: pathlib.Path) -> None:
    """A plain ustar with the descriptor first (DSP0243, 5.3), owned as vSphere writes it."""
    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 64
        member.uname = member.gname = "someone"
        member.mode, member.mtime = 0o644, EXPORTED_SECONDS
        return member
    with tarfile.open(ova, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            tar.add(folder / name, arcname=name, filter=owned)


def export(appliance: Appliance, out: pathlib.Path) -> None:
    """Writes OUT/NAME/ and OUT/NAME.ova from the raw disks."""
    folder = out / appliance.name
    folder.mkdir()
    for number, disk in enumerate(appliance.disks(), start=1):
        disk.number, disk.file = number, f"{appliance.name}-disk{number}.vmdk"
        with step(f"{appliance.name}: {disk.file}"):
            to_stream_optimized(disk.raw, folder / disk.file)
        disk.size = (folder / disk.file).stat().st_size
    descriptor = f"{appliance.name}.ovf"
    (folder / descriptor).write_text(envelope(appliance))
    disks = [disk.file for disk in appliance.disks()]
    write_manifest(folder, [descriptor] + disks, folder / f"{appliance.name}.mf")
    with step(f"{appliance.name}: ova"):
        write_ova(folder, [descriptor, f"{appliance.name}.mf"] + disks, out / f"{appliance.name}.ova")
