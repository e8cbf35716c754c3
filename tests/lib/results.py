# SPDX-License-Identifier: MIT
"""What the cases said: one line each, remembered for a run that continues, and as a table."""
import dataclasses
import datetime
import hashlib
import os
import pathlib
import platform
import re
import subprocess

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"
LINE = re.compile(r"^(PASS|FAIL|SKIP) (\S+) ?(.*)$")


@dataclasses.dataclass
class Result:
    kind: str
    name: str
    about: str          # seconds, reason, or what is missing
    shown: bool = True  # a unit test that passes is counted, not shown
    count: int = 1      # 0 for what is no test, as a build that went well

    @property
    def remembered(self) -> bool:
        return self.shown and self.count > 0

    def line(self) -> str:
        return f"{self.kind} {self.name} {self.about}".rstrip()


def parse_line(text: str):
    """The result that a line of an integration script is, or None."""
    match = LINE.match(text)
    return Result(*match.groups()) if match else None


def git(project: pathlib.Path, *words: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(project), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def source_key(project: pathlib.Path) -> str:
    """Names the sources as they are, changes that are not committed too; empty without git.

    tests/results.md is left out: it is written by the run itself.
    """
    tree = git(project, "ls-tree", "-r", "HEAD", "--", ".")
    if not tree:
        return ""
    tree = b"\n".join(line for line in tree.splitlines() if not line.endswith(b"\ttests/results.md"))
    changes = git(project, "diff", "HEAD", "--", ".", ":!tests/results.md")
    new = git(project, "ls-files", "-o", "--exclude-standard")
    for name in new.decode().splitlines():
        changes += name.encode() + (project / name).read_bytes()
    return hashlib.sha256(tree + changes).hexdigest()[:16]


class Journal:
    """The cases that passed on these sources; a run of --full that was stopped goes on behind them."""

    def __init__(self, key: str, case_filter: str):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = pathlib.Path(os.environ.get("V2VFS_TEST_CACHE") or os.path.join(cache, "v2vfs-tests")) / "passed"
        self.path = folder / key if key else None
        self.whole = not case_filter  # a script was not run whole if its cases were filtered
        self.results = {}
        if self.path and self.path.exists():
            lines = [parse_line(line) for line in self.path.read_text().splitlines()]
            self.results = {result.name: result for result in lines if result}

    def remember(self, result: Result) -> None:
        """Keeps a pass of an integration script; unit tests are quick enough to run again."""
        if self.path and result.kind == PASS and result.remembered and result.name not in self.results:
            self.results[result.name] = result
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as file:
                file.write(result.line() + "\n")

    def of_script(self, script: str) -> list:
        """What is remembered of a script's own cases; one without cases is one itself."""
        return [result for name, result in self.results.items() if name.partition(".")[0] == script]

    def finish(self, script: str) -> None:
        """Every case of the script passed: the next run need not start it."""
        if self.whole:
            self.remember(Result(PASS, f"whole/{script}", "-"))

    def finished(self, script: str) -> bool:
        return f"whole/{script}" in self.results


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} CPUs, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def write_table(project: pathlib.Path, results: list, seconds: float) -> None:
    commit = git(project, "rev-parse", "--short=12", "HEAD").decode().strip() or "unknown"
    if git(project, "status", "--porcelain", "--", ".", ":!tests/results.md"):
        commit += " with changes"
    counts = {kind: sum(result.count for result in results if result.kind == kind) for kind in (PASS, FAIL, SKIP)}
    lines = ["# Results of `tests/run --full`", "",
             f"Commit {commit}, {datetime.date.today().isoformat()}, {machine()}, {seconds / 60:.0f} minutes: "
             f"{counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIP]} skipped.", "",
             "| Case | Result | Seconds, reason or what is missing |", "| --- | --- | --- |"]
    order = {FAIL: 0, SKIP: 1, PASS: 2}
    for result in sorted((result for result in results if result.count), key=lambda one: order[one.kind]):
        about = result.about.replace("|", "\\|")
        lines.append(f"| {result.name} | {result.kind} | {about} |")
    (project / "tests/results.md").write_text("\n".join(lines) + "\n")
