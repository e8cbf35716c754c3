#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libvirt as the referee for VMX: what `virsh domxml-from-native vmware-vmx` reads from our descriptions, and what we do.

    vmx-referee.py

libvirt's driver for VMware Player wants two of its programs; ours only answer what it asks them. Each difference has to
have a reason in the table below, which is printed with how often it is needed.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import domain_facts  # noqa: E402
import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = PROJECT / "tests/golden/vmx"
STUBS = {"vmrun": "Total running VMs: 0", "vmplayer": "VMware Player 17.0.0 build-1"}



def is_nvme(ours, theirs) -> bool:
    return [disk for disk in ours if not disk[0].startswith("nvme")] == theirs


# fact, regular expression for the file's name, why it differs, test(ours, theirs)
REASONS = [
    ("disks", "", "libvirt 9 does not know VMware's NVMe", is_nvme),
    ("disks", "^many-disks$", "libvirt gives a SATA controller six ports (VMware 30), and leaves out SCSI unit 7",
     lambda ours, theirs: len(ours) == len(theirs) + 1),
    ("floppies", "", "floppy0 is there by default, which libvirt does not say", lambda ours, theirs: ours == theirs + 1),
    ("name", "^minimal$", "a machine without a name has the file's here", lambda ours, theirs: theirs == ""),
]

# Descriptions that libvirt does not read, and what it says.
REFUSED = {
    "encrypted": "config.version",
    "esx-vds-four-controllers": "plainDisk",
    "gsx-old-scsi": "4 or higher but found 3",
    "no-controller-keys": "Could not parse UUID",
    "odd-syntax": "expecting a name",
    "serial-ports": "port part",
    "workstation-17-nat": "ethernet1.networkName",
    "workstation-gbk": "hostonly",
    "workstation-windows-host": "ethernet0.networkName",
}


def referee(folder: pathlib.Path, vmx: pathlib.Path):
    environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", HOME=str(folder), LC_ALL="C")
    return subprocess.run(["virsh", "-c", "vmwareplayer:///session", "domxml-from-native", "vmware-vmx", vmx],
                          capture_output=True, text=True, env=environment, timeout=60, check=False)


def make_stubs(folder: pathlib.Path) -> None:
    for name, answer in STUBS.items():
        stub = folder / name
        stub.write_text(f"#!/bin/sh\necho '{answer}'\n")
        stub.chmod(0o755)


def machine_of(vmx: pathlib.Path) -> dict:
    done = subprocess.run([mount.DAEMON, "--check", "--json", vmx], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["machines"][0]


def compare() -> None:
    if not shutil.which("virsh"):
        raise Skip("virsh (Debian: libvirt-clients)")
    table = domain_facts.Table(REASONS)
    compared = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_stubs(folder)
        for vmx in sorted(FIXTURES.glob("*.vmx")):
            done = referee(folder, vmx)
            if done.returncode != 0:
                check_refusal(table, vmx.stem, done.stderr)
                continue
            compared += 1
            table.add(vmx.stem, domain_facts.of_machine(machine_of(vmx), False),
                      domain_facts.of_domain(done.stdout, False))
    for vmx, words in sorted(REFUSED.items()):
        print(f"  {vmx} is not read by libvirt: {words}")
    table.show(compared)


def check_refusal(table, name: str, text: str) -> None:
    if "no connection driver" in text:
        raise Skip("libvirt's driver for VMware")
    if name not in REFUSED or REFUSED[name] not in text:
        table.failures.append(f"libvirt does not read {name}: {' '.join(text.split())}")


def main() -> int:
    cases = Cases("vmx-referee")
    cases.run("fixtures", compare)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
