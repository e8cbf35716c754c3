# SPDX-License-Identifier: MIT
"""What the cases said: one line each, remembered for a run that continues, and as a table."""
import dataclasses
import datetime
import hashlib
import os
import pathlib
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


HEAD = """# Results of `tests/run --full`

Each row says when its case ran last, on which commit, and on a machine with how many CPUs. `tests/run --full` runs all of them again,
`tests/run --full SCRIPT` those of one script.

| Case | Result | Commit | Date | CPUs | Seconds, reason or what is missing |
| --- | --- | --- | --- | --- | --- |
"""


@dataclasses.dataclass
class Row:
    result: Result
    commit: str
    date: str
    cpus: str

    def line(self) -> str:
        about = self.result.about.replace("|", "\\|")
        return f"| {self.result.name} | {self.result.kind} | {self.commit} | {self.date} | {self.cpus} | {about} |\n"


def read_table(path: pathlib.Path) -> dict:
    """The rows that are there, by the case's name."""
    rows = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 6 and cells[1] in (PASS, FAIL, SKIP):
            name, kind, commit, date, cpus, about = cells
            rows[name] = Row(Result(kind, name, about.replace("\\|", "|")), commit, date, cpus)
    return rows


def commit_of(project: pathlib.Path) -> str:
    """Of the sources as they are now; a run takes hours, and somebody may commit meanwhile."""
    commit = git(project, "rev-parse", "--short=12", "HEAD").decode().strip() or "unknown"
    changed = git(project, "status", "--porcelain", "--", ".", ":!tests/results.md")
    return commit + " with changes" if changed else commit


def update_table(project: pathlib.Path, commit: str, results: list, whole: set) -> None:
    """Puts the results into tests/results.md. Of the scripts in `whole`, which ran with all their cases, other rows are old
    cases that are no more."""
    path = project / "tests/results.md"
    rows = {name: row for name, row in read_table(path).items() if name.partition(".")[0] not in whole}
    today, cpus = datetime.date.today().isoformat(), str(os.cpu_count())
    for result in results:
        if result.remembered:
            rows[result.name] = Row(result, commit, today, cpus)
    order = {FAIL: 0, SKIP: 1, PASS: 2}
    ordered = sorted(rows.values(), key=lambda row: (order[row.result.kind], row.result.name))
    path.write_text(HEAD + "".join(row.line() for row in ordered))
