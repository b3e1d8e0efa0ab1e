# SPDX-License-Identifier: MIT
"""Kernel mode with more network namespaces than it remembers. Needs root; nothing is skipped without it."""

import json
import subprocess
import sys

import pytest
from conftest import BERTH, BPF_FS, sum_ways, wait_for

ROOM = 64

# Makes namespaces and stays in none of them. On each line of input: "make N" makes N more; "end N" ends the first N; "call N"
# binds to port 0 in the last N. Answers "done", after all binds have succeeded.
CALLER = """
import ctypes, os, socket, sys
libc, home, made = ctypes.CDLL(None, use_errno=True), os.open("/proc/self/ns/net", os.O_RDONLY), []
def check(status):
    if status: raise OSError(ctypes.get_errno())
def bind():
    with socket.socket() as one: one.bind(("127.0.0.1", 0)); assert one.getsockname()[1]
for what, count in map(str.split, sys.stdin):
    for i in range(int(count)):
        if what == "make":
            check(libc.unshare(0x40000000))
            made.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        elif what == "end":
            os.close(made.pop(0))
        else:
            check(libc.setns(made[i - int(count)], 0))
            bind()
    check(libc.setns(home, 0))
    print("done", flush=True)
"""


class Namespaces:
    def __init__(self, machine):
        self.machine = machine
        command = [*machine.steered, "/usr/bin/python3", "-c", CALLER]
        self.caller = machine.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, count):
        self.caller.stdin.write(f"{what} {count}\n")
        self.caller.stdin.flush()
        assert self.caller.stdout.readline() == "done\n"

    def answered(self):
        """How often a port was given, and how often there was no room, since the last time."""
        ways = sum_ways(self.machine.json([BERTH, "status", "--json"])["kernel_mode"]["ways"])
        now = ways["fresh"], ways["no-room"]
        before, self.before = getattr(self, "before", (0, 0)), now
        return now[0] - before[0], now[1] - before[1]

    def call(self, count):
        self.ask("call", count)
        return self.answered()


@pytest.fixture
def namespaces(machine):
    pin = f"--pin={BPF_FS}/berth"
    daemon = machine.popen([BERTH, "daemon", machine.options[0], pin], stderr=subprocess.PIPE)
    assert "attached" in daemon.stderr.readline()
    yield Namespaces(machine)
    daemon.terminate()
    daemon.wait(60)
    machine.run([BERTH, "detach", pin])


def test_steps_aside(namespaces):
    """The first come are steered; the others have the kernel's ports, and no call of theirs costs the first theirs."""
    namespaces.ask("make", ROOM + 6)
    namespaces.ask("call", ROOM + 6)
    assert namespaces.answered() == (ROOM, 6)
    assert namespaces.call(6) == (0, 6)
    assert namespaces.call(ROOM + 6) == (ROOM, 6)


def test_room_when_namespaces_are_gone(namespaces):
    namespaces.ask("make", ROOM + 6)
    assert namespaces.call(ROOM + 6) == (ROOM, 6)
    namespaces.ask("end", 4)
    wait_for(lambda: namespaces.call(6)[1] == 2, "the kernel to have ended four")
    assert namespaces.call(ROOM + 2) == (ROOM, 2)


def let_one_age(machine, seconds):
    """Has the kernel program believe that one of the namespaces was last used so long ago."""

    def bpftool(*words):
        name = f"{BPF_FS}/berth/maps/namespaces"
        return machine.output(["/usr/sbin/bpftool", "-j", "map", words[0], "pinned", name, *words[1:]])

    found = next(one for one in json.loads(bpftool("dump")) if one["formatted"]["value"]["net"] != 0)
    key, used_ns = found["key"], found["formatted"]["value"]["read_ns"]
    value = bytes(int(byte, 16) for byte in found["value"])
    aged = value.replace(used_ns.to_bytes(8, sys.byteorder), (used_ns - seconds * 10**9).to_bytes(8, sys.byteorder))
    assert aged != value
    bpftool("update", "key", *key, "value", *(hex(byte) for byte in aged))


def test_room_when_one_was_not_used(namespaces):
    """For a minute; it is not in the way of those that are used, and is one of those without room when it comes back."""
    namespaces.ask("make", ROOM + 6)
    assert namespaces.call(ROOM + 6) == (ROOM, 6)
    let_one_age(namespaces.machine, 50)
    assert namespaces.call(6) == (0, 6)
    let_one_age(namespaces.machine, 50)
    wait_for(lambda: namespaces.call(6) == (1, 5), "one to make room")
    assert namespaces.call(ROOM + 6) == (ROOM, 6)
