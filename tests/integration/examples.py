#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts of examples/, run as a person runs them: with v2vfs and v2vfsctl in PATH.

    examples.py [--full]
"""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases  # noqa: E402
from ctl import CTL, need_ctl  # noqa: E402
from libvirt_host import network_option, start_libvirt, virsh  # noqa: E402
from scene import BUILD, Scene, expect, is_mounted, need, run  # noqa: E402

EXAMPLES = mount.PROJECT / "examples"
MIB = 1 << 20


class Example(Scene):
    """A scene that runs an example, with programs and states of its own."""

    def __enter__(self):
        need_ctl()
        (self.folder / "bin").mkdir()
        for name, program in (("v2vfs", mount.DAEMON), ("v2vfsctl", CTL), ("mount.v2vfs", BUILD / "mount.v2vfs")):
            (self.folder / "bin" / name).symlink_to(program)
        return self

    def run(self, name: str, *words, options: str = "", script_prefix=(), **environment) -> str:
        given = ",".join(filter(None, [f"state={self.state},accel=tcg", options]))
        done = subprocess.run([*script_prefix, str(EXAMPLES / name), *map(str, words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
                              env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "V2VFS_OPTIONS": given,
                                   "LIBVIRT_DEFAULT_URI": "qemu:///system", **environment})
        print("".join(f"    | {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
        expect(done.returncode, 0, f"exit code of {name} ({done.stdout.strip()[-300:]})")
        return done.stdout


def kiosk() -> pathlib.Path:
    return mount.make_vapp("--small") / "kiosk.ova"


def shop() -> pathlib.Path:
    return mount.make_vapp() / "shop.ova"


def remove(domain: str) -> None:
    virsh("destroy", domain, check=False)
    virsh("undefine", domain, "--nvram", check=False)


def expect_free(domains) -> None:
    """What is defined under these names is not ours to remove."""
    defined = set(virsh("list", "--all", "--name").split()) & set(domains)
    expect(defined, set(), "domains of these names that are there already")


def copy_vapp():
    need("qemu-img")
    with Example() as scene:
        out = scene.folder / "out"
        scene.run("copy-vapp", kiosk(), out)
        expect(sorted(path.name for path in out.iterdir()), ["screen", "till"], "VMs")
        run("qemu-img", "compare", "-q", "-F", "raw", out / "till/disk.qcow2", kiosk().parent / "raw/till.raw")
        ElementTree.parse(out / "till/domain.xml")


def boot_and_pull():
    start_libvirt()
    expect_free(["till"])
    with Example() as scene:
        out, point = scene.folder / "out", scene.point()
        try:
            scene.run("boot-and-pull", kiosk(), point, "till", out, options=f"convert=off,{network_option()}")
            expect(virsh("domstate", "till"), "running", "state")
            expect(str(out / "till/disk.qcow2") in virsh("dumpxml", "till"), True, "its disk")
            expect(is_mounted(point), False, "mounted")
        finally:
            remove("till")


def edit_before_boot():
    with Example() as scene:
        point = scene.point()
        said = scene.run("edit-before-boot", shop(), point, "web", "192.0.2.77/24", "192.0.2.254", options="convert=off")
        expect("address 192.0.2.77/24" in said, True, "the new address")
        expect(json.loads((point / "web/status.json").read_text())["edits"]["pending"], [], "edits that wait")


def inspect_folder():
    need("jq", "column")
    with Example() as scene:
        folder = scene.folder / "exports"
        folder.mkdir()
        for source in (kiosk(), shop()):
            (folder / source.name).hardlink_to(source) if same_device(folder, source) else run("cp", source, folder)
        said = scene.run("inspect-folder", folder)
        lines = said.splitlines()
        expect(lines[0].split()[:3], ["VM", "SYSTEM", "KERNEL"], "titles")
        expect(len(lines), 5, "lines")
        expect(sum("Debian GNU/Linux 12" in line for line in lines), 2, "Debian guests")


def same_device(one, other) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def fstab_line():
    """In a mount namespace with an fstab of its own; there is no systemd in it, so mount(8) is what mounts."""
    need("unshare")
    with Example() as scene:
        ovf, point = scene.one_disk(MIB), scene.point()
        (scene.folder / "fstab").write_text("")
        sbin = pathlib.Path("/sbin").resolve()
        prefix = f"""mount -t tmpfs none /run; mkdir /run/up /run/work
mount -t overlay -o lowerdir={sbin},upperdir=/run/up,workdir=/run/work none {sbin}
cp {BUILD}/mount.v2vfs {sbin}/mount.v2vfs; ln -sf {mount.DAEMON} {sbin}/v2vfs
mount --bind {scene.folder}/fstab /etc/fstab
"$@" && "$@" || exit; umount {point}"""
        # Twice: the line is there once.
        prefix = prefix.replace('"$@" && "$@"', f'"$@" && umount {point} && "$@"')
        said = scene.run("fstab-line", ovf, point, f"state={scene.folder}/state,accel=tcg",
                         script_prefix=["unshare", "--mount", "--propagation", "private", "bash", "-c", prefix, "bash"])
        expect(said.count("status.json"), 2, f"listings ({said})")
        expect((scene.folder / "fstab").read_text().count("\n"), 1, "lines")


def start_vapp():
    start_libvirt()
    expect_free(["till", "screen"])
    with Example() as scene:
        mounted = scene.mount(kiosk(), network_option())
        try:
            said = scene.run("start-vapp", mounted.point, SPEED="100")
            startup = json.loads((mounted.point / "vapp.json").read_text())["startup"]
            order = [item["vm"] for item in sorted(startup, key=lambda item: item["order"])]
            started = [line.partition(":")[0] for line in said.splitlines() if "started" in line]
            expect(started, order, "VMs in the order of their start")
        finally:
            for domain in ("till", "screen"):
                remove(domain)


def compare_conversions():
    with Example() as scene:
        said = scene.run("compare-conversions", shop(), "web", "firstboot=remove-tools", "firstboot=guest-agent")
        expect("guest-agent" in said, True, f"what differs: {said[:500]}")
        same = scene.run("compare-conversions", shop(), "web", "network=user", "network=user")
        progress = "web: inspecting ("
        expect([line for line in same.splitlines() if not line.startswith(progress)], [], "what differs between the same options")


def main() -> int:
    cases = Cases("examples")
    cases.run("copy-vapp", copy_vapp)
    cases.run("boot-and-pull", boot_and_pull, full=True)
    cases.run("edit-before-boot", edit_before_boot, full=True)
    cases.run("inspect-folder", inspect_folder, full=True)
    cases.run("fstab-line", fstab_line, full=True)
    cases.run("start-vapp", start_vapp, full=True)
    cases.run("compare-conversions", compare_conversions, full=True)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
