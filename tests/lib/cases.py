# SPDX-License-Identifier: MIT
"""The cases of an integration script in Python.

    cases = Cases("boot-vapp")
    cases.run("web", boot_web)              # quick and full
    cases.run("web-again", again, full=True)  # only with --full
    sys.exit(cases.exit_code())

Each case prints one line: `PASS name seconds`, `FAIL name reason` or `SKIP name what-is-missing`; a case that
raises fails, one that raises Skip is skipped.  tests/run names by environment the cases that are wanted
(V2VFS_TEST_CASE, a regular expression) and the file of those that passed before (V2VFS_TEST_PASSED); a script
whose cases build on each other says independent=False and always runs them all.
"""
import os
import pathlib
import re
import sys
import time
import traceback


NOTHING_RAN = 77  # exit code of a script none of whose cases was wanted


class Skip(Exception):
    """Raised with the name of what is missing."""


def passed_before() -> set:
    path = os.environ.get("V2VFS_TEST_PASSED", "")
    return set(pathlib.Path(path).read_text().split()) if path and os.path.exists(path) else set()


class Cases:
    def __init__(self, script: str, independent: bool = True):
        self.script = script
        self.full = "--full" in sys.argv
        self.wanted = re.compile(os.environ.get("V2VFS_TEST_CASE", "") if independent else "")
        self.passed = passed_before() if independent else set()
        self.failures = 0
        self.ran = 0

    def run(self, case: str, body, full: bool = False) -> bool:
        """Runs body(); True if it passed."""
        name = f"{self.script}.{case}"
        if (full and not self.full) or not self.wanted.search(case) or name in self.passed:
            return True
        self.ran += 1
        start = time.monotonic()
        try:
            body()
            print(f"PASS {name} {time.monotonic() - start:.1f}", flush=True)
            return True
        except Skip as missing:
            print(f"SKIP {name} {missing}", flush=True)
        except Exception as error:  # whatever it is, the other cases go on
            traceback.print_exc()
            self.failures += 1
            print(f"FAIL {name} {' '.join(str(error).split())[:300] or type(error).__name__}", flush=True)
        return False

    def exit_code(self) -> int:
        if not self.ran:
            return NOTHING_RAN
        return 1 if self.failures else 0


class Steps:
    """Prints the seconds of each step within a case."""

    def __init__(self):
        self.last = time.monotonic()

    def done(self, what: str) -> None:
        now = time.monotonic()
        print(f"    {now - self.last:6.1f} s  {what}", flush=True)
        self.last = now
