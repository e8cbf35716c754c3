# SPDX-License-Identifier: MIT
"""A guest's serial console, read and typed on through a program in a pty (virsh console, or qemu itself)."""
import os
import pty
import re
import select
import signal
import subprocess
import time

# What terminals are told and people do not read: colours, cursor moves, OSC titles.
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\r")
PROMPT = "v2vfs-test# "
ANSWER_SECONDS = 240  # a moment, but on a machine that has others to run


class ConsoleError(Exception):
    pass


class Console:
    """Starts argv in a pty; what it prints is kept in `transcript`."""

    def __init__(self, argv: list):
        master, slave = pty.openpty()
        # A session of its own, with the pty as its terminal: virsh console wants one.
        self.process = subprocess.Popen(["setsid", "--ctty", "--wait"] + argv, stdin=slave, stdout=slave,
                                        stderr=slave, close_fds=True, start_new_session=False)
        os.close(slave)
        self.master = master
        self.transcript = b""
        self.seen = 0  # how much of the transcript was matched already

    def _read(self, timeout: float) -> bool:
        """Takes what is there; False at the program's end."""
        ready, _, _ = select.select([self.master], [], [], timeout)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the pty's other side is closed
            return False
        self.transcript = CONTROL.sub(b"", self.transcript + data)
        return bool(data)

    def expect(self, pattern: str, timeout: float) -> re.Match:
        """Waits until the pattern is printed behind what was matched last."""
        compiled = re.compile(pattern.encode(), re.MULTILINE)
        deadline = time.monotonic() + timeout
        alive = True
        while True:
            match = compiled.search(self.transcript, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not alive or time.monotonic() > deadline:
                why = f"not within {timeout:.0f} s" if alive else "the console was closed"
                raise ConsoleError(f"`{pattern}`: {why}; the last lines:\n{self.tail()}")
            alive = self._read(min(1.0, max(0.0, deadline - time.monotonic())))

    def tail(self, lines: int = 15) -> str:
        text = self.transcript.decode(errors="replace")
        return "\n".join("    | " + line for line in text.splitlines()[-lines:])

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def login(self, password: str, timeout: float) -> None:
        """Logs in as root and sets a prompt that nothing else prints."""
        reached = self.expect(r"login: ?$|^\(initramfs\) |Give root password|Kernel panic|No bootable device", timeout)
        if b"login" not in reached.group():
            raise ConsoleError(f"the guest does not come up; the last lines:\n{self.tail()}")
        self.send("root\n")
        self.expect("Password: ", ANSWER_SECONDS)
        self.send(password + "\n")
        self.expect(r"[#] ?$", ANSWER_SECONDS)
        # Quoted in two halves, so that the echo of this line is not taken for the prompt.
        self.send("stty -echo cols 200; dmesg -n 1; PS1='v2vfs-''test# '\n")
        self.expect(PROMPT, ANSWER_SECONDS)

    def first_disk_is_not_sda(self) -> bool:
        """Linux numbers disks as they are probed, and probes them at the same time: on a slow machine the second one
        may become sda, on any hypervisor. A guest that names /dev/sda1 does not come up then."""
        names = re.findall(rb"sd \d+:0:0:0: \[(sd[a-z]+)\]", self.transcript)
        return bool(names) and names[0] != b"sda"

    def command(self, line: str, timeout: float = ANSWER_SECONDS) -> str:
        """Types a command and gives what it prints; a non-zero status is an error."""
        self.send(f"{line}; echo \"status=$?\"\n")
        start = self.seen
        status = self.expect(r"status=(\d+)$", timeout)
        output = self.transcript[start:status.start()].decode(errors="replace").strip()
        self.expect(PROMPT, ANSWER_SECONDS)
        if status.group(1) != b"0":
            raise ConsoleError(f"`{line}` in the guest: status {status.group(1).decode()}: {output}")
        return output

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self.master)
