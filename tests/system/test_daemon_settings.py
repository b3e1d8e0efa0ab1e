# SPDX-License-Identifier: MIT
"""What berth.conf sets, in kernel mode: from the daemon's start on, after SIGHUP, and for one program."""

import errno
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BERTH, BPF_FS, tool

FIRST, LAST = 40000, 40099
NARROWED = "[Parameters]\nMaxUserPort = 40079\nReservedPorts = 40010-40019, 40050-40059\n"
WITHHELD = {*range(40010, 40020), *range(40050, 40060), *range(40080, 40100)}
USABLE = {*range(FIRST, LAST + 1)} - WITHHELD
OTHERS = {"policy": "berth", "excluded_cgroups": 0, "excluded_destinations": 0}
FAULT = "[Berth]\npolicy = best\n"
SAYS = "berth daemon: "

# Connects count times and keeps all; prints the ports, and the errors.
CONNECT = """
import json, socket, sys
bind, count = sys.argv[1] == "bind", int(sys.argv[2])
ports, errors, kept = [], [], []
for _ in range(count):
    client = socket.socket()
    kept.append(client)
    try:
        if bind:
            client.bind(("127.0.0.1", 0))
        client.connect(("127.0.0.1", 7001))
        ports.append(client.getsockname()[1])
    except OSError as error:
        errors.append(error.errno)
print(json.dumps([ports, errors]))
"""


class Steered:
    """A daemon whose settings lie in a file."""

    def __init__(self, machine, path):
        self.machine, self.path = machine, path
        machine.net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
        machine.net.sink()
        self.options = [f"--config={path}", machine.options[0], f"--pin={BPF_FS}/berth"]

    def write(self, text):
        self.path.write_text(text)

    def start(self, text, around=(), **kwargs):
        self.write(text)
        self.daemon = self.machine.popen([*around, BERTH, "daemon", *self.options], stderr=subprocess.PIPE, **kwargs)
        return self.said()

    def said(self):
        line = self.daemon.stderr.readline()
        assert line.startswith(SAYS), line
        return line.removeprefix(SAYS).rstrip("\n")

    def change(self, text):
        self.write(text)
        self.daemon.send_signal(signal.SIGHUP)
        return self.said()

    def in_force(self):
        return self.machine.json([BERTH, "status", "--json"])["kernel_mode"]["settings"]

    def connect(self, how, count):
        return self.machine.json([*self.machine.steered, "/usr/bin/python3", "-c", CONNECT, how, count])


@pytest.fixture
def steered(machine, tmp_path):
    made = Steered(machine, tmp_path / "berth.conf")
    yield made
    made.daemon.terminate()
    made.daemon.wait(60)
    machine.run([BERTH, "detach", made.options[-1]])


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_narrowed(steered, how):
    """From the first call on; by SIGHUP at once; and back."""
    assert "attached" in steered.start(NARROWED)
    assert steered.in_force() == {"exhausted": "fail", "withheld": len(WITHHELD) + 65535 - LAST, **OTHERS}
    ports, errors = steered.connect(how, len(USABLE))
    assert sorted(ports) == sorted(USABLE) and errors == []
    assert steered.change("[Parameters]\nReservedPorts = 40000-40089\n") == "took the settings anew"
    ports, errors = steered.connect(how, 5)
    assert {*ports} <= {*range(40090, 40100)} and errors == []
    assert steered.change("") == "took the settings anew"
    assert steered.in_force() == {"exhausted": "fail", "withheld": 0, **OTHERS}


def test_policy(steered):
    """In force at once, also by SIGHUP; `berth run` leaves a program to the daemon that has the same policy."""
    steered.start("[Berth]\npolicy = legacy\n")
    assert steered.in_force()["policy"] == "legacy"
    ports, errors = steered.connect("connect", 30)
    assert ports == [*range(FIRST, FIRST + 30)] and errors == []
    run = [*steered.machine.steered, BERTH, "run", "-v", f"--config={steered.path}"]
    assert "it runs as it is" in steered.machine.run([*run, "true"]).stderr
    assert "auto: supervise" in steered.machine.run([*run, "--policy=sp1", "true"]).stderr
    assert steered.change("[Berth]\npolicy = berth\n") == "took the settings anew"
    ports, errors = steered.connect("connect", 30)
    assert ports != sorted(ports) and errors == []


