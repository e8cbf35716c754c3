# SPDX-License-Identifier: MIT
"""Taking samples of contenders in turn, and comparing their medians with goals."""
import dataclasses
import json
import pathlib
import statistics
import subprocess
import time
import typing

# A bench may run on a loaded machine: a goal missed is told; a time this many times over its goal is a failure.
# Ratios never are one: two runs of half a second may meet very different moments of the same machine.
SLACK = 10


@dataclasses.dataclass
class Row:
    """One line of the table: the median of `top`, divided by that of `bottom` if there is one."""
    about: str
    top: str
    bottom: str = ""
    at_most: float = 0
    at_least: float = 0
    slack: float = SLACK

    def value(self, medians: dict) -> float:
        return medians[self.top] / (medians[self.bottom] if self.bottom else 1)

    def goal(self, unit: str) -> str:
        unit = "x" if self.bottom else f" {unit}"
        if self.at_most:
            return f"<= {self.at_most:g}{unit}"
        return f">= {self.at_least:g}{unit}" if self.at_least else "-"

    def holds(self, value: float, slack: float = 1) -> bool:
        return not ((self.at_most and value > self.at_most * slack) or (self.at_least and value < self.at_least / slack))

    def verdict(self, value: float) -> str:
        if not self.at_most and not self.at_least:
            return "-"
        if self.holds(value):
            return "met"
        return "missed" if self.bottom or self.holds(value, self.slack) else "FAILED"


@dataclasses.dataclass
class Result:
    row: Row
    unit: str
    samples: dict  # of each contender, in `unit`
    medians: dict = dataclasses.field(init=False)

    def __post_init__(self):
        self.medians = {name: statistics.median(values) for name, values in self.samples.items()}

    @property
    def value(self) -> float:
        return self.row.value(self.medians)

    @property
    def verdict(self) -> str:
        return self.row.verdict(self.value)

    def as_json(self) -> dict:
        used = [name for name in (self.row.top, self.row.bottom) if name]
        return {"about": self.row.about, "value": self.value, "goal": self.row.goal(self.unit), "verdict": self.verdict,
                "unit": self.unit, "samples": {name: self.samples[name] for name in used}}


def in_turn(contenders: dict, rounds: int) -> dict:
    """Samples of each; every other round goes through them backwards, so that none always profits from its place."""
    samples = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(contenders[name]())
    return samples


def run(*argv, **options) -> str:
    words = [str(word) for word in argv]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **options)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def seconds_of(*argv) -> float:
    start = time.monotonic()
    run(*argv)
    return time.monotonic() - start


def writer(out: pathlib.Path, *argv, last: str = "") -> typing.Callable:
    """Times a command whose last argument, behind `last`, is a new file; removing that is not timed."""
    def sample() -> float:
        taken = seconds_of(*argv, f"{last}{out}")
        out.unlink()
        return taken
    return sample


def random_reads(block: int, depth: int, seconds: float, span: tuple, *target) -> typing.Callable:
    """Reads a second at random places of `span` (offset, bytes), by fio; `target` are its words for what is read."""
    argv = ["fio", "--output-format=json", "--name=bench", "--rw=randread", f"--bs={block}", f"--iodepth={depth}",
            f"--offset={span[0]}", f"--size={span[1]}", "--time_based", f"--runtime={int(seconds * 1000)}ms", "--ramp_time=200ms",
            "--norandommap", "--invalidate=0", *target]

    def sample() -> float:
        out = run(*argv)  # the nbd engine says a line first
        return json.loads(out[out.index("{"):])["jobs"][0]["read"]["iops"]
    return sample
