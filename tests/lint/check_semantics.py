#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each paragraph of SEMANTICS.md is quoted by a test that would fail if it became untrue, and each quotation is in it.

  check_semantics.py [--list] [ROOT]

A test quotes by a comment of its own, above it or behind the line that it begins with:

  // SEMANTICS: "decisive words of the paragraph"        in C++
  # SEMANTICS: "decisive words of the paragraph"         in Python and shell

The words are compared with white space collapsed and backticks kept, and occur in one paragraph only. A paragraph is a
list's item, a table's row, an indented block or a block of prose. Prints one line per breach and returns 1 if there is
one; --list prints each paragraph with the tests that quote it.
"""

import argparse
import collections
import pathlib
import re
import sys

SHORTEST_QUOTATION = 12  # characters: fewer decide nothing

# Paragraphs that no test can show, by words of theirs, and why.
EXEMPT = {
    "do not change without an entry in [CHANGES.md](CHANGES.md)": "of the project's history, not of a build",
}
MOST_EXEMPT = 5

TESTS = ("tests/unit", "tests/integration")
COMMENTS = {".cpp": "//", ".py": "#", ".sh": "#"}
TABLE_RULE = re.compile(r"^\|[\s:|-]+\|$")

Paragraph = collections.namedtuple("Paragraph", "line text")
Quotation = collections.namedtuple("Quotation", "place words")


def collapsed(text):
    return " ".join(text.split())


def starts_paragraph(line, before):
    """A line that begins another paragraph than the line before it."""
    return not before.strip() or line.startswith(("- ", "|")) or before.startswith("#")


def paragraphs(text):
    found, before = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if TABLE_RULE.match(line):
            found.pop()  # what the columns are called
        elif not line.strip() or line.startswith("#"):
            pass
        elif starts_paragraph(line, before):
            found.append(Paragraph(number, collapsed(line)))
        else:
            found[-1] = Paragraph(found[-1].line, f"{found[-1].text} {collapsed(line)}")
        before = line
    return found


def test_files(root):
    for folder in TESTS:
        yield from (path for path in sorted((root / folder).rglob("*")) if path.suffix in COMMENTS)


def quotations(root):
    """(quotations, breaches): one that the pattern does not take would be lost without a word."""
    found, breaches = [], []
    for path in test_files(root):
        mark = COMMENTS[path.suffix]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "SEMANTICS: " not in line:
                continue
            place = f"{path.relative_to(root)}:{number}"
            quoted = re.search(rf'(?:^|\s){mark} SEMANTICS: "([^"]+)"$', line)
            if quoted:
                found.append(Quotation(place, collapsed(quoted[1])))
            else:
                breaches.append(f'{place}: a quotation is `{mark} SEMANTICS: "words"`, to the end of its line')
    return found, breaches


def check_quotation(quotation, found):
    if len(quotation.words) < SHORTEST_QUOTATION:
        return f"{quotation.place}: {quotation.words!r} is too short to decide anything"
    having = [paragraph for paragraph in found if quotation.words in paragraph.text]
    if not having:
        return f"{quotation.place}: SEMANTICS.md does not say {quotation.words!r}"
    if len(having) > 1:
        lines = ", ".join(str(paragraph.line) for paragraph in having)
        return f"{quotation.place}: {quotation.words!r} is in several paragraphs of SEMANTICS.md (lines {lines})"
    return None


def check_exemptions(exempt, found, quoted):
    if len(exempt) > MOST_EXEMPT:
        yield f"{len(exempt)} paragraphs are exempt: more than {MOST_EXEMPT}"
    for words in exempt:
        having = [paragraph for paragraph in found if words in paragraph.text]
        if len(having) != 1:
            yield f"the exempt paragraph with {words!r} is in SEMANTICS.md {len(having)} times"
        elif having[0] in quoted:
            yield f"SEMANTICS.md:{having[0].line}: is quoted by {quoted[having[0]][0]}, and need not be exempt"


def check(root, exempt):
    """(places by paragraph, breaches)"""
    found = paragraphs((root / "SEMANTICS.md").read_text(encoding="utf-8"))
    quotes, breaches = quotations(root)
    breaches += filter(None, (check_quotation(quotation, found) for quotation in quotes))
    quoted = {}
    for paragraph in found:
        if places := [quotation.place for quotation in quotes if quotation.words in paragraph.text]:
            quoted[paragraph] = places
    breaches += check_exemptions(exempt, found, quoted)
    for paragraph in found:
        if paragraph not in quoted and not any(words in paragraph.text for words in exempt):
            breaches.append(f"SEMANTICS.md:{paragraph.line}: no test quotes {paragraph.text[:100]!r}")
    return {paragraph: quoted.get(paragraph, []) for paragraph in found}, breaches


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()

    quoted, breaches = check(options.root, EXEMPT)
    for paragraph, places in quoted.items() if options.list else []:
        print("\n".join([f"SEMANTICS.md:{paragraph.line}: {paragraph.text[:100]}", *(f"    {place}" for place in places)]))
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
