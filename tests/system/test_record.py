# SPDX-License-Identifier: MIT
"""berth record and berth replay: what is recorded is what a program did, under stock Linux and under Berth, and a replay
is the same use of ports."""

import contextlib
import json
import os
import signal
import stat
import subprocess

import pytest
from conftest import BERTH, SINK_PORT, wait_for
from view_world import CLOSES_FIRST, PYTHON, make, ss, start, unprivileged

PORTS = 100

# Makes connections to ports 7001 (a sink, which closes when we have) and 7101 (which closes first), and prints what became
# of them. Its arguments: how many are closed here, by the peer and by a reset; how many bind to port 0 first, and stay;
# how many connect without, and stay, or fail.
LOAD = r"""
import errno, json, socket, struct, sys
here, peer, reset, bound, kept = map(int, sys.argv[1:])
held, errors = [], {}

def client(port, bind=None):
    sock = socket.socket()
    held.append(sock)
    try:
        if bind is not None:
            sock.bind(("127.0.0.1", bind))
        sock.connect(("127.0.0.1", port))
    except OSError as error:
        name = errno.errorcode[error.errno]
        errors[name] = errors.get(name, 0) + 1
        held.pop().close()
        return None
    return sock

for i in range(here):
    client(7001).close()
for i in range(peer):
    sock = client(7101)
    assert sock.recv(1) == b""
    sock.close()
for i in range(reset):
    sock = client(7001)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
for i in range(bound):
    client(7002, bind=0)
for i in range(kept):
    client(7001)
client(7999)
listener = socket.create_server(("127.0.0.1", 5555))
print(json.dumps(errors), flush=True)
sys.stdin.read()
"""


def recorder(net, path, *arguments, program=(BERTH,)):
    """berth record, when it has begun; it ends by record_ends()."""
    process = net.popen([*program, "record", "--json", *arguments, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = []
    while not lines or "recording into" not in lines[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1], lines
    return process, lines[:-1]


def ends(process, with_signal=signal.SIGINT):
    process.send_signal(with_signal)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)


def replay(net, path, *arguments):
    return net.json([BERTH, "replay", "--json", path, *arguments])


def runs(result):
    return {run["policy"]: run for run in result["runs"]}


@contextlib.contextmanager
def far_ends(net, closes):
    net.sysctl("ipv4.ip_local_port_range", f"40000 {39999 + PORTS}")
    net.sink(2)
    start(net, CLOSES_FIRST, 7101, closes)
    yield


def test_record(net, prefix, tmp_path):
    """Connects, binds, who closed first and what failed for want of a port; and the replay has the same use and failures."""
    path = tmp_path / "a.rec"
    with far_ends(net, 20):
        process, _ = recorder(net, path)
        load = net.popen([*prefix, PYTHON, "-c", LOAD, 30, 20, 10, 5, 75], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        errors = json.loads(load.stdout.readline())
        wait_for(lambda: sum(one.state == "TIME-WAIT" for one in ss(net)) >= 30, "TIME_WAIT")
        connected = sum(one.state == "ESTAB" and one.peer == f"127.0.0.1:{SINK_PORT}" for one in ss(net))
        summary = ends(process)
        load.communicate()
    failed = errors.get("EADDRNOTAVAIL", 0)
    assert errors.pop("ECONNREFUSED") == 1 and set(errors) <= {"EADDRNOTAVAIL"}, errors
    assert summary["seen_by"] == "kernel" and summary["lost"] == 0 and summary["ended_by"] == "signal"
    assert summary["failed_connects"] == failed and summary["failed_binds"] == 0
    assert summary["connects"] == 30 + 20 + 10 + 5 + 75 + 1
    assert summary["binds"] == 5 + 1
    assert summary["closed"] == {"here": 30, "by_peer": 20, "without_time_wait": 10 + 1}
    assert summary["open"] == 5 + 75 - failed == 5 + connected
    assert summary["at_start"]["held"] == 3 and summary["destinations"] == 4
    result = replay(net, path, "--policy=linux-connect,berth")
    load, peak = result["load"], result["load"]["peak"]
    assert (result["first_port"], result["last_port"], result["TcpTimedWaitDelay"]) == (40000, 39999 + PORTS, 60)
    assert (load["connects"], load["failed_connects"], load["binds"]) == (141, failed, 6 + 3)
    assert (peak["remote"], peak["connected"], peak["time_wait"]) == ("127.0.0.1:7001", connected, 30)
    for run in result["runs"]:
        assert run["attempts"] == 141
        assert run["exhausted"] == 30 + 75 - PORTS if run["policy"] == "linux-connect" else True


def test_failed_bind_stock(net, tmp_path):
    """bind() to port 0 that finds none is recorded; of the policies that know the destination, none fails."""
    path = tmp_path / "a.rec"
    with far_ends(net, 0):
        process, _ = recorder(net, path)
        load = start_load(net, [], 0, 0, 0, PORTS + 7, 0)
        summary = ends(process, signal.SIGTERM)
        load.communicate()
    assert (summary["binds"], summary["failed_binds"], summary["connects"]) == (PORTS + 7 + 1, 7, PORTS + 1)


def start_load(net, prefix, *numbers):
    load = net.popen([*prefix, PYTHON, "-c", LOAD, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    load.errors = json.loads(load.stdout.readline())
    return load
