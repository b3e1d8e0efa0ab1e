#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints one header made of those that HEADER includes, each once, in that order.

The result stands alone: C11 and C++17, without the tree's folders.
"""
import pathlib
import re
import sys

OPEN = "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
CLOSE = "\n#ifdef __cplusplus\n}\n#endif\n"


def without_guard(text, path):
    found = re.search(r"^#ifndef (\w+)\n#define \1\n(.*)^#endif[^\n]*\n\Z", text, re.S | re.M)
    if not found:
        sys.exit(f"{path}: no include guard around the whole file")
    return text[:found.start()] + found[2]


def body(path, seen, system):
    """The text of a header, after those of core/ that it includes; <...> lines go to system."""
    if path in seen:
        return ""
    seen.add(path)
    before, rest = "", []
    for line in without_guard(pathlib.Path(path).read_text(), path).splitlines():
        found = re.match(r'#include ([<"])([^>"]+)[>"]', line)
        if found and found[1] == '"':
            before += body(found[2], seen, system)
        elif found:
            system.add(line)
        else:
            rest.append(line)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(rest).strip())
    return before + text.replace("SPDX-License-Identifier: MIT\n", f"{path}\n", 1) + "\n\n"


def main():
    if len(sys.argv) != 2:
        print("usage: tools/public_header.py HEADER", file=sys.stderr)
        return 2
    system = set()
    seen = set()
    listed = re.findall(r'^#include "(.*)"$', pathlib.Path(sys.argv[1]).read_text(), re.M)
    text = "".join(body(path, seen, system) for path in listed)
    print("/* SPDX-License-Identifier: MIT\n *\n * libberth(3). Made from the headers of Berth's core/.\n */")
    print("#ifndef BERTH_H\n#define BERTH_H\n")
    print("\n".join(sorted(system)))
    print(OPEN + "\n" + text.rstrip() + "\n" + CLOSE + "\n#endif")
    return 0


sys.exit(main())
