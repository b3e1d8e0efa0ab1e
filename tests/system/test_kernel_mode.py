# SPDX-License-Identifier: MIT
"""berth run --mode=kernel: eBPF gives connect() its port. Needs root; nothing here is skipped without it."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import BERTH, Namespace, tool, wait_for

KERNEL = [str(BERTH), "run", "--mode=kernel"]
FIRST, PORTS, DESTINATIONS = 40000, 1000, 4
PYTHON = "/usr/bin/python3"


def cgroup_root():
    mount = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return Path(mount + own)


def hooks():
    """How many programs of ours are in the kernel."""
    listed = json.loads(subprocess.run(["/usr/sbin/bpftool", "-j", "prog", "list"], capture_output=True, check=True).stdout)
    return sum(program.get("name") in ("connect4", "connect6", "begun") for program in listed)


def cgroups():
    return list(cgroup_root().glob("berth-*"))


@pytest.fixture(autouse=True)
def leaves_nothing():
    """After each test: no cgroup, no program."""
    yield
    wait_for(lambda: not cgroups(), f"the cgroups to go: {cgroups()}")
    wait_for(lambda: hooks() == 0, "the programs to go")


@pytest.fixture
def small(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
    net.sink(DESTINATIONS)
    return net


def run(net, arguments, **kwargs):
    """Runs under kernel mode. (the program's result, the counters)"""
    done = net.run([*KERNEL, "-v", "--", *arguments], **kwargs)
    assert done.returncode == 0, done.stderr
    report_line = next(line for line in done.stderr.splitlines() if line.startswith("berth run: kernel:"))
    words = report_line.split()[3:]
    return done.stdout, {name: int(number) for name, number in zip(words[::2], words[1::2])}


def capacity(net, *options):
    out, ways = run(net, [tool("capacity"), "--bind=no", *options])
    return json.loads(out), ways


@pytest.mark.parametrize("timestamps", [1, 0])
@pytest.mark.parametrize("family", [[], ["--ipv6"]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("keep", [[], ["--keep"]], ids=["closed", "kept"])
def test_every_tuple(small, family, keep, timestamps):
    """1000 ports and 4 destinations: all 4000 tuples, and first every port once."""
    small.sysctl("ipv4.tcp_timestamps", timestamps)
    result, ways = capacity(small, *family, *keep)
    assert result == {"connected": 4000, "bind": {}, "connect": {}, "ports": PORTS}
    assert ways["fresh"] == PORTS and ways["shared"] == 3000, ways


def test_exhausted_is_left_to_the_kernel(small):
    result, ways = capacity(small, "--keep", "--count=4010")
    assert result["connected"] == 4000 and result["connect"] == {"EADDRNOTAVAIL": 10}, result
    assert ways["exhausted"] == 10, ways


def test_time_wait_is_taken_over(small):
    """Stock Linux takes TIME_WAIT over after a second where timestamps allow it (tcp_tw_reuse=2: on loopback), but skips
    ports that were bound explicitly, as ours were."""
    assert capacity(small)[0]["connected"] == 4000
    script = f"import time; time.sleep(2); import os; os.execv({tool('capacity')!r}, ['capacity', '--bind=no'])"
    out, ways = run(small, [PYTHON, "-c", script])
    assert json.loads(out)["connected"] == 4000, (out, ways)
    assert ways["waiting"] > 3000, ways


def test_reserved_ports_and_a_range_that_changes(small):
    """Reserved ports are never given, and a new range holds within a second (and a bit)."""
    small.sysctl("ipv4.ip_local_reserved_ports", f"{FIRST}-{FIRST + 989}")
    script = (
        "import socket, time\n"
        "def port():\n"
        "    s = socket.create_connection(('127.0.0.1', 7001)); p = s.getsockname()[1]; s.close(); return p\n"
        "print([port() for i in range(5)])\n"
        "open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('50000 50009')\n"
        "time.sleep(2.5)\n"
        "print([port() for i in range(5)])\n"
    )
    out, ways = run(small, [PYTHON, "-c", script])
    before, after = map(json.loads, out.splitlines())
    assert all(FIRST + 990 <= port <= FIRST + 999 for port in before), before
    assert all(50000 <= port <= 50009 for port in after), after
    assert ways == {"fresh": 10}


def test_choices_of_the_program_stand(small):
    """Each of these is left alone: the counters say so, and the port is what was asked for."""
    script = """
import socket, struct
def made(change, kind=socket.SOCK_STREAM, proto=0):
    s = socket.socket(socket.AF_INET, kind, proto)
    change(s)
    s.connect(("127.0.0.1", 7001))
    return s.getsockname()[1]
def option(level, name, value):
    return lambda s: s.setsockopt(level, name, value)
assert made(lambda s: s.bind(("127.0.0.1", 12345))) == 12345
assert made(option(socket.SOL_IP, 51, struct.pack("HH", 41000, 41003))) not in range(41000, 41004) # outside the sysctl: ignored
assert made(option(socket.SOL_IP, 51, struct.pack("HH", 40007, 40007))) == 40007
made(option(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo"))
made(option(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1))
made(option(socket.SOL_IP, 19, 1)) # IP_TRANSPARENT
made(lambda s: None, socket.SOCK_DGRAM)
made(lambda s: None, proto=262) # MPTCP
"""
    _, ways = run(small, [PYTHON, "-c", script])
    assert ways["bound"] == 1 and ways["own-choice"] == 5 and "fresh" not in ways, ways


def test_bound_address_is_kept(small):
    """A source address that the program has bound survives every refusal; mapped destinations are the same as IPv4."""
    script = """
import socket
held = []
def made(family, source, to):
    s = socket.socket(family)
    if source:
        s.setsockopt(socket.SOL_IP, 24, 1) # IP_BIND_ADDRESS_NO_PORT
        s.bind((source, 0))
    s.connect((to, 7001))
    held.append(s)
    return s.getsockname()[:2]
addresses = [made(socket.AF_INET, "127.0.0.9", "127.0.0.1") for i in range(1000)]
assert {a for a, p in addresses} == {"127.0.0.9"} and len({p for a, p in addresses}) == 1000
mixed = [made(socket.AF_INET, None, "127.0.0.1") for i in range(500)]
mixed += [made(socket.AF_INET6, None, "::ffff:127.0.0.1") for i in range(500)]
assert len({p for a, p in mixed}) == 1000
"""
    _, ways = run(small, [PYTHON, "-c", script])
    assert ways["fresh"] + ways["shared"] == 2000, ways


def test_foreign_sockets(small):
    """Listeners, bound sockets and connections of others, none of which shares its port, and some that do."""
    script = f"""
import socket, sys
held = []
for port in range({FIRST}, {FIRST + 900}):
    s = socket.socket()
    if port % 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    if port % 3 == 0:
        s.listen()
    elif port % 3 == 1:
        s.connect(("127.0.0.1", 7001))
    held.append(s)
print("ready", flush=True)
sys.stdin.read()
"""
    others = small.popen([PYTHON, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert others.stdout.readline() == "ready\n"
    # 7001: 100 ports without anybody; 7002: also the 300 that share and do not listen
    result, ways = capacity(small, "--keep", "--count=100", "--destinations=1")
    assert result["connected"] == 100, (result, ways)
    result, ways = capacity(small, "--keep", "--count=300", "--destinations=1", "--port=7002")
    assert result["connected"] == 300, (result, ways)


# ---- the program is itself ----


def test_status_signal_and_children(net):
    assert net.run([*KERNEL, "sh", "-c", "exit 3"]).returncode == 3
    assert net.run([*KERNEL, "sh", "-c", "kill -TERM $$"]).returncode == -signal.SIGTERM
    # the keeper is no child of the program's: there is nobody to wait for
    script = "import os\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print('alone')"
    assert net.output([*KERNEL, PYTHON, "-c", script]) == "alone\n"


def test_children_are_steered_to_the_last(small):
    """The program has ended, and what it left behind still gets its ports."""
    child = f"sleep 0.5; {tool('capacity')} --bind=no --keep"
    out, ways = run(small, ["sh", "-c", f"({child}) & exit 0"])
    assert json.loads(out)["connected"] == 4000 and ways["shared"] == 3000, (out, ways)


def test_keeper_killed(small):
    """The hooks go with it, the program runs on; only the cgroup stays, as nobody is left to remove it."""
    process = small.popen([*KERNEL, "sh", "-c", "echo started; exec sleep 60"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "started\n"
    assert len(cgroups()) == 1 and hooks() == 3
    keeper = wait_for(lambda: [p for p, n in small.berth_processes().items() if n == "berth-keeper"], "the keeper")
    os.kill(keeper[0], signal.SIGKILL)
    wait_for(lambda: hooks() == 0, "the hooks to go")
    assert process.poll() is None
    process.kill()
    process.wait()
    for cgroup in cgroups():
        wait_for(lambda: "populated 0" in (cgroup / "cgroup.events").read_text(), "the cgroup to be empty")
        cgroup.rmdir()


def test_errors(net):
    done = net.run([*KERNEL, "no-such-program"])
    assert done.returncode == 127 and done.stderr == "berth run: no-such-program: no such program\n"
    done = net.run(["setpriv", "--reuid=65534", "--clear-groups", *KERNEL, "true"])
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "be root" in done.stderr, done.stderr
    done = net.run(["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin", *KERNEL, "true"])
    assert done.returncode == 1 and "not permitted: be root" in done.stderr, done.stderr
    done = net.run(["unshare", "-m", "sh", "-c", f"umount -l {cgroup_root()}; exec {' '.join(KERNEL)} true"])
    assert done.returncode == 1 and "no cgroup v2" in done.stderr, done.stderr
    done = net.run([*KERNEL, "--policy=sp1", "true"])
    assert done.returncode == 2 and "--policy=sp1" in done.stderr
