# SPDX-License-Identifier: MIT
"""berth record and berth replay: what is recorded is what a program did, under stock Linux and under Berth, and a replay
is the same use of ports."""

import json
import os
import re
import signal
import stat
import subprocess
import tempfile

import pytest
from conftest import BERTH, tool, wait_for
from view_world import CLOSES_FIRST, PYTHON, make, ss, start, unprivileged

PORTS = 100

# Makes connections to ports 7001 (a sink, which closes when we have) and 7101 (which closes first), and prints what became
# of them. Its arguments: how many are closed here, by the peer and by a reset; how many bind to port 0 first, and
# are reset; how many connect without, and stay, or fail.
LOAD = r"""
import errno, json, socket, struct, sys, time
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

# Until no end is on its way: in FIN_WAIT_1, FIN_WAIT_2, LAST_ACK or CLOSING. The kernel may lose a FIN that meets the far end's
# close() (tcp_rcv_state_process()), and sends it anew.
def settle():
    while any(line.split()[3] in ("04", "05", "09", "0B") for line in open("/proc/net/tcp")):
        time.sleep(0.01)

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
settle()
binding = [client(7002, bind=0) for i in range(bound)]
for sock in filter(None, binding):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
for i in range(kept):
    client(7001)
client(7999)
listener = socket.create_server(("127.0.0.1", 5555))
print(json.dumps(errors), flush=True)
sys.stdin.read()
"""


# Binds to port 0 and connects, so often; then so often more, and prints how many of these fail at once.
BINDS = r"""
import socket, sys
held, failed = [], 0
for i in range(int(sys.argv[1]) + int(sys.argv[2])):
    sock = socket.socket()
    try:
        sock.bind(("127.0.0.1", 0))
        sock.connect(("127.0.0.1", 7002))
        held.append(sock)
    except OSError:
        failed += 1
        sock.close()
print(failed, flush=True)
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


def varint(data, at):
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def bound_ports(path):
    """The ports that binds asked for, read by nothing of Berth's: the format is in sim/recording.h."""
    data, at, ports = path.read_bytes(), 16, []
    assert data[:9] == b"berthrec\1"
    while at < len(data):
        kind = data[at]
        _, at = varint(data, at + 1)
        if kind == 1:
            at += 18
            continue
        _, at = varint(data, at)
        if kind == 2:
            ports.append(int.from_bytes(data[at : at + 2], "little"))
            at += 2
        elif kind == 3:
            _, at = varint(data, at)
        else:
            assert kind == 4
            at += 1
    assert at == len(data)
    return ports


def replay(net, path, *arguments):
    return net.json([BERTH, "replay", "--json", path, *arguments])


def runs(result):
    return {run["policy"]: run for run in result["runs"]}


