# SPDX-License-Identifier: MIT
"""What root's berth status and berth map see through iterators over the kernel's bind table, the daemon's or their own, is what
sock_diag tells everybody else, for sockets of every kind. Needs root; nothing is skipped without it."""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import BERTH, BPF_FS, Machine, wait_for
from view_world import ss, start, unprivileged

FIRST, LAST = 40000, 40999
INBOUND, MANY, CROWD, ORPHANS = 40001, 40002, 40003, 7009

# One socket of each kind, or some; on IPv4, IPv6, and IPv4 by an IPv6 socket.
WORLD = r"""
import socket, sys

kept = []

def listen(family, address, port, backlog=4096):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(backlog)
    kept.append(server)
    return server

def client(family, address, port, source=None):
    made = socket.socket(family)
    if source:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(source)
    made.connect((address, port))
    return made

inbound, many, crowd, orphans = map(int, sys.argv[1:])
v4, v6 = socket.AF_INET, socket.AF_INET6
ends = [(v4, "127.0.0.1", listen(v4, "127.0.0.1", 7001)), (v6, "::1", listen(v6, "::", 7002)), (v6, "::ffff:127.0.0.1", kept[-1])]
for family, address, server in ends:
    port = server.getsockname()[1]
    for i in range(20):  # TIME_WAIT; FIN_WAIT_2, of which a mini socket is left; CLOSE_WAIT; ESTABLISHED
        one = client(family, address, port)
        other = server.accept()[0]
        if i % 4 == 0:
            one.close(), other.close()
        elif i % 4 == 1:
            one.close(), kept.append(other)
        elif i % 4 == 2:
            other.close(), kept.append(one)
        else:
            kept.extend((one, other))

# a server in the range, on all addresses and on one, with connections, and with handshakes that are not over (NEW_SYN_RECV)
for address, port in ("0.0.0.0", inbound), ("127.0.0.3", inbound + 100):
    server = listen(v4, address, port)
    kept.extend(client(v4, "127.0.0.3", port) for i in range(9))
    if port == inbound:  # more than are written of a port, from ports outside the range
        kept.extend(client(v4, "127.0.0.3", port, ("127.0.0.1", 20000 + i)) for i in range(600))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
    kept.extend(client(v4, "127.0.0.3", port) for i in range(4))

# bound and nothing else, on all addresses and on one, of either family
for family, address, port in (v4, "", 40300), (v4, "127.0.0.5", 40301), (v6, "::", 40302), (v6, "::1", 40303), (v4, "127.0.0.5", 0):
    kept.append(socket.socket(family))
    kept[-1].bind((address, port))

# one port towards so many destinations that they do not fit into a stretch, and one with some hundred beside it
server = listen(v4, "0.0.0.0", 7003)
for port, count in (many, 1500), (crowd, 200):
    for i in range(count):
        kept.append(client(v4, f"127.1.{i // 250}.{1 + i % 250}", 7003, ("127.0.0.1", port)))

# a server outside the range that has gone, and its connections have not; and one that is there
server = listen(v4, "127.0.0.1", orphans)
for i in range(300):
    kept.extend((client(v4, "127.0.0.1", orphans), server.accept()[0]))
kept.remove(server)
server.close()

# on its way: where the queue is full nobody answers (SYN_SENT)
full = listen(v4, "127.0.0.1", 7004, 0)
for i in range(4):
    kept.append(socket.socket())
    kept[-1].setblocking(False)
    kept[-1].connect_ex(("127.0.0.1", 7004))
print("ready", flush=True)
sys.stdin.read()
"""


# So many sockets that a look is worth an iterator of its own (daemon/owners.c).
MANY_SOCKETS = r"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
server = socket.create_server(("127.0.0.1", 7005), backlog=40000)
kept = [socket.create_connection(("127.0.0.1", 7005)) for i in range(15500)]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def bare_machine(net):
    """Nothing is where berth status looks for a daemon."""
    made = Machine(net)
    yield made
    for process in net.background:
        if process.stdin and process is not made.holder and process.poll() is None:
            process.stdin.close()
    made.holder.stdin.close()
    made.close()


@pytest.fixture
def machine(bare_machine):
    """A daemon where berth status looks for it."""
    bare_machine.options = [f"--cgroup={bare_machine.cgroup}"]
    daemon, said = bare_machine.start()
    assert "attached" in said
    yield bare_machine
    bare_machine.end(daemon)
    assert bare_machine.json([BERTH, "detach", "--json"])["cgroup"] == str(bare_machine.cgroup)


