#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may know whom: a folder is a layer, and this is the rule (docs/ARCHITECTURE.md).

    tools/layers.py BUILD         checks the tree and the objects under BUILD
    tools/layers.py --self-test   plants one violation of each kind in a copy; each must be found
"""
import pathlib
import re
import subprocess
import sys
import tempfile

# The folders that a file may include from, beside its own. Whatever is not listed is forbidden.
MAY_INCLUDE = {
    "core": [],
    "wire": [],
    "config": ["core", "host"],
    "host": ["core", "wire"],
    "bpf": ["wire", "core"],
    "view": ["core", "host"],
    "sim": ["core"],
    "supervise": ["core", "config", "host"],
    "daemon": ["core", "config", "host", "wire", "view"],
    "cli": ["core", "wire", "config", "host", "view", "sim", "supervise", "daemon"],
    "bench": ["core", "wire", "config", "host", "view", "sim", "supervise", "daemon", "cli"],
    "tests": ["core", "wire", "config", "host", "view", "sim", "supervise", "daemon", "cli", "bpf"],
}

# System headers, where not every one is allowed.
MAY_INCLUDE_SYSTEM = {
    "core": ["stdint.h", "stddef.h", "stdbool.h", "string.h", "assert.h"],
    "wire": ["stdint.h", "linux/types.h", "assert.h"],
}

# What the core's archive may leave undefined: what a compiler calls by itself, and assert.
CORE_MAY_CALL = {"memcpy", "memmove", "memset", "memcmp", "__assert_fail", "__stack_chk_fail"}

# A library neither prints nor ends somebody's program.
HOST_MAY_NOT_CALL = re.compile(r"_?exit|_Exit|abort|(__)?v?f?printf(_chk)?|f?put[cs]|putchar|fwrite|perror"
                               r"|v?syslog|v?(err|warn)x?|stdout|stderr")

# Folders that keep no variables outside functions.
NO_GLOBALS = ["core", "config", "host", "view"]


def includes(root):
    for folder, allowed in MAY_INCLUDE.items():
        for path in sorted((root / folder).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
                if not found:
                    continue
                where = f"{path.relative_to(root)}:{number}"
                name = found[2]
                if found[1] == "<":
                    if name not in MAY_INCLUDE_SYSTEM.get(folder, [name]):
                        yield f"{where}: {folder}/ may not include <{name}>"
                elif "/" not in name or not (root / name).exists():
                    yield f'{where}: "{name}" is not spelled as folder/file.h'
                elif name.split("/")[0] not in [folder] + allowed:
                    yield f'{where}: {folder}/ may not include "{name}"'


def wire_is_data(root):
    """Structures that cross a border hold no pointers, and a header of them no functions."""
    for path in sorted((root / "wire").rglob("*.[ch]")):
        name = path.relative_to(root)
        if path.suffix == ".c":
            yield f"{name}: wire/ has headers only"
        code = re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#[^\n]*", "", path.read_text(), flags=re.S | re.M)
        code = re.sub(r"\b(_Static_assert|static_assert|__attribute__|sizeof|offsetof|_Alignas|alignas)\b", "", code)
        found = re.search(r"\b[A-Za-z_]\w*\s*\(", code)
        if found:
            yield f"{name}: wire/ has no functions: {found[0]}"
        if "*" in code:
            yield f"{name}: wire/ has no pointers"


def symbols(objects):
    """(object, name, class, section) of every symbol."""
    if not objects:
        return
    out = subprocess.run(["nm", "-A", "-f", "sysv", *map(str, objects)], check=True, capture_output=True, text=True)
    for line in out.stdout.splitlines():
        field = [part.strip() for part in line.split("|")]
        if len(field) == 7:
            obj, name = field[0].rsplit(":", 1)
            yield obj, name.strip(), field[2], field[6]


def unfortified(name):
    """The C library's checked twin of a function (__memcpy_chk) is that function."""
    return re.sub(r"^__(\w+)_chk$", r"\1", name)


def core_calls(objects):
    defined, undefined = set(), {}
    for obj, name, kind, _ in symbols(objects):
        if kind == "U":
            undefined.setdefault(name, obj)
        else:
            defined.add(name)
    for name, obj in sorted(undefined.items()):
        if name not in defined and not {name, unfortified(name)} & CORE_MAY_CALL:
            yield f"{obj}: core/ may not use {name}"


