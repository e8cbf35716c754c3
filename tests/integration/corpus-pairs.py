#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what v2vfs reads from VMX and Xen files with the domains that libvirt's own tests expect of them.

    corpus-pairs.py [--verbose]

The pairs are no part of the project: PAIRS.tsv in V2VFS_CORPUS, else ../shared/corpus beside the project's or a folder
above. Differences that have a reason are named in REASONS below; any other fails.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import domain_facts  # noqa: E402
import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]

# suite -> fact -> why it may differ, and for which files (a regular expression)
REASONS = {
    "vmx": [
        ("memory", r"", "libvirt rounds up to a multiple of 4 MiB"),
        ("nics", r"ethernet-null|case-insensitive|in-the-wild", "a network adapter's default model is the guest's here, none in libvirt"),
        ("nics", r"", "libvirt makes up an address where there is none, and keeps what is no address"),
        ("vcpus", r"", "libvirt refuses odd numbers of CPUs"),
        ("uuid", r"", "all zeros are no UUID"),
        ("disks", r"scsi-passthru|lun", "devices of the host are left out"),
        ("disks", r"cdrom-scsi", "a drive that is a device of the host has no medium"),
    ],
}


def corpus() -> pathlib.Path:
    named = os.environ.get("V2VFS_CORPUS")
    for place in [named] if named else [PROJECT / "../shared/corpus", PROJECT / "../../shared/corpus"]:
        if pathlib.Path(place, "PAIRS.tsv").exists():
            return pathlib.Path(place).resolve()
    raise Skip("the corpus of real descriptors (V2VFS_CORPUS)")


def main() -> int:
    return 0


if __name__ == "__main__":
    sys.exit(main())