def both(machine, command, *arguments):
    """The document as root has it and as nobody has it."""
    with unprivileged() as nobody:
        found = [machine.json([*program, command, *arguments, "--json"]) for program in ([BERTH], nobody)]
    for document in found:
        document.pop("kernel_mode", None)
    return found


def agree(machine, command, *arguments):
    """What both say, or None: ages go on between two looks, and now and then one is in another class."""
    root, nobody = both(machine, command, *arguments)
    if command == "status":
        assert (root.pop("source"), nobody.pop("source")) == ("bind-table", "sock-diag")
    return root if root == nobody else None


def see_the_world(machine):
    net = machine.net
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sysctl("ipv4.ip_local_reserved_ports", f"{INBOUND}-{CROWD},{INBOUND + 100},40300-40303")
    start(net, WORLD, INBOUND, MANY, CROWD, ORPHANS)
    states = {one.state for one in ss(net)}
    assert {"ESTAB", "TIME-WAIT", "FIN-WAIT-2", "CLOSE-WAIT", "LISTEN", "SYN-SENT", "SYN-RECV"} <= states
    status = wait_for(lambda: agree(machine, "status"), "the same numbers", 20)
    assert status["range"]["held"] == 7 and status["sockets"]["inbound_in_range"] == 18 + 600
    assert status["destination_count"] >= 1503 and status["sockets"]["begun_here"] >= 1500 + 200 + 60 + 3
    top = {(one["remote"], one["local"]): (one["used"], one["waiting"]) for one in status["destinations"]}
    assert (top["[::1]:7002", "::1"], top["127.0.0.1:7002", "127.0.0.1"]) == ((15, 5), (15, 5))
    ports = wait_for(lambda: agree(machine, "map"), "the same map", 20)
    of = Counter()
    for run in ports["runs"]:
        of[run["use"].split("-")[0]] += run["last"] + 1 - run["first"]
    assert of["held"] == 7 + 5 and of["connected"] >= 300 + 2 + 1 and of["waiting"] > 0, of


def test_sees_what_sock_diag_sees(machine):
    see_the_world(machine)
    assert wait_for(lambda: agree(machine, "map", "127.0.0.1:7002", "--from=127.0.0.1"), "the same map of one", 20)


def owners(net):
    """The ids of the programs of that name."""
    programs = json.loads(net.output(["/usr/sbin/bpftool", "-j", "prog", "show"]))
    return {program["id"] for program in programs if program.get("name") == "owners"}


def test_sees_the_same_without_a_daemon(bare_machine):
    """Where sockets are many, by an iterator of its own, which leaves nothing behind."""
    net = bare_machine.net
    few = bare_machine.json([BERTH, "status", "--json"])
    assert few["source"] == "sock-diag" and few["kernel_mode"]["attached"] is False
    net.sysctl("core.somaxconn", "40000")
    net.sysctl("ipv4.ip_local_port_range", f"{LAST + 1} 65535")
    pins = Path(f"/proc/{bare_machine.holder.pid}/root{BPF_FS}")
    before = sorted(os.listdir(pins))
    start(net, MANY_SOCKETS)
    see_the_world(bare_machine)
    assert sorted(os.listdir(pins)) == before

    def nothing_is_left():
        """The kernel lists the programs of the whole machine, on which others may load theirs meanwhile: those are not there each
        time. And it takes a moment to unload one."""
        there = owners(net)
        both(bare_machine, "status"), both(bare_machine, "map")
        new = owners(net) - there
        for _ in range(50):
            if not new & owners(net):
                return True
            time.sleep(0.02)

    wait_for(nothing_is_left, "its programs to be gone")


def test_sees_its_own_network_namespace(machine):
    """The iterators were pinned from another one."""
    other = ["unshare", "-n", "sh", "-c", f"ip link set lo up && {BERTH} status --json"]
    start(machine.net, "import socket, sys\nkept = socket.create_server(('', 40100))\nprint('ready', flush=True)\nsys.stdin.read()")
    machine.net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    here, there = machine.json([BERTH, "status", "--json"]), json.loads(machine.run(other).stdout)
    assert here["source"] == there["source"] == "bind-table"
    assert (here["range"]["held"], there["range"]["held"]) == (1, 0) and there["range"]["first"] != FIRST