def test_bad_settings(steered):
    """Refused whole: a daemon that runs keeps what it has, one that starts does not start."""
    steered.start(NARROWED)
    before = steered.in_force()
    line = f"{steered.path}:2: policy = best: berth, sp1 or legacy"
    assert steered.change(FAULT) == f"{line}; the settings stay as they were"
    steered.path.unlink()
    steered.daemon.send_signal(signal.SIGHUP)
    assert steered.said() == f"{steered.path}: cannot be read: No such file or directory; the settings stay as they were"
    assert steered.in_force() == before
    steered.write(FAULT)
    for check in [], ["--check"]:
        done = steered.machine.run([BERTH, "daemon", *check, *steered.options])
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{SAYS}{line}\n")


def descriptors(daemon):
    """Of the daemon itself: nsenter has become it."""
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


@pytest.mark.parametrize("fault", ["lock", "bpf-attach", "bpf-update"])
def test_settings_that_cannot_be_taken(steered, fault):
    """The file is good, but the kernel does not play along: nothing of it is in force, then or later; nothing is left open; and
    when the fault has gone the same file is taken."""
    steered.start(NARROWED)
    steered.machine.end(steered.daemon)
    around = [] if fault == "lock" else [tool("deny"), fault, "ENOMEM"]
    assert "left as it is" in steered.start(NARROWED, around=around)
    # refused before the kernel is asked: that it says so, tells that the start is over, and all open that it opens
    assert steered.change(FAULT).endswith("; the settings stay as they were")
    before, open_before = steered.in_force(), descriptors(steered.daemon)
    hooks = Path(f"/proc/{steered.machine.holder.pid}/root{BPF_FS}/berth/hooks")
    others = f"MaxFreeTWTcbs = 10\n[Berth]\npolicy = sp1\nexclude-cgroup = {steered.machine.cgroup}\nexclude-destination = 127.1.0.0/16\n"
    if fault == "lock":
        hooks.rename(hooks.parent / "away")
    for _ in range(3):
        assert steered.change("[Parameters]\n" + others).endswith("; the settings stay as they were")
    time.sleep(1.2)  # each second it looks for the cgroups of the settings
    assert steered.in_force() == before and descriptors(steered.daemon) == open_before
    if fault == "lock":
        (hooks.parent / "away").rename(hooks)
    else:
        steered.machine.end(steered.daemon)
        steered.start("")
    assert steered.change("[Parameters]\n" + others) == "took the settings anew"
    after = steered.in_force()
    assert (after["policy"], after["excluded_cgroups"], after["excluded_destinations"], after["withheld"]) == ("sp1", 1, 1, 0)


def test_start_again(steered):
    """The settings hold while no daemon runs; the next one takes its own, also where it leaves the hooks as they are."""
    steered.start(NARROWED + "[Berth]\nexclude-destination = 127.1.0.0/16\n")
    before = steered.in_force()
    assert before["excluded_destinations"] == 1
    steered.daemon.kill()
    steered.daemon.wait()
    assert steered.in_force() == before
    assert "left as it is" in steered.start("[Berth]\nexhausted = kernel\n")
    assert steered.in_force() == {"exhausted": "kernel", "withheld": 0, **OTHERS}


def test_exhausted(steered):
    """Ports that the settings withhold are what the kernel still finds, if it is left to search."""
    steered.machine.net.sysctl("ipv4.ip_local_port_range", "40000 40009")
    narrow = "[Parameters]\nReservedPorts = 40005-40009\n[Berth]\nexhausted = "
    steered.start(narrow + "fail\n")
    ports, errors = steered.connect("connect", 10)
    assert sorted(ports) == [*range(40000, 40005)] and errors == [errno.EADDRNOTAVAIL] * 5
    (event,) = steered.machine.json([BERTH, "status", "--json"])["kernel_mode"]["ports_exhausted"]
    # The first failed in the kernel, and showed from which address connections go there.
    assert (event["remote"], event["count"]) == ("127.0.0.1:7001", 4) and 0 <= event["last_s"] < 60
    assert "4231 ports-exhausted: 127.0.0.1:7001: 4 calls, the last " in steered.machine.run([BERTH, "status"]).stdout
    steered.change(narrow + "kernel\n")
    steered.machine.net.sysctl("ipv4.tcp_tw_reuse", 0)
    ports, _ = steered.connect("connect", 10)  # some may take over what is in TIME_WAIT on the other five
    assert {*ports} >= {*range(40005, 40010)}


