#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What --help says and what the manuals say is the same, both ways; completions offer it; mount.v2vfs knows it.

    manuals.py [--full]
"""
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import mount  # noqa: E402
from cases import Cases, Skip  # noqa: E402
from ctl import CTL, need_ctl  # noqa: E402
from scene import BUILD, expect, need, run  # noqa: E402

HELPERS = mount.PROJECT / "mount-helpers"
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


def manual(name: str) -> str:
    """The source of a page without its markup for bold and underlined."""
    return re.sub(r"\\(.)", r"\1", (HELPERS / "manuals" / f"{name}.scd").read_text()).replace("*", "").replace("\t", " ")


def part(text: str, title: str) -> str:
    return re.search(rf"^# {title}\n(.*?)(?=^# |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def flags(text: str) -> set:
    """Words of definitions: of a line that begins with a flag, those before its explanation."""
    heads = [line.strip() for line in text.splitlines() if line.strip().startswith("-")]
    return {flag for head in heads for flag in FLAG.findall(re.split(r" {2,}", head)[0])}


def program(path: pathlib.Path) -> pathlib.Path:
    if not path.exists():
        raise Skip(f"{path} (not built)")
    return path


def mount_options(text: str) -> set:
    """Names of options for -o as --help lists them: two blanks, the name, perhaps "=VALUE"."""
    listed = text[text.index("Options for -o"):text.index("Exit codes")]
    lines = re.findall(r"^  (\S[^\n]*?)(?:  |$)", listed, re.MULTILINE)
    return {name.split("=")[0].split(" ")[0] for line in lines for name in line.split(", ")}


def v2vfs_flags():
    text = run(program(mount.DAEMON), "--help").text
    declared = flags(text[:text.index("Options for -o")])
    expect(flags(part(manual("v2vfs.8"), "FLAGS")), declared, "flags in v2vfs(8)")


def v2vfs_options():
    declared = mount_options(run(program(mount.DAEMON), "--help").text)
    page = part(manual("v2vfs.8"), "OPTIONS")
    described = set()
    for head in re.findall(r"^(\S[^\n]*)\n ", page, re.MULTILINE):
        described |= {name.split("=")[0] for name in head.split(", ")}
    expect(described, declared, "options in v2vfs(8)")
    completion = (HELPERS / "completions/v2vfs").read_text()
    offered = set(re.search(r"local options=\$'(.*?)'", completion)[1].split(r"\n"))
    expect({name.split("=")[0] for name in offered}, declared, "options that completion offers")


def ctl_commands() -> dict:
    """The commands with their flags."""
    need_ctl()
    text = run(CTL, "--help").text
    listed = re.findall(r"^  ([a-z-]+)  ", text[text.index("Subcommands:"):], re.MULTILINE)
    return {name: flags(run(CTL, name, "--help").text.partition("Options:")[2]) - {"-h", "--help"} for name in listed}


def v2vfsctl_commands():
    page = manual("v2vfsctl.1")
    described = re.findall(r"^([a-z-]+) \[?_", part(page, "COMMANDS"), re.MULTILINE)
    expect(sorted(described), sorted(ctl_commands()), "commands in v2vfsctl(1)")
    for shell in ("v2vfsctl", "_v2vfsctl"):
        completion = (HELPERS / "completions" / shell).read_text().replace(r"\n", " ")
        missing = [name for name in ctl_commands() if not re.search(rf"(?<![\w-]){name}(?![\w-])", completion)]
        expect(missing, [], f"commands that {shell} does not complete")


def v2vfsctl_flags():
    page = manual("v2vfsctl.1")
    common = flags(run(CTL, "--help").text.partition("Subcommands:")[0])
    declared = common.union(*ctl_commands().values())
    expect(flags(part(page, "OPTIONS")), declared, "options in v2vfsctl(1)")
    for name, own in ctl_commands().items():
        line = next(line for line in part(page, "SYNOPSIS").splitlines() if re.search(rf"[ |]{name}[ |]", line))
        for flag in (flag for flag in own if f"[{flag}" not in line and not flag.startswith("--")):
            raise AssertionError(f"SYNOPSIS of v2vfsctl(1): {line!r} lacks {flag}")
        for flag in FLAG.findall(line.partition(name)[2]):
            expect(flag in own, True, f"{flag} of {name} in SYNOPSIS is one of its own")


def mount_helper():
    declared = flags(run(program(BUILD / "mount.v2vfs"), "--help").text)
    described = flags(part(manual("mount.v2vfs.8"), "OPTIONS")) - {"-h", "--help"}
    expect(described, declared, "options in mount.v2vfs(8)")


def sloppy_knows_all():
    """With -s every option of v2vfs is passed on, and no other."""
    helper = program(BUILD / "mount.v2vfs")
    for name in sorted(mount_options(run(program(mount.DAEMON), "--help").text) | {"nodev", "max_read"}):
        said = run(helper, "/src", "/mnt", "-sfv", "-o", f"{name}=x,no-such-option").text
        expect(f"-o {name}=x --" in said, True, f"{name} is passed on: {said}")


def exit_codes():
    """The codes that --help names are those of the pages."""
    for daemon, page in ((mount.DAEMON, "v2vfs.8"), (CTL, "v2vfsctl.1")):
        said = run(program(pathlib.Path(daemon)), "--help").text.partition("Exit codes:")[2].partition("Of --check")[0]
        table = re.findall(r"^(?:\[\[|\|) +(\d+)$", part(manual(page), "EXIT STATUS"), re.MULTILINE)
        expect(re.findall(r"(?<![\w])(\d+)(?= [a-z])", said), table, f"exit codes in {page}")


def json_keys():
    """v2vfs-inspection(5) has every key of the schemas' upper levels."""
    page = manual("v2vfs-inspection.5")
    words = set(re.findall(r"[a-z][a-z_]+", page))
    inspection = json.loads((mount.PROJECT / "inspect/guest/inspection.schema.json").read_text())["properties"]
    conversion = json.loads((mount.PROJECT / "convert/guest/conversion.schema.json").read_text())["properties"]
    keys = set(inspection) | set(conversion) | set(inspection["guests"]["items"]["properties"])
    keys |= set(inspection["disks"]["properties"]) | set(conversion["steps"]["items"]["properties"])
    expect(sorted(keys - words), [], "keys that v2vfs-inspection(5) does not have")


