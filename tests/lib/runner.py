# SPDX-License-Identifier: MIT
"""tests/run, once everything is installed: build, unit tests, integration scripts, the count."""
import argparse
import os
import pathlib
import re
import sys

from results import FAIL, PASS, SKIP, Journal, Result, commit_of, source_key, update_table
from stages import build, integration_script, lint, unit_tests

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LOGS = PROJECT / "build/test-logs"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds v2vfs and tests it.")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="unit tests of the release build only")
    extent.add_argument("--full", action="store_true", help="every case; resumable; keeps tests/results.md")
    parser.add_argument("filter", nargs="?", default="", help="SCRIPT or SCRIPT.CASE, regular expressions")
    return parser.parse_args()


def wanted_scripts(pattern: str) -> list:
    folder = PROJECT / "tests/integration"
    scripts = [path for path in sorted(folder.glob("*")) if path.suffix in (".sh", ".py")]
    if idle := [path.name for path in scripts if not os.access(path, os.X_OK)]:
        sys.exit(f"tests/run: {', '.join(idle)} in tests/integration cannot be executed and would be left out: chmod +x")
    return [path for path in scripts if re.search(pattern, path.stem)]


def report(results: list, journal: Journal):
    """Gives what a stage calls for each result: shown, counted, remembered."""
    def add(result: Result) -> None:
        results.append(result)
        journal.remember(result)
        if result.shown:
            print(result.line(), flush=True)
    return add


def run_units(arguments: argparse.Namespace, add) -> None:
    """Lint and unit tests. The sanitizers' build is the slower one, so a failure in the plain one is seen before it starts; and
    it is short: with all tests it takes twenty minutes."""
    case = arguments.filter.partition(".")[2]
    if not case:
        lint(LOGS, add)
    targets = {"release": "all"}
    if not arguments.quick:
        targets["asan-ubsan"] = "all" if arguments.full else "parser_tests"
    for preset, target in targets.items():
        if build(preset, LOGS, add, target):
            unit_tests(preset, case, LOGS, add)


def main() -> int:
    arguments = parse_arguments()
    LOGS.mkdir(parents=True, exist_ok=True)
    script_pattern, _, case = arguments.filter.partition(".")
    journal = Journal(source_key(PROJECT) if arguments.full else "", case)
    commit, results = commit_of(PROJECT), []
    add = report(results, journal)
    if re.search(script_pattern, "unit"):
        run_units(arguments, add)
    elif wanted_scripts(script_pattern):
        build("release", LOGS, add)
    whole = set()
    for script in [] if arguments.quick else wanted_scripts(script_pattern):
        integration_script(script, arguments.full, case, journal, LOGS, add)
        whole |= set() if case else {script.stem}
        if arguments.full:
            update_table(PROJECT, commit, results, whole)
    counts = {kind: sum(result.count for result in results if result.kind == kind) for kind in (PASS, FAIL, SKIP)}
    print(f"{counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIP]} skipped")
    return 1 if counts[FAIL] or not results else 0


if __name__ == "__main__":
    sys.exit(main())