OF_EACH = """
import socket
ends = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
def made(i): return socket.socket(ends[i][0])
kept = []
for i, count in (0, 3), (1, 4):
    for _ in range(count):
        one = made(i); kept.append(one); one.connect((ends[i][1], 7001))
for i, count in (0, 5), (1, 6):
    for _ in range(count):
        one = made(i); kept.append(one); one.bind((ends[i][1], 0))
one.connect(("::1", 7001)); socket.socket().bind(("127.0.0.1", 12345))
"""


def test_counters_of_each_program(steered):
    """Each program counts its own ways out, and what it looked at on the way; people read the sum."""
    steered.start("")
    steered.machine.run([*steered.machine.steered, "/usr/bin/python3", "-c", OF_EACH])
    ways = steered.machine.json([BERTH, "status", "--json"])["kernel_mode"]["ways"]
    given = {program: (of["fresh"], of["bound"]) for program, of in ways.items()}
    assert given == {"connect4": (3, 0), "connect6": (4, 1), "bind4": (5, 1), "bind6": (6, 0)}
    # connect() looks only where the slot of the bind table is not empty
    assert all(ways[program]["looks"] - ways[program]["misses"] == given[program][0] for program in ("bind4", "bind6"))
    assert all(ways[program]["looks"] - ways[program]["misses"] <= given[program][0] for program in ("connect4", "connect6"))
    assert " answered: fresh 18 bound 2 " in steered.machine.run([BERTH, "status"]).stdout


ONE_PORT = """
import socket
made = 0
for _ in range(20):
    client = socket.socket()
    try:
        client.connect(("127.0.0.1", 7001))
        made += 1
        client.shutdown(socket.SHUT_WR)
        client.recv(1)  # the far end's FIN: from now on TIME_WAIT
    except OSError:
        pass
    client.close()
print(made)
"""


def test_take_over(steered):
    """One connection after another from one port: as a rule a TIME_WAIT may be taken over when it is a second old."""
    steered.machine.net.sysctl("ipv4.ip_local_port_range", "40000 40000")
    one_port = [*steered.machine.steered, "/usr/bin/python3", "-c", ONE_PORT]
    steered.start("")
    assert 0 < steered.machine.json(one_port) < 20
    steered.change("[Berth]\nexhausted = take-over\n")
    assert steered.machine.json(one_port) == 20


def test_service_manager(steered, tmp_path):
    """It is told when the settings have been taken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        steered.start("", env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"
        steered.daemon.send_signal(signal.SIGHUP)
        assert [manager.recv(100), manager.recv(100)] == [b"RELOADING=1", b"READY=1"]


def test_cgroup(steered):
    """Of the settings, if the command line has none; it stays while the daemon runs."""
    machine = steered.machine
    steered.options.remove(machine.options[0])
    assert f"steers {machine.cgroup}," in steered.start(f"[Berth]\ncgroup = {machine.cgroup}\n")
    assert steered.change(f"[Berth]\ncgroup = {machine.cgroup.parent}\n") == "took the settings anew"
    assert steered.said() == f"still steers {machine.cgroup}: for another cgroup, 'berth detach', and start again"


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_one_program(net, tmp_path, how):
    """berth run --mode=kernel: what is withheld is handed out to nobody, what is left to the last port."""
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sink()
    path = tmp_path / "berth.conf"
    path.write_text(NARROWED)
    run = [BERTH, "run", "--mode=kernel", f"--config={path}", "--"]
    ports, errors = net.json([*run, "/usr/bin/python3", "-c", CONNECT, how, len(USABLE)])
    assert sorted(ports) == sorted(USABLE) and errors == []
