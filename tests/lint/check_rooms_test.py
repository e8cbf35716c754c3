#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of check_rooms.py is broken once, in a tree of its own, and must be seen."""

import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("check_rooms.py")
SPDX = "// SPDX-License-Identifier: MIT\n"

GOOD = {
    "convert/disk/runs.cpp": SPDX + '#include "inspect/base/error.h"\n',
    "fs/vm.cpp": SPDX + '#include <fmt/core.h>\n#include "convert/disk/disk_view.h"\n',
    "fs/fuse_ops.cpp": SPDX + "#include <fuse3/fuse_lowlevel.h>\n",
    "inspect/source/ovf.cpp": SPDX + "#include <pugixml.hpp>\n",
    "inspect/model_json.cpp": SPDX + "#include <nlohmann/json.hpp>\n",
    "mount-helpers/ctl/a.cpp": SPDX + '#include "inspect/base/error.h"\n#include "mount-helpers/ctl/b.h"\n',
    "convert/runs.h": SPDX + "#pragma once\n",
    "tests/run": "#!/bin/bash\n# a guest's $ROOT/home/user is no path of this machine\n",
    "tests/guests/make.sh": "#!/bin/bash\n# SPDX-License-Identifier: MIT\ntype 'cat /root/note /home/user/x'\n",
    "tests/x_test.cpp": SPDX + '#include <zlib.h>\n#include "fs/overlay/journal.h"\n',
}

# What is added to the good tree, and a part of the line that must come out.
BAD = [
    ("inspect/a.cpp", '#include "convert/disk/disk_view.h"\n', "inspect/ does not include"),
    ("inspect/base/a.cpp", '#include "inspect/model.h"\n', "inspect/base/ does not include"),
    ("convert/a.cpp", '#include "fs/vm.h"\n', "convert/ does not include"),
    ("convert/disk/a.cpp", '#include "convert/domain/domain_xml.h"\n', "convert/disk/ does not"),
    ("fs/overlay/a.cpp", '#include "convert/disk/disk_view.h"\n', "fs/overlay/ does not include"),
    ("mount-helpers/a.cpp", '#include "inspect/base/log.h"\n', "mount-helpers/ does not include"),
    ("mount-helpers/ctl/a.cpp", '#include "fs/status_json.h"\n', "mount-helpers/ does not include"),
    ("fs/a.cpp", '#include "mount-helpers/ctl/human.h"\n', "fs/ does not include"),
    ("fs/a.cpp", '#include "convert/disk/runs.h"\n', "is no door of convert/disk/"),
    ("fs/a.cpp", '#include "convert/domain/drive_plan.h"\n', "is no door of convert/domain/"),
    ("convert/a.cpp", '#include "inspect/source/ovf.h"\n', "is no door of inspect/source/"),
    ("fs/a.cpp", '#include "vm.h"\n', "not written from the project's root"),
    ("fs/tree.cpp", "#include <fuse3/fuse.h>\n", "<fuse3/fuse.h> belongs in"),
    ("fs/a.cpp", "#include <libvirt/libvirt.h>\n", "<libvirt/libvirt.h> belongs in"),
    ("fs/a.cpp", "#include <guestfs.h>\n", "<guestfs.h> belongs in"),
    ("fs/a.cpp", "#include <libnbd.h>\n", "<libnbd.h> belongs in"),
    ("convert/disk/a.cpp", "#  include <pugixml.hpp>\n", "<pugixml.hpp> belongs in"),
    ("fs/status.cpp", "#include <nlohmann/json.hpp>\n", "<nlohmann/json.hpp> belongs in"),
    ("convert/disk/a.cpp", "#include <libdeflate.h>\n", "<libdeflate.h> belongs in"),
    ("convert/disk/a.cpp", "#include <openssl/evp.h>\n", "<openssl/evp.h> belongs in"),
    ("fs/a.cpp", "#include <spdlog/spdlog.h>\n", "<spdlog/spdlog.h> belongs in"),
    ("convert/a.cpp", "#include <CLI/CLI.hpp>\n", "<CLI/CLI.hpp> belongs in"),
    ("convert/a.cpp", "#include <zlib.h>\n", "<zlib.h> belongs in"),
    ("convert/a.cpp", "#include <gtest/gtest.h>\n", "<gtest/gtest.h> belongs in"),
    ("inspect/guest/guestfs_a.cpp", "guestfs_inspect_os(g);\n", "guestfs_inspect_os belongs in"),
    ("inspect/guest/guestfs_a.cpp", "guestfs_sh(g, command);\n", "guestfs_sh belongs nowhere"),
    ("inspect/guest/guestfs_a.cpp", "x = ::guestfs_internal_write(g);\n", "guestfs_internal_write belongs in"),
    ("fs/a.h", "int a();\n", "no #pragma once"),
    ("fs/a.cpp", "\n" * 500, "501 lines"),
    ("fs/a.cpp", "// " + "/ho" + "me/somebody/x\n", "path of a machine"),
    ("README.md", "cd /ro" + "ot/project\n", "path of a machine"),
    ("tests/a.sh", "#!/bin/bash\n# SPDX-License-Identifier: MIT\ncd /wo" + "rk/x\n", "path of a machine"),
    ("fs/a.cpp", "// TO" + "DO: later\n", "unfinished: TO" + "DO"),
    ("fs/a.cpp", "// a secret word\n", "word: secret"),
]

BAD_SPDX = [
    ("fs/a.cpp", "int a;\n"),
    ("fs/CMakeLists.txt", "\n"),
    ("tests/a.py", "#!/usr/bin/env python3\nprint()\n"),
    ("tests/a.sh", "#!/bin/bash\n"),
]


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(root, words=("secret",)):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(words))
        file.flush()
        done = subprocess.run([sys.executable, CHECK, "--sizes", "--words", file.name, root],
                              capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def run_with(name=None, text=""):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for good, content in GOOD.items():
            write(root, good, content)
        if name:
            write(root, name, text)
        return run(root)


def run_with_message(message):
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
        return run(pathlib.Path(folder))


def main():
    failures = []

    def expect(what, outcome, code, part=""):
        if outcome[0] != code or part not in outcome[1]:
            failures.append(f"{what}: exit {outcome[0]}, wanted {code} and {part!r} in:\n{outcome[1]}")

    expect("the good tree", run_with(), 0)
    for name, text, part in BAD:
        spdx = SPDX if name.endswith((".h", ".cpp")) else ""
        expect(f"{name} with {text[:50]!r}", run_with(name, spdx + text), 1, part)
    for name, text in BAD_SPDX:
        expect(f"{name} without SPDX", run_with(name, text), 1, "no SPDX")
    expect("a good message", run_with_message("fs: what"), 0)
    expect("a word in a message", run_with_message("fs: what\n\nSecret"), 1, "word: Secret")
    expect("a path in a message", run_with_message("fs: see /ho" + "me/x/y"), 1, "path of a machine")
    long = "int a() {\n" + "  b();\n" * 40 + "}\n"
    expect("a long function", run_with("fs/a.cpp", SPDX + long), 0, "42 fs/a.cpp:2: int a()")
    print("\n".join(failures) or f"ok   {len(BAD) + len(BAD_SPDX) + 5} cases")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
