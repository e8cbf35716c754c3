#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/bench in its quick form: a case a group.

It fails by the memory's limit and by ten times the goals of times; the figures themselves come from tests/bench/run
on an idle machine.
"""
import pathlib
import shutil
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("lib", "bench")]

from cases import Cases, Skip  # noqa: E402
from groups import GROUPS, LONG, setting  # noqa: E402
from sources import VMDK_MAKE  # noqa: E402

NEEDED = ("fio", "qemu-img", "qemu-nbd", "qemu-storage-daemon", "fusermount3")


def measure(group) -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None] + [VMDK_MAKE] * (not VMDK_MAKE.exists())
    if missing:
        raise Skip(missing[0])
    with setting(quick=True) as where:
        results = group(where)
    for result in results:
        print(f"    {result.value:10.3g} {'x' if result.row.bottom else result.unit:4} {result.row.about}", flush=True)
    if failed := [f"{result.row.about}: {result.value:.3g}" for result in results if result.verdict == "FAILED"]:
        raise RuntimeError("; ".join(failed))


def main() -> int:
    cases = Cases("bench")
    for name, group in GROUPS.items():
        if name in LONG:
            continue
        cases.run(name, lambda group=group: measure(group))
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
