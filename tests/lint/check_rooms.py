#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what the house rules say of the tree as a whole; ARCHITECTURE.md gives the reasons.

  check_rooms.py [--sizes] [--words FILE] [ROOT]

Prints one line per breach and returns 1 if there is one. --sizes prints the largest files and functions
as well. FILE holds regular expressions, one a line, that match nowhere in the tree or in a commit message.
"""

import argparse
import fnmatch
import pathlib
import re
import subprocess
import sys

LONGEST_FILE = 500
LONG_FUNCTION = 40

# A room may include from itself and from the rooms behind it. The longest prefix of a file's path counts.
ROOMS = {
    "inspect/base/": ["inspect/base/"],
    "inspect/": ["inspect/"],
    "convert/disk/": ["convert/disk/", "inspect/"],
    "convert/domain/": ["convert/domain/", "convert/guest/", "inspect/"],
    "convert/guest/": ["convert/guest/", "inspect/"],
    "convert/": ["convert/", "inspect/"],
    "fs/overlay/": ["fs/overlay/", "inspect/"],
    "fs/": ["fs/", "convert/", "inspect/"],
    # They talk to a mount by its files; of the daemon they take how errors and foreign text are said.
    "mount-helpers/": ["mount-helpers/", "inspect/base/digest.h", "inspect/base/error.h", "inspect/base/text.h",
                       "inspect/base/unique_fd.h", "inspect/base/unmount.h"],
}

# What the rooms in front may include of a room: its doors. Rooms that are not named are all door.
DOORS = {
    "convert/disk/": ["disk_view.h"],
    "convert/domain/": ["domain_xml.h", "host.h", "kvm_probe.h"],
    "convert/guest/": ["apply_edits.h", "capabilities.h", "conversion_json.h", "conversion_plan.h", "convert_guest.h", "capabilities_json.h",
                       "guest_edit.h", "linux_traces.h", "mount_to_write.h",
                       "plan_edits.h"],
    "fs/overlay/": ["base_image.h", "io.h", "overlay_store.h", "run_record.h", "staged_disk.h", "staging.h"],
    "inspect/source/": ["folder_names.h", "manifest.h", "source.h", "source_file.h", "spec_words.h", "*_json.h", "*_report.h"],
}

# Headers of a library: the files that may include them. Whatever is not named is free.
LIBRARIES = {
    r"fuse": ["fs/fuse_*", "tests/support/bare_fuse.cpp"],
    r"libvirt/": ["inspect/source/libvirt_connection.*", "mount-helpers/ctl/libvirt_host.cpp"],
    r"guestfs\.h": ["inspect/guest/guestfs_*"],
    r"libnbd\.h": ["convert/disk/nbd_connection.cpp"],
    r"pugi(xml|config)\.hpp": ["inspect/source/*", "convert/domain/*", "mount-helpers/ctl/domain_file.cpp",
                              "inspect/guest/inspection_xml.cpp", "tests/*"],
    r"nlohmann/": ["*_json.cpp", "*_json.h", "tests/*"],
    r"libdeflate\.h": ["inspect/base/deflate.cpp"],
    r"openssl/": ["inspect/base/digest.cpp", "inspect/base/signature.cpp", "tests/*"],
    r"spdlog/": ["inspect/base/log.cpp"],
    r"CLI/": ["fs/options*", "fs/main.cpp", "mount-helpers/*", "tests/*"],
    r"zlib\.h": ["inspect/base/inflate_stream.cpp", "tests/*"],
    r"(bzlib|lz4|zstd)\.h": ["inspect/guest/stream_decoder.cpp", "tests/*"],
    r"lzma\.h": ["inspect/base/xz_stream.cpp", "tests/*"],
    r"re2/": ["inspect/guest/file_contexts.cpp", "tests/*"],
    r"dtl/": ["convert/guest/text_diff.cpp"],
    r"(gtest|gmock|benchmark)/": ["tests/*"],
}

# Calls of a library: the files that may make them.
CALLS = {
    # libguestfs's own inspection is the referee in tests; private calls have no promise.
    r"\bguestfs_(inspect|internal)_\w+": ["inspect/guest/guestfs_rpm.cpp"],
    # They run programs of the guest.  SEMANTICS: "No program of the guest is executed, but with `initramfs=rebuild`."
    r"\bguestfs_command\b": ["inspect/guest/guestfs_program.cpp"],
    r"\brun_program\b": ["inspect/guest/guest.h", "inspect/guest/guest_client.*", "inspect/guest/guest_wire.h", "inspect/guest/guestfs_guest.h",
                         "inspect/guest/guestfs_program.cpp", "convert/guest/rebuild_initrds.cpp", "tests/*"],
    r"\bguestfs_(sh|sh_lines|sh_out|grub_install|command_lines|command_out)\b": [],
}

CODE = {".h", ".cpp", ".inc"}
WITH_SPDX = CODE | {".py", ".sh", ".cmake"}
# Formats of others, kept as they are: no rule but the size of text is about them.
DATA = {".xml", ".ovf", ".ova", ".mf", ".vmdk", ".vmx", ".json", ".bin", ".img", ".md"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Folders of the machine somebody works on. Tests name folders of their guests.
HOST_PATH = re.compile(r"(?<![\w.$})>*/-])/(root|home|work)/\w")
HOST_PATH_IN_TESTS = re.compile(r"(?<![\w.$})>*/-])/work/\w")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def tree(root):
    """Files of the project: what git knows and what it would add; all files where there is no git."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        return sorted(name for name in listing.stdout.decode().split("\0")
                      if name and (root / name).is_file())
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def room_of(path):
    inside = [room for room in ROOMS if path.startswith(room)]
    return max(inside, key=len) if inside else None


