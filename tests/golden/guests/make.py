#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the folder of one made-up guest, or lists them all.

  make.py --list           those that inspection has golden files for
  make.py --list-plans     and those that are made for plans alone
  make.py NAME FOLDER

What is in them is written for these tests, in the manner of the release that the name says. Each one has
its golden file beside this script: what inspection.json says of it.
"""

import pathlib
import sys

sys.dont_write_bytecode = True
import linux_guests    # noqa: E402
import plan_guests     # noqa: E402
import windows_guests  # noqa: E402

GUESTS = {**linux_guests.GUESTS, **windows_guests.GUESTS}

# A small osinfo-db: which systems the host knows.
OSINFO = {
    "debian.org": ["debian-10", "debian-11", "debian-testing"],
    "ubuntu.com": ["ubuntu-20.04", "ubuntu-22.04", "ubuntu-22.10"],
    "redhat.com": ["rhel-5.11", "rhel-6.10", "rhel-7.9", "rhel-8.7", "rhel-9-unknown", "rhel-9.1"],
    "centos.org": ["centos-7.0", "centos-8", "centos-stream-8", "centos-stream-9"],
    "almalinux.org": ["almalinux-8", "almalinux-9"],
    "rockylinux.org": ["rocky-8", "rocky-8.6", "rocky-9"],
    "oracle.com": ["ol-8.5"],
    "fedoraproject.org": ["fedora-36", "fedora-37"],
    "suse.com": ["sles-12.4", "sles-12.5", "sle-15", "sle-15.3", "sle-15.4", "sle-15-unknown"],
    "opensuse.org": ["opensuse-15.4", "opensuse-tumbleweed"],
    "alpinelinux.org": ["alpinelinux-3.16", "alpinelinux-3.17"],
    "archlinux.org": ["archlinux-rolling"],
    "altlinux.org": ["alt-9.2", "alt-10.0"],
    "microsoft.com": ["win-7", "win-10", "win-11", "win-2k19", "win-2k22"],
    "libosinfo.org": ["linux-2020", "linux-2022", "unknown"],
}


def main():
    if sys.argv[1:] == ["--list-plans"]:
        print("\n".join(plan_guests.PLAN_GUESTS))
        return 0
    if sys.argv[1:] == ["--list"]:
        print("\n".join(GUESTS))
        return 0
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    guest = {**GUESTS, **plan_guests.PLAN_GUESTS}[name](folder)
    guest.write()
    for vendor, stems in OSINFO.items():
        (folder / "osinfo" / vendor).mkdir(parents=True)
        for stem in stems:
            (folder / "osinfo" / vendor / f"{stem}.xml").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
