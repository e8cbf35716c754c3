# SPDX-License-Identifier: MIT
"""The stages of tests/run: a build, its unit tests, an integration script. Each writes a log of its own."""
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from cases import NOTHING_RAN
from results import FAIL, PASS, SKIP, Journal, Result, parse_line

PROJECT = pathlib.Path(__file__).resolve().parents[2]
FOLDER_OF = {"release": PROJECT / "build", "asan-ubsan": PROJECT / "build-asan"}
# TCG guests are slow on a loaded machine; a hang is still found within the hour that CI has.
QUICK_SECONDS, FULL_SECONDS = 25 * 60, 4 * 3600


def show_tail(log: pathlib.Path, lines: int = 40) -> None:
    print(f"    the end of {log.relative_to(PROJECT)}:")
    for line in log.read_text(errors="replace").splitlines()[-lines:]:
        print(f"    | {line}")
    sys.stdout.flush()


def logged(argv: list, log: pathlib.Path, **options) -> int:
    with open(log, "a") as out:
        return subprocess.run([str(word) for word in argv], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, **options).returncode


def build(preset: str, logs: pathlib.Path, add, target: str = "all") -> bool:
    """Configures and builds `target`; with ccache where it is there."""
    log, start = logs / f"build-{preset}.log", time.monotonic()
    log.write_text("")
    configure = ["cmake", "--preset", preset]
    if shutil.which("ccache"):
        configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    print(f"building {preset} (log: {log.relative_to(PROJECT)})", flush=True)
    if logged(configure, log) == 0 and logged(["cmake", "--build", FOLDER_OF[preset], "--target", target], log) == 0:
        add(Result(PASS, f"build.{preset}", f"{time.monotonic() - start:.1f}", count=0))
        return True
    add(Result(FAIL, f"build.{preset}", "does not build"))
    show_tail(log)
    return False


def unit_tests(preset: str, case: str, logs: pathlib.Path, add) -> None:
    """ctest, of what was built; passes are counted and summed up in one line, what fails is shown by name with its output."""
    log, junit = logs / f"unit-{preset}.log", logs / f"unit-{preset}.xml"
    log.write_text("")
    junit.unlink(missing_ok=True)
    start = time.monotonic()
    argv = ["ctest", "--test-dir", FOLDER_OF[preset], "-j", str(os.cpu_count()), "--timeout", "600",
            "--output-on-failure", "--output-junit", junit, "-E", "_NOT_BUILT$"] + (["-R", case] if case else [])
    # A shim in front of python3 takes longer than most tests; what runs this one is good for them too.
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    status = logged(argv, log, env={**os.environ, "PATH": path})
    tests = ElementTree.parse(junit).getroot().findall("testcase") if junit.exists() else []
    failed = 0
    for test in tests:
        name, seconds = f"unit-{preset}.{test.get('name')}", f"{float(test.get('time', 0)):.1f}"
        if test.get("status") == "run":
            add(Result(PASS, name, seconds, shown=False))
        elif test.get("status") == "fail":
            failed += 1
            add(Result(FAIL, name, (test.find("failure").get("message") or "failed").strip()))
        else:
            add(Result(SKIP, name, (test.findtext("skipped") or test.findtext("system-out") or "").strip()[:200]))
    print(f"unit tests, {preset}: {len(tests)} in {time.monotonic() - start:.1f} s", flush=True)
    if status != 0 and failed == 0:
        add(Result(FAIL, f"unit-{preset}", f"ctest ended with {status}"))
    if status != 0:
        show_tail(log)


def lint(logs: pathlib.Path, add) -> None:
    """tests/lint: each program is a case; it ends with 0 if the sources keep its rules."""
    for program in sorted((PROJECT / "tests/lint").glob("*.py")):
        log, start = logs / f"lint-{program.stem}.log", time.monotonic()
        log.write_text("")
        if logged([sys.executable, "-B", program], log) == 0:
            add(Result(PASS, f"lint.{program.stem}", f"{time.monotonic() - start:.1f}"))
        else:
            add(Result(FAIL, f"lint.{program.stem}", "rules broken"))
            show_tail(log)


def run_script(argv: list, seconds: int, environment: dict, log: pathlib.Path, on_line) -> int:
    """Runs a script in a process group of its own; each line goes to the log and to on_line. -1: out of time."""
    deadline = time.monotonic() + seconds
    with open(log, "w") as out, subprocess.Popen(
            ["timeout", "--kill-after=60", str(seconds), *map(str, argv)], cwd=PROJECT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment) as child:
        for line in child.stdout:
            out.write(line)
            out.flush()
            on_line(line.rstrip("\n"))
    return -1 if time.monotonic() >= deadline else child.returncode


def integration_script(script: pathlib.Path, full: bool, case: str, journal: Journal, logs: pathlib.Path, add) -> None:
    """Runs one script of tests/integration and passes its cases on.

    A script that prints no case is one case itself, by its exit status; one none of whose cases is wanted is none.
    """
    name = script.stem
    if journal.finished(name):
        for result in journal.of_script(name):
            add(result)
        print(f"{name}: passed before on the same sources", flush=True)
        return
    log, start, said = logs / f"{name}.log", time.monotonic(), []
    earlier = [] if case else journal.of_script(name)

    def on_line(line: str) -> None:
        result = parse_line(line)
        if result:
            said.append(result)
            add(result)

    environment = {**os.environ, "V2VFS_TEST_CASE": case, "V2VFS_DAEMON": str(FOLDER_OF["release"] / "v2vfs")}
    passed = logs / f"{name}.passed"
    passed.write_text("".join(result.name + "\n" for result in earlier))
    environment["V2VFS_TEST_PASSED"] = str(passed)
    interpreter = [sys.executable, "-B"] if script.suffix == ".py" else ["bash"]
    status = run_script(interpreter + [script, "--full" if full else "--quick"],
                        FULL_SECONDS if full else QUICK_SECONDS, environment, log, on_line)
    seen = {result.name for result in said}
    for result in earlier:
        if result.name not in seen:
            add(result)
    if status == NOTHING_RAN and not said:
        if not earlier:
            print(f"{name}: no case of it is wanted here", flush=True)
            return
        status = 0
    if status != 0 and not any(result.kind == FAIL for result in said):
        add(Result(FAIL, name, "out of time" if status == -1 else f"ended with {status}"))
    elif status == 0 and not said and not earlier and not case:
        add(Result(PASS, name, f"{time.monotonic() - start:.1f}"))
    if status != 0:
        show_tail(log)
    elif not any(result.kind == SKIP for result in said):
        journal.finish(name)