def check_direction(path, target):
    room = room_of(path)
    if room is None or room_of(target) is None:
        return None
    if not any(target.startswith(allowed) for allowed in ROOMS[room]):
        return f"{room} does not include {target}"
    return None


def check_door(path, target):
    for room, doors in DOORS.items():
        outside = room_of(path) is not None and not path.startswith(room)
        if outside and target.startswith(room) and not matches(target[len(room):], doors):
            return f"{target} is no door of {room}"
    return None


def check_library(path, target):
    for library, places in LIBRARIES.items():
        if re.match(library, target) and not matches(path, places):
            return f"<{target}> belongs in {', '.join(places)}"
    return None


def check_includes(path, lines):
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if not include:
            continue
        quoted, target = include.group(1) == '"', include.group(2)
        if quoted and "/" not in target:
            yield number, f'"{target}" is not written from the project\'s root'
        checks = [check_direction, check_door] if quoted else [check_library]
        for breach in filter(None, (check(path, target) for check in checks)):
            yield number, breach


def check_calls(path, lines):
    for pattern, places in CALLS.items():
        if matches(path, places):
            continue
        for number, line in enumerate(lines, 1):
            if call := re.search(pattern, line):
                yield number, f"{call.group(0)} belongs {'in ' + ', '.join(places) if places else 'nowhere'}"


def check_spdx(path, lines):
    if pathlib.Path(path).suffix not in WITH_SPDX and pathlib.Path(path).name != "CMakeLists.txt":
        return
    first = 1 if lines and lines[0].startswith("#!") else 0
    if len(lines) <= first or "SPDX-License-Identifier: MIT" not in lines[first]:
        yield first + 1, "no SPDX-License-Identifier: MIT"


def check_header(path, lines):
    if path.endswith(".h") and "#pragma once" not in lines:
        yield 1, "no #pragma once"


def check_size(path, lines):
    if len(lines) > LONGEST_FILE:
        yield len(lines), f"{len(lines)} lines: more than {LONGEST_FILE}"


def check_paths(path, lines):
    pattern = HOST_PATH_IN_TESTS if path.startswith("tests/") else HOST_PATH
    yield from check_words(path, lines, [("path of a machine", pattern)])


def check_words(_, lines, words):
    for number, line in enumerate(lines, 1):
        for what, pattern in words:
            if found := pattern.search(line):
                yield number, f"{what}: {found.group(0)}"


def check_file(root, path, words):
    try:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    suffix = pathlib.Path(path).suffix
    is_data = suffix in DATA or "/seeds/" in path
    checks = [] if is_data else [check_size, check_spdx]
    if suffix in CODE:
        checks += [check_includes, check_calls, check_header]
    for check in checks:
        yield from check(path, lines)
    yield from check_paths(path, lines)
    yield from check_words(path, lines, words)


def check_messages(root, words):
    log = subprocess.run(["git", "-C", root, "log", "--format=%h%x00%B%x01"], capture_output=True,
                         check=False)
    for entry in log.stdout.decode(errors="replace").split("\x01"):
        commit, _, message = entry.strip().partition("\0")
        for _, breach in check_words("", message.splitlines(), words):
            yield f"commit {commit}: {breach}"


def functions(lines):
    """(lines, first line, name) of each function as clang-format lays it out."""
    start = None
    for number, line in enumerate(lines, 1):
        opens = re.match(r"^( *)([^ #/}:].*)\{$", line)
        if start is None and opens and not re.match(r"(namespace|class|struct|enum|union)\b", opens.group(2)):
            start = (number, opens.group(1), opens.group(2).strip())
        elif start is not None and re.match(rf"^{start[1]}\}}", line):
            yield number - start[0] + 1, start[0], start[2]
            start = None


def report_sizes(root, paths):
    code = {path: (root / path).read_text(encoding="utf-8").splitlines()
            for path in paths if pathlib.Path(path).suffix in CODE}
    print("largest files:")
    for path in sorted(code, key=lambda p: -len(code[p]))[:10]:
        print(f"  {len(code[path]):5} {path}")
    print(f"functions above {LONG_FUNCTION} lines:")
    found = [(size, path, line, name) for path, lines in code.items()
             for size, line, name in functions(lines) if size > LONG_FUNCTION]
    for size, path, line, name in sorted(found, reverse=True):
        print(f"  {size:5} {path}:{line}: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--words", type=pathlib.Path)
    parser.add_argument("root", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    given = options.words.read_text(encoding="utf-8").splitlines() if options.words else []
    words = [("word", re.compile(word, re.IGNORECASE)) for word in given if word]
    own = str(pathlib.Path(__file__).name)
    breaches = []
    paths = tree(options.root)
    for path in paths:
        unfinished = [] if path.endswith(own) else [("unfinished", UNFINISHED)]
        for number, breach in check_file(options.root, path, words + unfinished):
            breaches.append(f"{path}:{number}: {breach}")
    breaches += check_messages(options.root, words + [("path of a machine", HOST_PATH)])
    if options.sizes:
        report_sizes(options.root, paths)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