def pages_are_pages():
    need("scdoc", "man")
    for source in sorted((HELPERS / "manuals").glob("*.scd")):
        done = run("sh", "-c", f"scdoc < '{source}' | man --warnings -l - > /dev/null", env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80"})
        expect(done.text, "", f"warnings of {source.name}")


def completions():
    """bash completes commands, flags and what is mounted."""
    need("bash")
    script = (f". '{HELPERS}/completions/v2vfsctl'; COMP_WORDS=(v2vfsctl %s); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _v2vfsctl; "
              "printf '%%s\\n' \"${COMPREPLY[@]}\"")
    expect(run("bash", "-c", script % "ex").text, "export", "v2vfsctl ex<Tab>")
    expect(run("bash", "-c", script % "export --v").text, "--verify", "v2vfsctl export --v<Tab>")
    expect(run("bash", "-c", script % "-q umount --f").text, "--force", "v2vfsctl -q umount --f<Tab>")
    expect(set(run("bash", "-c", script % "con").text.split()), {"convert"}, "v2vfsctl con<Tab>")
    daemon = (f". '{HELPERS}/completions/v2vfs'; compopt() {{ :; }}; COMP_LINE='v2vfs -o ro,%s'; COMP_WORDS=(v2vfs -o ro,%s); COMP_CWORD=2; "
              "_v2vfs; printf '%%s\\n' \"${COMPREPLY[@]}\"")
    expect(run("bash", "-c", daemon % ("eph", "eph")).text, "ro,ephemeral", "v2vfs -o ro,eph<Tab>")
    expect(run("bash", "-c", daemon % ("verify=g", "verify=g")).text, "grain", "v2vfs -o ro,verify=g<Tab>")


def main() -> int:
    cases = Cases("manuals")
    cases.run("v2vfs-flags", v2vfs_flags)
    cases.run("v2vfs-options", v2vfs_options)
    cases.run("v2vfsctl-commands", v2vfsctl_commands)
    cases.run("v2vfsctl-flags", v2vfsctl_flags)
    cases.run("mount-helper", mount_helper)
    cases.run("sloppy-knows-all", sloppy_knows_all)
    cases.run("exit-codes", exit_codes)
    cases.run("json-keys", json_keys)
    cases.run("pages-are-pages", pages_are_pages)
    cases.run("completions", completions)
    return cases.exit_code()


if __name__ == "__main__":
    sys.exit(main())
