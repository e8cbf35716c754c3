#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of check_semantics.py is broken once, in a tree of its own, and must be seen."""

import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import check_semantics  # noqa: E402

MARK = "SEMAN" + "TICS: "  # not of this file
TEXT = """# What you may rely on

Names stay what they are.

    MOUNTPOINT/<vm>/  disk.qcow2
                      snapshots/

## The tree
- A source is never
  written.
- `reset` drops what was written.

| Word | Meaning |
|:-----|---------|
| `freeze` | nobody writes any more |

Prose behind a table, and
its second line.
"""
QUOTED = {
    "tests/unit/fs/a_test.cpp": ["is never written.", "`reset` drops what", "disk.qcow2 snapshots/"],
    "tests/integration/b.py": ["`freeze` | nobody writes"],
    "tests/integration/c.sh": ["Prose behind a table, and its second"],
}
EXEMPT = {"Names stay what they are": "a reason"}


def comment(name: str, words: str) -> str:
    mark = "//" if name.endswith(".cpp") else "#"
    return f'{mark} {MARK}"{words}"\n'


def good_tree() -> dict:
    tree = {"SEMANTICS.md": TEXT}
    for name, quotes in QUOTED.items():
        tree[name] = "".join(comment(name, words) for words in quotes) + "code\n"
    return tree


def breaches(tree: dict, exempt: dict) -> list:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in tree.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return check_semantics.check(root, exempt)[1]


def without(name: str, words: str) -> dict:
    tree = good_tree()
    tree[name] = tree[name].replace(comment(name, words), "")
    return tree


def added(name: str, text: str) -> dict:
    tree = good_tree()
    tree[name] = tree.get(name, "") + text
    return tree


def bad_trees():
    """(tree, exemptions, a part of what must come out)"""
    for name, quotes in QUOTED.items():
        for words in quotes:
            yield without(name, words), EXEMPT, "no test quotes"
    yield good_tree(), {}, "no test quotes 'Names stay"
    new = "tests/unit/new_test.cpp"
    yield added(new, comment(new, "is always written.")), EXEMPT, f"{new}:1: SEMANTICS.md does not say"
    yield added(new, comment(new, "reset drops what")), EXEMPT, "does not say 'reset drops what'"  # backticks are kept
    yield added(new, comment(new, "written")), EXEMPT, "too short"
    yield added("SEMANTICS.md", "- It is never written.\n"), EXEMPT, "is in several paragraphs"
    for wrong in (f'// {MARK}is never written.\n', f'// {MARK}"is never\n', f'/* {MARK}"is never written." */\n',
                  f'x = 1;//{MARK}"is never written."\n'):
        yield added(new, wrong), EXEMPT, "a quotation is `// "
    yield good_tree(), {**EXEMPT, "Names that are gone": "a reason"}, "is in SEMANTICS.md 0 times"
    yield good_tree(), {**EXEMPT, "is never written": "a reason"}, "need not be exempt"
    many = {f"Paragraph number {i} of many": "a reason" for i in range(6)}
    yield added("SEMANTICS.md", "".join(f"- {words}.\n" for words in many)), {**many}, "more than 5"


def main():
    failures, count = [], 2
    for tree in (good_tree(), added("tests/unit/new_test.cpp", f'TEST(A, b) {{  // {MARK}"is never written."\n')):
        if found := breaches(tree, EXEMPT):
            failures.append(f"a good tree: {found}")
    for tree, exempt, part in bad_trees():
        count += 1
        found = breaches(tree, exempt)
        if not any(part in breach for breach in found):
            failures.append(f"wanted {part!r}, found {found}")
    print("\n".join(failures) or f"ok   {count} cases")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
