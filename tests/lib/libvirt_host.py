# SPDX-License-Identifier: MIT
"""libvirt on a machine that may have no systemd: its daemons, its network, one machine at a time."""
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from cases import Skip
from console import Console, ConsoleError

URI = "qemu:///system"


def virsh(*words, check: bool = True) -> str:
    """`start` of a guest that is converted first takes half a minute, and many on a loaded machine."""
    done = subprocess.run(["virsh", "-q", "-c", URI, *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    if check and done.returncode != 0:
        raise RuntimeError(f"virsh {' '.join(map(str, words))}: {done.stdout.strip()}")
    return done.stdout.strip()


def answers() -> bool:
    return subprocess.run(["virsh", "-q", "-c", URI, "version"], capture_output=True).returncode == 0


def start_libvirt() -> None:
    """Starts libvirt's daemons where nobody did."""
    for program in ("virsh", "libvirtd", "qemu-system-x86_64"):
        if not shutil.which(program):
            raise Skip(program)
    if os.geteuid() != 0:
        raise Skip("root (for qemu:///system)")
    if not answers():
        for daemon in ("virtlogd", "libvirtd"):
            subprocess.run([daemon, "-d"], stdin=subprocess.DEVNULL, capture_output=True)
    deadline = time.monotonic() + 30
    while not answers():
        if time.monotonic() > deadline:
            raise Skip("a libvirtd that answers on " + URI)
        time.sleep(0.5)


def network_option() -> str:
    """The `network=` that works here: libvirt's own, or user where that cannot be started (containers)."""
    virsh("net-start", "default", check=False)
    active = virsh("net-list", "--name", check=False).split()
    return "network=default" if "default" in active else "network=user"


class Machine:
    """A domain defined from a domain.xml; it is gone after the `with`."""

    def __init__(self, domain_xml):
        self.domain_xml = domain_xml
        self.name = ElementTree.parse(domain_xml).getroot().findtext("name")
        self.console = None

    def __enter__(self):
        # Over one that an interrupted run left; libvirt refuses if another machine has the name.
        virsh("define", "--validate", self.domain_xml)
        return self

    def start(self) -> Console:
        """Starts it halted, so that the console is there for the first letter."""
        virsh("start", "--paused", self.name)
        self.console = Console(["virsh", "-q", "-c", URI, "console", "--force", self.name])
        time.sleep(0.5)
        virsh("resume", self.name)
        return self.console

    def start_and_login(self, password: str, timeout: float, tries: int = 3) -> Console:
        """Starts it anew where Linux numbered the disks otherwise than the guest says; says so."""
        for left in reversed(range(tries)):
            console = self.start()
            try:
                console.login(password, timeout)
                return console
            except ConsoleError:
                if left == 0 or not console.first_disk_is_not_sda():
                    raise
            print(f"      {self.name}: Linux gave sda to the second disk; started again", flush=True)
            self._leave_console()
            virsh("destroy", self.name)

    def power_off(self, timeout: float = 120) -> None:
        """Types poweroff and waits until libvirt says that the machine is off."""
        self.console.send("sync; poweroff\n")
        deadline = time.monotonic() + timeout
        while virsh("domstate", self.name) != "shut off":
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not off after {timeout:.0f} s:\n{self.console.tail()}")
            time.sleep(0.5)
        self._leave_console()

    def save(self) -> None:
        """Its memory goes to a file of libvirt's, and the next start() goes on from there."""
        self._leave_console()
        virsh("managedsave", self.name)

    def _leave_console(self) -> None:
        if self.console:
            self.console.close()
            self.console = None

    def __exit__(self, *exc):
        self._leave_console()
        virsh("destroy", self.name, check=False)
        virsh("undefine", self.name, "--nvram", "--managed-save", check=False)
