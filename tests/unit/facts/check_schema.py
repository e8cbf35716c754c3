#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_schema.py SCHEMA JSON...: each JSON is valid, and has no key that the schema does not know."""

import json
import sys

import jsonschema


def unknown_keys(schema, value, where):
    if isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            known = schema["properties"].get(key)
            if known is None and where != "/source":
                yield f"{where}/{key}"
            elif known is not None:
                yield from unknown_keys(known, inner, f"{where}/{key}")
    elif isinstance(value, list) and "items" in schema:
        for inner in value:
            yield from unknown_keys(schema["items"], inner, where + "[]")


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    failures = 0
    for path in sys.argv[2:]:
        value = json.load(open(path, encoding="utf-8"))
        breaches = [f"{'/'.join(map(str, e.path))}: {e.message}"
                    for e in jsonschema.Draft7Validator(schema).iter_errors(value)]
        breaches += [f"{key}: not in the schema" for key in sorted(set(unknown_keys(schema, value, "")))]
        for breach in breaches:
            print(f"{path}: {breach}")
        failures += len(breaches)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
