# SPDX-License-Identifier: MIT
"""Windows guests: a few files, and what their registries say."""

import struct

from tree import Guest

SOFTWARE = "/Windows/System32/config/SOFTWARE"
SYSTEM = "/Windows/System32/config/SYSTEM"
NT = "Microsoft\\Windows NT\\CurrentVersion"
UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
TCPIP = "ControlSet001\\Services\\Tcpip\\Parameters"
PE = {"x86_64": 0x8664, "i386": 0x14c}


def program(arch):
    """The headers of a console program (PE format, "COFF File Header" and "Optional Header")."""
    wide = arch != "i386"
    optional = struct.pack("<H", 0x20b if wide else 0x10b).ljust(68, b"\0") + struct.pack("<H", 3)
    size = 240 if wide else 224
    coff = struct.pack("<HHIIIHH", PE[arch], 0, 0, 0, 0, size, 0x22 if wide else 0x102)
    return b"MZ" + bytes(0x3a) + struct.pack("<I", 0x80) + bytes(0x40) + b"PE\0\0" + coff + optional.ljust(size, b"\0")


def windows(folder, name, values, arch="x86_64", hiberfil=b"", fast=0, programs=None, policy=()):
    guest = Guest(folder, "ntfs")
    guest.put(SOFTWARE, b"regf")
    guest.put(SYSTEM, b"regf")
    guest.put("/Windows/System32/cmd.exe", program(arch))
    if hiberfil:
        guest.put("/hiberfil.sys", hiberfil + bytes(4092))
    guest.key(SOFTWARE, NT, values)
    guest.key(SOFTWARE, "Microsoft\\Windows\\CurrentVersion\\Group Policy\\History", keys=policy)
    guest.key(SYSTEM, "Select", {"Current": 1})
    guest.key(SYSTEM, TCPIP, {"Hostname": name})
    guest.key(SYSTEM, "ControlSet001\\Control\\Session Manager\\Power", {"HiberbootEnabled": fast})
    guest.key(SYSTEM, "MountedDevices",
              {"\\DosDevices\\C:": struct.pack("<IQ", 0xdeadbee0, 1 << 20)})
    guest.key(SYSTEM, TCPIP + "\\Interfaces", keys=["{11111111-AAAA-BBBB-CCCC-222222222222}"])
    guest.key(SYSTEM, TCPIP + "\\Interfaces\\{11111111-AAAA-BBBB-CCCC-222222222222}",
              {"EnableDHCP": 0, "IPAddress": ["192.0.2.20"], "SubnetMask": ["255.255.255.0"],
               "DefaultGateway": ["192.0.2.1"], "NameServer": "192.0.2.53"})
    guest.key(SOFTWARE, UNINSTALL, keys=list(programs or {}))
    for key, entries in (programs or {}).items():
        guest.key(SOFTWARE, f"{UNINSTALL}\\{key}", entries)
    return guest


TOOLS = {"{TOOLS-GUID}": {"DisplayName": "VMware Tools", "DisplayVersion": "12.1.5.20735119",
                          "Publisher": "VMware, Inc."},
         "KB0001": {"ParentKeyName": "OperatingSystem"}}


def win7(folder):
    return windows(folder, "SEVEN", {
        "ProductName": "Windows 7 Professional", "CurrentVersion": "6.1", "CurrentBuildNumber": "7601",
        "EditionID": "Professional", "InstallationType": "Client"}, arch="i386", programs=TOOLS)


def ten(product, build, kind="Client", edition="Professional", version="22H2"):
    return {"ProductName": product, "CurrentVersion": "6.3", "CurrentMajorVersionNumber": 10,
            "CurrentMinorVersionNumber": 0, "CurrentBuildNumber": build, "EditionID": edition,
            "InstallationType": kind, "DisplayVersion": version}


def win10(folder):
    return windows(folder, "TEN", ten("Windows 10 Pro", "19045"), hiberfil=b"hibr", fast=1, programs={
        "Avast": {"DisplayName": "Example Antivirus", "DisplayVersion": "1.0"}})


def win11(folder):
    return windows(folder, "ELEVEN", ten("Windows 10 Pro", "22631", version="23H2"), fast=1,
                   hiberfil=bytes(4))


def win2022(folder):
    return windows(folder, "SERVER22",
                   ten("Windows Server 2022 Standard", "20348", "Server", "ServerStandard", "21H2"),
                   policy=["{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"], programs=TOOLS)


def win2025(folder):
    return windows(folder, "SERVER25",
                   ten("Windows Server 2025 Datacenter", "26100", "Server Core", "ServerDatacenter", "24H2"))


GUESTS = {"win7": win7, "win10": win10, "win11": win11, "win2022": win2022, "win2025": win2025}
