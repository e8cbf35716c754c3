# SPDX-License-Identifier: MIT
"""What a guest is and its files, beside libguestfs's own tools: each of those starts an appliance every time."""
import os
import pathlib
import time

from measure import Result, Row, in_turn, run
from mount import make_vapp
from servers import mounted

ROUNDS = 3
TCG = "accel=tcg,convert=off"  # all of them emulated: what is compared is not the machine
TOOLS = {**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}


def timed(body) -> float:
    start = time.monotonic()
    body()
    return time.monotonic() - start


def tool(*argv):
    return lambda: timed(lambda: run(*argv, env=TOOLS))


def once_and_again(source: pathlib.Path, path: str, again: list, command: str = "cat"):
    """Times it in a mount with a new state, then once more, into `again`."""
    def sample() -> float:
        with mounted(source, TCG) as mount:
            first = timed(lambda: run(command, mount.point / path))
            again.append(timed(lambda: run(command, mount.point / path)))
            return first
    return sample


def compared(about: str, ours: str, theirs: str, contenders: dict, again: list) -> list:
    samples = in_turn(contenders, ROUNDS)
    samples["again"] = again
    return [Result(Row(f"first {about}", ours, theirs), "s", samples),
            Result(Row(f"second {about}", "again", theirs), "s", samples)]


def inspection(_setting) -> list:
    """`cat inspection.json` of a Debian, against virt-inspector of the same disk."""
    vapp, again = make_vapp(), []
    with mounted(vapp / "shop.ova", TCG) as mount:  # the appliance itself is built once for all
        run("cat", mount.point / "db" / "inspection.json")
    contenders = {"inspection.json": once_and_again(vapp / "shop.ova", "web/inspection.json", again),
                  "virt-inspector": tool("virt-inspector", "--no-icon", "--format=raw", "-a", vapp / "raw" / "web.raw")}
    return compared("cat inspection.json / virt-inspector", "inspection.json", "virt-inspector", contenders, again)


def guest_files(_setting) -> list:
    """One file and one folder of a Debian, against virt-cat and virt-ls."""
    vapp, again, listed = make_vapp(), [], []
    raw = ("--format=raw", "-a", vapp / "raw" / "web.raw")
    rows = compared("cat guest/etc/fstab / virt-cat", "cat", "virt-cat", {
        "cat": once_and_again(vapp / "shop.ova", "web/guest/etc/fstab", again),
        "virt-cat": tool("virt-cat", *raw, "/etc/fstab")}, again)
    return rows + compared("ls guest/etc / virt-ls", "ls", "virt-ls", {
        "ls": once_and_again(vapp / "shop.ova", "web/guest/etc", listed, "ls"),
        "virt-ls": tool("virt-ls", *raw, "/etc")}, listed)
