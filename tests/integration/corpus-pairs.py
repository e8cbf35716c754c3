#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what v2vfs reads from VMX and Xen files with the domains that libvirt's own tests expect of them.

    corpus-pairs.py

The pairs are no part of the project: PAIRS.tsv in V2VFS_CORPUS, else in ../shared/corpus beside the project or its
folder. Each difference has to have a reason in the tables below, which are printed with how often they are needed.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import domain_facts  # noqa: E402
import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def fewer(ours, theirs) -> bool:
    return set(map(str, theirs)) < set(map(str, ours))


def same_macs(ours, theirs) -> bool:
    """The models that libvirt names are ours; where it names none, the guest's default is."""
    return len(ours) == len(theirs) and all(
        mine[0] == other[0] and other[1] in (None, mine[1]) for mine, other in zip(ours, theirs))


# fact, regular expression for the file's name, why it differs, test(ours, theirs)
VMX = [
    ("floppies", "", "floppy0 is there by default, which libvirt does not say", lambda ours, theirs: ours == theirs + 1),
    ("nics", "", "libvirt does not say VMware's default model", same_macs),
    ("cdroms", "in-the-wild|case-insensitive", "libvirt leaves out a CD-ROM drive that is the client's (clientDevice)",
     fewer),
    ("cdroms", "passthru|esx-in-the-wild-7", "a SCSI device of the host (scsi-passthru) is left out here",
     lambda ours, theirs: any(place.startswith("scsi") for place in theirs)),
    ("memory_kib", "", "libvirt writes a multiple of 4 MiB", lambda ours, theirs: 0 < ours - theirs < 4096),
]
XEN = [
    ("kernel", "", "a loader of HVM guests is no kernel", lambda ours, theirs: "hvmloader" in ours),
]


def corpus() -> pathlib.Path:
    named = os.environ.get("V2VFS_CORPUS")
    for place in [named] if named else [PROJECT / "../shared/corpus", PROJECT / "../../shared/corpus"]:
        if pathlib.Path(place, "PAIRS.tsv").exists():
            return pathlib.Path(place).resolve()
    raise Skip("the corpus of real descriptors (V2VFS_CORPUS)")


def pairs(*suites: str):
    folder = corpus()
    for line in (folder / "PAIRS.tsv").read_text().splitlines()[1:]:
        suite, source, expected = line.split("\t")
        if suite == "xml2vmxdata":  # written by libvirt from the domain
            source, expected = expected, source
        if suite in suites and (folder / source).exists() and (folder / expected).exists():
            yield folder / source, folder / expected


def machine_of(path: pathlib.Path):
    done = subprocess.run([mount.DAEMON, "--check", "--json", path], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["machines"][0] if done.returncode in (0, 1) else None


def compare(suites: tuple, xen: bool, reasons: list) -> None:
    table = domain_facts.Table(reasons)
    compared = 0
    for source, expected in pairs(*suites):
        machine = machine_of(source)
        if machine is None:
            table.failures.append(f"{source.name} is not read")
            continue
        compared += 1
        name = source.name.split("__")[-1]
        table.add(name, domain_facts.of_machine(machine, xen), domain_facts.of_domain(expected.read_text(), xen))
    table.show(compared)


def main() -> int:
    cases = Cases("corpus-pairs")
    cases.run("vmx", lambda: compare(("vmx2xmldata", "xml2vmxdata"), False, VMX))
    cases.run("xen", lambda: compare(("xlconfigdata", "xmconfigdata"), True, XEN))
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