def host_calls(objects):
    for obj, name, kind, _ in symbols(objects):
        if kind == "U" and HOST_MAY_NOT_CALL.fullmatch(name):
            yield f"{obj}: host/ may not use {name}"


def globals_in(folder, objects):
    for obj, name, kind, section in symbols(objects):
        if kind == "C" or re.match(r"\.(t?bss|t?data)(?!\.rel\.ro)", section) or section == "*COM*":
            yield f"{obj}: {folder}/ keeps no variable outside functions: {name}"


def objects_of(build, folder):
    return sorted((build / folder).rglob("*.o"))


def violations(root, build):
    yield from includes(root)
    yield from wire_is_data(root)
    yield from core_calls(objects_of(build, "core"))
    yield from host_calls(objects_of(build, "host"))
    for folder in NO_GLOBALS:
        yield from globals_in(folder, objects_of(build, folder))


# One file for each rule: what it breaks, and the words that must come back.
PLANTED = [
    ("core/planted.c", '#include <time.h>\nlong planted(void) { return time(0); }\n', "may not include <time.h>"),
    ("core/planted.c", 'void *malloc(unsigned long);\nvoid *planted(void) { return malloc(1); }\n', "may not use malloc"),
    ("core/planted.c", '#include "host/planted.h"\n', '"host/planted.h"'),
    ("core/planted.c", 'int planted;\n', "no variable outside functions: planted"),
    ("host/planted.c", 'int puts(const char *);\nint planted(void) { return puts("x"); }\n', "may not use puts"),
    ("host/planted.c", 'int planted(void) { static int calls; return ++calls; }\n', "no variable outside functions"),
    ("host/planted.c", '#include "planted.h"\n', "not spelled as folder/file.h"),
    ("config/planted.c", '#include "view/planted.h"\n', 'config/ may not include "view/planted.h"'),
    ("supervise/planted.c", '#include "cli/planted.h"\n', 'supervise/ may not include "cli/planted.h"'),
    ("view/planted.c", '#include "supervise/planted.h"\n', 'view/ may not include "supervise/planted.h"'),
    ("cli/planted.c", '#include "bpf/planted.h"\n', 'cli/ may not include "bpf/planted.h"'),
    ("sim/planted.c", '#include "tests/planted.h"\n', 'sim/ may not include "tests/planted.h"'),
    ("daemon/planted.c", '#include "supervise/planted.h"\n', 'daemon/ may not include "supervise/planted.h"'),
    ("bpf/planted.bpf.c", '#include "host/planted.h"\n', 'bpf/ may not include "host/planted.h"'),
    ("wire/planted.h", "#include <stdint.h>\nstatic inline int planted(void) { return 1; }\n", "no functions"),
    ("wire/planted.h", "struct planted { char *name; };\n", "no pointers"),
]


def self_test():
    missed = 0
    for name, text, expected in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for layer in MAY_INCLUDE:
                (root / layer).mkdir()
                (root / layer / "planted.h").write_text("struct planted;\n")
                (root / "build" / layer).mkdir(parents=True)
            if list(violations(root, root / "build")):
                sys.exit("layers: the empty tree is not clean")
            (root / name).write_text(text)
            if name.endswith(".c"):
                subprocess.run(["cc", "-iquote", root, "-O2", "-w", "-c", "-o", root / "build" / (name[:-1] + "o"),
                                "-x", "c", root / name, "-I", root / name.split("/")[0]], check=True)
            found = list(violations(root, root / "build"))
            if not any(expected in line for line in found):
                print(f"layers: planted in {name}, not found: {expected}\n  found instead: {found}", file=sys.stderr)
                missed += 1
    print(f"layers: {len(PLANTED) - missed} of {len(PLANTED)} planted violations found")
    return missed != 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        print("usage: tools/layers.py BUILD | --self-test", file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1])
    found = list(violations(pathlib.Path("."), build))
    for line in found:
        print(line, file=sys.stderr)
    objects = objects_of(build, "core")
    if not objects:
        print(f"layers: no objects in {build}/core: build first", file=sys.stderr)
        return 1
    print(f"layers: {len(found)} violations; {len(objects)} objects of core/")
    return bool(found)


sys.exit(main())
