# SPDX-License-Identifier: MIT
"""What a libvirt domain and a machine of `v2vfs --check --json` both say, in one form, to be compared.

A fact is a name and a value; `differences` gives those that are not equal.
"""
import re
import xml.etree.ElementTree as ElementTree

NO_UUID = "00000000-0000-0000-0000-000000000000"
NO_MAC = "00:00:00:00:00:00"
# Our words for network adapters -> libvirt's.
MODELS = {"pcnet32": "vlance", "unknown": None}
FAMILIES = {"lsilogic": "scsi", "lsisas1068": "scsi", "buslogic": "scsi", "pvscsi": "scsi", "virtio-scsi": "scsi",
            "virtio-blk": "virtio"}


def base(path) -> str:
    return re.split(r"[/\\]", path or "")[-1]


def attribute(element, path: str, name: str):
    found = element.find(path)
    return None if found is None else found.get(name)


def place_in_domain(disk) -> str:
    """scsi0:1, ide1:0, as a VMX calls it."""
    bus = attribute(disk, "target", "bus")
    address = disk.find("address")
    if bus == "fdc":
        return bus
    if address is None:
        return place_by_name(bus, attribute(disk, "target", "dev"))
    controller, channel, unit = (int(address.get(key) or 0) for key in ("controller", "bus", "unit"))
    return f"{bus}{channel if bus == 'ide' else controller}:{unit}"


def place_by_name(bus: str, name: str) -> str:
    """sda, sdb, ... are counted through; a SCSI adapter has 15 of them, as unit 7 is its own."""
    index = 0
    for letter in name[2:]:
        index = index * 26 + ord(letter) - ord("a") + 1
    controller, unit = divmod(index - 1, 2 if bus == "ide" else 15)
    return f"{bus}{controller}:{unit + (bus == 'scsi' and unit >= 7)}"


def source_of(disk) -> str:
    return attribute(disk, "source", "file") or attribute(disk, "source", "dev") or ""


def of_domain(text: str, xen: bool) -> dict:
    domain = ElementTree.fromstring(text)
    size = domain.find("currentMemory" if xen else "memory")
    size = domain.find("memory") if size is None else size
    vcpu = domain.find("vcpu")
    facts = {
        "name": (domain.findtext("name") or "").strip(),
        "uuid": domain.findtext("uuid") if domain.findtext("uuid") != NO_UUID else None,
        "description": domain.findtext("description") or "",
        "memory_kib": int(size.text),
        "vcpus": int(vcpu.get("current") or vcpu.text) if vcpu is not None else 1,
        "uefi": (attribute(domain, "os", "firmware") == "efi"
                 or "ovmf" in (domain.findtext("os/loader") or "").lower()),
        "localtime": "localtime" in (attribute(domain, "clock", "offset"), attribute(domain, "clock", "basis")),
        "nics": [[mac_of(nic), None if xen else attribute(nic, "model", "type")]
                 for nic in domain.findall("devices/interface")],
        "serials": len(domain.findall("devices/serial")),
        "kernel": domain.findtext("os/kernel") or "",
        "cmdline": domain.findtext("os/cmdline") or "",
    }
    drives = {"disk": [], "cdrom": [], "floppy": []}
    for disk in domain.findall("devices/disk"):
        place = attribute(disk, "target", "dev") if xen else place_in_domain(disk)
        # A "lun" of a VMX is a CD-ROM drive of the host, or another of its SCSI devices.
        kind = {"lun": "cdrom", None: "disk"}.get(disk.get("device"), disk.get("device"))
        drives[kind].append([place, base(source_of(disk))])
    facts["disks"] = sorted(drives["disk"])
    facts["cdroms"] = sorted(place for place, file in drives["cdrom"])
    facts["floppies"] = len(drives["floppy"])
    return facts


def mac_of(nic):
    mac = attribute(nic, "mac", "address")
    return None if mac == NO_MAC else mac


def place_in_machine(machine: dict, drive: dict) -> str:
    if drive["controller"] is None:
        return "?"
    controller = machine["controllers"][drive["controller"]]
    kind = controller["kind"]
    return f"{FAMILIES.get(kind, kind)}{controller['bus_number']}:{drive['unit']}"


def device_name(machine: dict, drive: dict) -> str:
    """hdc for ide1:0."""
    place = re.fullmatch(r"ide(\d+):(\d+)", place_in_machine(machine, drive))
    return "hd" + "abcd"[2 * int(place[1]) + int(place[2])] if place else "?"


def of_machine(machine: dict, xen: bool) -> dict:
    boot = machine["outside_boot"] or {"kernel": "", "cmdline": ""}
    cdroms = [drive for drive in machine["removables"] if drive["kind"] == "cdrom"]
    name = device_name if xen else place_in_machine
    return {
        "name": machine["name"],
        "uuid": machine["uuid"],
        "description": machine["description"],
        "memory_kib": machine["memory_bytes"] // 1024,
        "vcpus": machine["vcpus"],
        "uefi": machine["firmware"] == "uefi",
        "localtime": bool(machine["localtime"]),
        "nics": [[nic["mac"], None if xen else MODELS.get(nic["model"], nic["model"])] for nic in machine["nics"]],
        "serials": len(machine["serials"]),
        "kernel": boot["kernel"],
        "cmdline": boot["cmdline"],
        "disks": sorted([disk["id"], base(disk["file"])] for disk in machine["disks"]),
        "cdroms": sorted(name(machine, drive) for drive in cdroms),
        "floppies": len(machine["removables"]) - len(cdroms),
    }


def differences(ours: dict, theirs: dict) -> list:
    """(fact, ours, theirs)"""
    return [(fact, ours[fact], theirs[fact]) for fact in ours if ours[fact] != theirs[fact]]


class Table:
    """Counts differences by their reason; those without one are failures."""

    def __init__(self, reasons: list):
        self.reasons = reasons  # (fact, regular expression for the name, reason, test(ours, theirs) or None)
        self.counts = {}
        self.failures = []

    def reason_of(self, name: str, fact: str, ours, theirs):
        for wanted, pattern, reason, test in self.reasons:
            if wanted == fact and re.search(pattern, name) and (test is None or test(ours, theirs)):
                return reason
        return None

    def add(self, name: str, ours: dict, theirs: dict) -> None:
        for fact, mine, other in differences(ours, theirs):
            reason = self.reason_of(name, fact, mine, other)
            if reason is None:
                self.failures.append(f"{name}: {fact} is {mine} here and {other} there")
            else:
                self.counts[fact, reason] = self.counts.get((fact, reason), 0) + 1

    def show(self, compared: int) -> None:
        for (fact, reason), count in sorted(self.counts.items()):
            print(f"  {count:4} {fact:12} {reason}")
        if self.failures:
            raise AssertionError(f"{len(self.failures)} differences without a reason: " + "; ".join(self.failures))
        print(f"  {compared} compared, no other difference")