def start_load(net, prefix, *numbers):
    """The load, when it has begun all; what failed is in .errors."""
    load = net.popen([*prefix, PYTHON, "-c", LOAD, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    load.errors = json.loads(load.stdout.readline())
    return load


def prepare(net, closes=0):
    net.sysctl("ipv4.ip_local_port_range", f"40000 {39999 + PORTS}")
    net.sysctl("ipv4.tcp_timestamps", "0")  # no TIME_WAIT is taken over: a port is free or it is not
    net.sink(2)
    start(net, CLOSES_FIRST, 7101, closes)


def in_time_wait(net):
    return sum(one.state == "TIME-WAIT" and one.peer == "127.0.0.1:7001" for one in ss(net))


def test_record(net, prefix, tmp_path):
    """Connects, binds, who closed first and what failed for want of a port; and the replay has the same use and failures."""
    path = tmp_path / "a.rec"
    prepare(net, 20)
    process, _ = recorder(net, path)
    load = start_load(net, prefix, 30, 20, 10, 5, 75)
    assert in_time_wait(net) == 30
    connected = sum(one.state == "ESTAB" and one.peer == "127.0.0.1:7001" for one in ss(net))
    summary = ends(process)
    load.communicate()
    failed = 30 + 75 - PORTS
    assert load.errors == {"EADDRNOTAVAIL": failed, "ECONNREFUSED": 1}
    assert summary["seen_by"] == "kernel" and summary["lost"] == 0 and summary["ended_by"] == "signal"
    assert (summary["connects"], summary["failed_connects"]) == (30 + 20 + 10 + 5 + 75 + 1, failed)
    assert (summary["binds"], summary["failed_binds"]) == (5 + 1, 0)
    assert summary["closed"] == {"here": 30, "by_peer": 20, "without_time_wait": 10 + 5 + 1}
    assert summary["open"] == connected == 75 - failed
    assert summary["at_start"]["held"] == 3 and summary["destinations"] == 4
    ports = bound_ports(path)  # kernel mode names another port in the place of 0: what is recorded is what was asked
    assert (sorted(ports[:3]), ports[3:]) == ([7001, 7002, 7101], 5 * [0] + [5555])
    result = replay(net, path, "--policy=linux-connect,berth")
    load, peak = result["load"], result["load"]["peak"]
    assert (result["first_port"], result["last_port"], result["TcpTimedWaitDelay"]) == (40000, 39999 + PORTS, 60)
    assert (load["connects"], load["failed_connects"], load["binds"]) == (141, failed, 6 + 3)
    assert peak == {"remote": "127.0.0.1:7001", "connected": connected, "time_wait": 30, "at_s": peak["at_s"]}
    linux, berth = result["runs"]
    assert (linux["attempts"], linux["connected"], linux["exhausted"]) == (141, 141 - failed, failed)
    assert linux["first_failure_s"] == load["first_failed_s"]
    assert linux["failed_to"] == {"first": "127.0.0.1:7001", "most": "127.0.0.1:7001", "most_failures": failed,
                                  "most_attempts": 30 + 10 + 75}
    # Whoever chooses, five are too many. That a peer has a port in TIME_WAIT is no policy's to know.
    assert berth["exhausted"] + berth["time_wait_collision"] == failed
    assert berth["connected"] == 141 - failed - berth["peer_collision"]


def test_failed_bind_stock(net, tmp_path):
    """bind() to port 0 that finds none is recorded; a policy that knows the destination would not have failed."""
    path = tmp_path / "a.rec"
    prepare(net)
    process, _ = recorder(net, path)
    load = net.popen([PYTHON, "-c", BINDS, PORTS, 7], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert load.stdout.readline() == "7\n"
    summary = ends(process, signal.SIGTERM)
    load.communicate()
    assert (summary["binds"], summary["failed_binds"]) == (PORTS + 7, 7)
    assert (summary["connects"], summary["failed_connects"], summary["open"]) == (PORTS, 0, PORTS)
    load = replay(net, path, "--policy=berth")["load"]
    assert (load["failed_binds"], load["failed_connects"]) == (7, 0) and load["first_failed_s"] > 0


def test_found_at_the_start(net, tmp_path):
    """What there is already comes first; what a daemon does not have to be there for."""
    path = tmp_path / "a.rec"
    prepare(net)
    net.sysctl("ipv4.ip_local_reserved_ports", "40010-40019,50000")
    load = make(net, ("127.0.0.1", 7001, 12, "close"), ("127.0.0.1", 7002, 9, "keep"))
    process, _ = recorder(net, path)
    load.communicate()  # ends, and closes the nine here
    wait_for(lambda: sum(one.state == "TIME-WAIT" for one in ss(net)) == 12 + 9, "TIME_WAIT")
    summary = ends(process)
    assert summary["at_start"] == {"connections": 9, "time_wait": 12, "held": 3, "reserved": 10}
    assert (summary["connects"], summary["closed"]["here"], summary["open"]) == (0, 9, 0)
    result = replay(net, path, "--policy=berth,linux-bind")
    assert result["load"]["connects"] == 21 and result["load"]["peak"]["time_wait"] == 12
    # 90 ports are left: with two more reserved, one too few for what there was.
    assert [run["exhausted"] for run in result["runs"]] == [0, 0]
    small = replay(net, path, "--policy=berth", "--ports=40000-40020")["runs"][0]
    assert small["exhausted"] + small["time_wait_collision"] == 1 and small["connected"] == 20


def test_start_under_load(net, tmp_path):
    """Of what connects and closes while the recording begins, nothing is missed and nothing is there twice."""
    path = tmp_path / "a.rec"
    net.sysctl("ipv4.ip_local_port_range", "30000 59999")
    load = net.popen([tool("close_first"), "-r", "6000", "20000", "6000"], stdout=subprocess.PIPE)
    process, _ = recorder(net, path)
    assert load.stdout.readline() == "done\n"
    wait_for(lambda: sum(one.state == "TIME-WAIT" for one in ss(net)) == 6000, "TIME_WAIT")
    summary = ends(process)
    at_start = summary["at_start"]
    assert at_start["connections"] + at_start["time_wait"] + summary["connects"] == 6000
    assert summary["open"] == 0


def test_without_privilege(net, tmp_path):
    """By looking: of what was closed here none is missed, however short; and what is missing is said. None binds to port 0: a look
    between a bind() and its connect() would rightly find it."""
    prepare(net, 20)
    with unprivileged() as berth, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        process, said = recorder(net, f"{folder}/a.rec", "--interval=0.1", program=berth)
        load = start_load(net, [], 30, 20, 10, 0, 60)
        assert in_time_wait(net) == 30
        summary = ends(process)
        load.communicate()
        result = replay(net, f"{folder}/a.rec", "--policy=berth")
    assert len(said) == 1 and "is missing" in said[0] and "not permitted" in said[0]
    assert summary["seen_by"] == "looks" and summary["failed_connects"] is summary["lost"] is None
    assert summary["closed"]["here"] == 30 and summary["open"] == 60
    assert 30 + 60 <= summary["connects"] <= 30 + 20 + 10 + 60 + 1  # which is refused
    assert summary["binds"] == 1 and summary["at_start"]["held"] == 3
    assert (result["load"]["peak"]["connected"], result["load"]["peak"]["time_wait"]) == (60, 30)


def test_hashed_and_filtered(net, tmp_path):
    """On request no address is in the file, and equal ones are equal; on request only what goes to one destination."""
    prepare(net)
    paths = tmp_path / "a.rec", tmp_path / "b.rec"
    both = [recorder(net, paths[0], "--hash-addresses"), recorder(net, paths[1], "--destination=127.0.0.1:7002")]
    load = start_load(net, [], 8, 0, 0, 3, 6)
    summaries = [ends(process) for process, _ in both]
    load.communicate()
    assert [one["connects"] for one in summaries] == [8 + 3 + 6 + 1, 3]
    assert b"\x7f\0\0\1" not in paths[0].read_bytes() and b"\x7f\0\0\1" in paths[1].read_bytes()
    hashed, only = (replay(net, path, "--policy=berth")["load"] for path in paths)
    assert hashed["hashed"] and hashed["destinations"] == 3 and re.fullmatch("#[0-9a-f]{12}:7001", hashed["peak"]["remote"])
    assert not only["hashed"] and only["destinations"] == 1 and only["peak"]["remote"] == "127.0.0.1:7002"


def test_ipv6(net, tmp_path):
    """Both families are destinations by their addresses, whatever the family of the socket."""
    prepare(net)
    recorders = [recorder(net, tmp_path / "a.rec"), recorder(net, tmp_path / "b.rec", "--destination=[::1]:7001")]
    load = make(net, ("::1", 7001, 5, "keep"), ("::ffff:127.0.0.1", 7002, 2, "keep"), ("127.0.0.1", 7002, 1, "keep"))
    summaries = [ends(process) for process, _ in recorders]
    load.communicate()
    assert [(one["connects"], one["destinations"], one["open"]) for one in summaries] == [(8, 2, 8), (5, 1, 5)]
    peaks = [replay(net, tmp_path / name, "--policy=berth")["load"]["peak"] for name in ("a.rec", "b.rec")]
    assert [(one["remote"], one["connected"]) for one in peaks] == 2 * [("[::1]:7001", 5)]


def test_file(net, tmp_path):
    """It is its owner's, is made and not overwritten, ends at --max-size, and is a recording also when berth is killed."""
    path, small, killed = (tmp_path / name for name in ("a.rec", "small.rec", "killed.rec"))
    prepare(net)
    net.sysctl("ipv4.ip_local_port_range", "40000 49999")
    first, _ = recorder(net, path, "--duration=0.2")
    assert json.loads(first.communicate()[0])["ended_by"] == "duration"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = net.run([BERTH, "record", path])
    assert (again.returncode, again.stderr) == (1, f"berth record: {path}: it is there already; say another name, or remove it\n")
    limited, _ = recorder(net, small, "--max-size=4K")
    doomed, _ = recorder(net, killed)
    load = start_load(net, [], 900, 0, 0, 0, 0)  # 4 KB are full before all have connected, even if none has closed
    summary = json.loads(limited.communicate(timeout=20)[0])
    assert summary["ended_by"] == "max-size" and small.stat().st_size == summary["bytes"] <= 4096
    assert 0 < replay(net, small, "--policy=berth")["load"]["connects"] == summary["connects"] < 900
    wait_for(lambda: killed.stat().st_size > 4000, "what was recorded to be written")
    doomed.kill()
    doomed.communicate()
    load.communicate()
    assert replay(net, killed, "--policy=berth")["load"]["connects"] > 300


def test_bad_files(net, tmp_path):
    """One line and status 1; of a file that was cut, with what is whole in it."""
    good, bad = tmp_path / "good.rec", tmp_path / "bad.rec"
    prepare(net)
    process, _ = recorder(net, good)
    load = start_load(net, [], 5, 0, 0, 0, 0)
    ends(process)
    load.communicate()
    whole = good.read_bytes()
    for text, fault in ((b"", "it is empty"), (b"berthre", "byte 0: this is no recording of berth's"),
                        (whole[:8] + b"\2" + whole[9:], "byte 8: a version"), (whole + b"\7", f"byte {len(whole)}: a kind"),
                        (whole[:16], "nobody connects in it")):
        bad.write_bytes(text)
        done = net.run([BERTH, "replay", bad])
        assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith(f"berth replay: {bad}: {fault}")
        assert done.stderr.count("\n") == 1
    bad.write_bytes(whole[:-1])
    done = net.run([BERTH, "replay", "--json", "--policy=berth", bad])
    assert done.returncode == 1 and "cut short" in done.stderr and done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["load"]["cut"] and json.loads(done.stdout)["load"]["connects"] == 6


@pytest.mark.parametrize("arguments", [
    ("record",), ("record", "a", "b"), ("record", "--duration=0", "a"), ("record", "--duration=x", "a"), ("record", "--max-size=1", "a"),
    ("record", "--max-size=9X", "a"), ("record", "--max-size=2000000G", "a"), ("record", "--max-size=8KK", "a"),
    ("record", "--max-size=-1", "a"), ("record", "--interval=0", "a"), ("record", "--destination=x", "a"), ("record", "--other", "a"),
    ("replay",), ("replay", "a", "b"), ("replay", "--rate=1", "a"), ("replay", "--plan", "a"), ("replay", "--recording=b", "a"),
    ("replay", "--policy=other", "a"),
])
def test_usage(arguments, tmp_path):
    done = subprocess.run([BERTH, *arguments], capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(f"berth {arguments[0]}: ")
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
