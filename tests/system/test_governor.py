# SPDX-License-Identifier: MIT
"""The governor of TIME_WAIT: MaxFreeTWTcbs and TcpTimedWaitDelay below 60 s, as ss sees them from outside. Needs root.

To be in TIME_WAIT for 30 seconds takes 30 seconds. So some daemons here live in a time namespace whose monotonic clock is
AHEAD seconds ahead of that by which the kernel reports what closes: for them these are older by so much.
"""

import re
import signal
import time
import subprocess

import pytest
from conftest import BERTH, BPF_FS, Machine, Namespace, tool, wait_for

SAYS = "berth daemon: "
AHEAD = 28
FIRST = 20000


class Governed:
    """A daemon whose settings lie in a file. It governs its own network namespace; what it steers is an empty cgroup."""

    def __init__(self, net, hooks, path):
        self.net, self.hooks, self.path, self.daemon = net, hooks, path, None

    def start(self, text, around=(), says=None):
        """What it says of the settings; `says` tells whether it does, if not whenever there are any."""
        self.path.write_text(text)
        command = [*self.hooks.enter, *around, BERTH, "daemon", f"--config={self.path}", *self.hooks.options]
        self.daemon = self.net.popen(command, stderr=subprocess.PIPE)
        assert "pinned in" in self.said()
        return self.said() if (bool(text) if says is None else says) else None

    def said(self):
        line = self.daemon.stderr.readline()
        assert line.startswith(SAYS), line
        return line.removeprefix(SAYS).rstrip("\n")

    def change(self, text):
        self.path.write_text(text)
        self.daemon.send_signal(signal.SIGHUP)
        assert self.said() == "took the settings anew"

    def end(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(20)
            self.daemon = None

    def close_first(self, *arguments):
        self.net.output([tool("close_first"), *arguments])

    def ports(self, state="time-wait"):
        lines = self.net.output(["ss", "-Htn", "state", state]).splitlines()
        return sorted(int(line.split()[2].rsplit(":", 1)[1]) for line in lines)

    def wait_for_entered(self, count):
        """A socket that is reported in FIN_WAIT_2, as its far end was slow, is looked at up to 40 ms later: who closes meanwhile
        may have entered before it."""
        wait_for(lambda: self.counts()["entered"] == count, "all to be seen")

    def wait_for_ports(self, expected):
        try:
            wait_for(lambda: self.ports() == sorted(expected), "the others to leave")
        finally:
            assert self.ports() == sorted(expected)

    def counts(self):
        """Since the test began."""
        return {name: count - self.before[name] for name, count in self.all_counts().items()}

    def all_counts(self):
        return self.status()["governor"]

    def status(self):
        return self.net.json([*self.hooks.enter, BERTH, "status", "--json"])["kernel_mode"]


@pytest.fixture(scope="module")
def hooks():
    """Pinned once for all daemons here, as it takes seconds to load them: each of these finds them, and lives in the network
    namespace of its test."""
    net = Namespace()
    machine = Machine(net)
    machine.options[-1] = f"--pin={BPF_FS}/berth"
    daemon, _ = machine.start()
    machine.end(daemon)
    yield machine
    machine.run([BERTH, "detach", machine.options[-1]])
    machine.holder.stdin.close()
    machine.close()
    assert not net.close()


@pytest.fixture
def governed(net, hooks, tmp_path):
    made = Governed(net, hooks, tmp_path / "berth.conf")
    made.before = made.all_counts()
    yield made
    made.end()


def cap(connections, more=""):
    return f"[Parameters]\nMaxFreeTWTcbs = {connections}\n{more}"


@pytest.mark.parametrize("how", [[], ["-t"], ["-6"], ["-6", "-t"]])
def test_cap(governed, how):
    """The oldest leave, by their ports, whichever way they came into TIME_WAIT; what is under the cap stays."""
    said = governed.start(cap(30))
    assert said.startswith("MaxFreeTWTcbs = 30: connections leave TIME_WAIT early: ")
    assert "retransmitted FIN gets a RST" in said and "usually makes this unnecessary" in said
    governed.close_first(*how, FIRST, 30)
    governed.wait_for_entered(30)
    assert governed.ports() == [*range(FIRST, FIRST + 30)]
    if "-t" in how:
        governed.close_first(*how, FIRST + 100, 70)
    else:
        governed.close_first(*how, FIRST + 100, 40)
        governed.wait_for_entered(70)
        governed.close_first(*how, FIRST + 140, 30)
    governed.wait_for_ports(range(FIRST + 140, FIRST + 170))
    counts = governed.counts()
    assert (counts["ended-cap"], counts["ended-delay"], counts["gone"], counts["lost"]) == (70, 0, 0, 0)


SERVES = '''
import socket, sys
server = socket.create_server(("127.0.0.1", 7009), backlog=200)
ports = []
for i in range(40):
    there = socket.create_connection(("127.0.0.1", 7009))
    here = server.accept()[0]
    ports.append(there.getsockname()[1])
    here.close()
    there.recv(1)
    there.close()
'''


def test_who_accepted_closes_first(governed):
    """The TIME_WAIT of a server, which has no port of its own to give back, and of a program whose port the kernel chose."""
    governed.start(cap(10))
    governed.net.output(["/usr/bin/python3", "-c", SERVES])
    governed.wait_for_ports([7009] * 10)
    assert governed.counts()["ended-cap"] == 30


def test_half_closed(governed):
    """FIN_WAIT_2 is not TIME_WAIT: it neither counts nor leaves. When the far end has closed, it does both."""
    governed.start(cap(5))
    waits = governed.net.popen([tool("close_first"), "-h", FIRST, 20], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert waits.stdout.readline() == "done\n"
    half = [*range(FIRST, FIRST + 20)]
    wait_for(lambda: governed.ports("fin-wait-2") == half, "the kernel to have all in FIN_WAIT_2")
    governed.close_first("-6", "-t", FIRST + 100, 8)
    governed.wait_for_ports(range(FIRST + 103, FIRST + 108))
    assert governed.ports("fin-wait-2") == half
    waits.communicate("\n")
    wait_for(lambda: governed.ports("fin-wait-2") == [], "the far end to close")  # until then five others are there
    wait_for(lambda: len(governed.ports()) == 5, "all but five to leave")
    assert {*governed.ports()} < {*half} and governed.ports("fin-wait-2") == []


def before_30_s(text):
    return f"[Parameters]\nTcpTimedWaitDelay = 30\n{text}"


def in_the_past(ahead=AHEAD):
    return ["unshare", "-T", "--monotonic", ahead]


def test_delay(governed):
    """Who has been there for 30 seconds leaves, and nobody earlier."""
    said = governed.start(before_30_s(""), around=in_the_past())
    assert said.startswith("TcpTimedWaitDelay = 30: ")
    begun = time.monotonic()
    governed.close_first("-t", FIRST, 20)
    wait_for(lambda: len(governed.ports()) < 20, "the first to leave")
    left = 30 - AHEAD - (time.monotonic() - begun)
    assert left <= 0, f"{left} s too early"
    governed.wait_for_ports([])
    assert governed.counts()["ended-delay"] == 20


def test_both(governed):
    governed.start(before_30_s("MaxFreeTWTcbs = 10\n"), around=in_the_past(20))  # 10 s to see those that the cap leaves
    governed.close_first("-t", FIRST, 30)
    governed.wait_for_ports(range(FIRST + 20, FIRST + 30))
    governed.wait_for_ports([])
    counts = governed.counts()
    assert (counts["ended-cap"], counts["ended-delay"]) == (20, 10)
    # wherever one may look; and what no daemon holds to is not in force
    assert governed.status()["time_wait"] == {"max_free_tw_tcbs": 10, "timed_wait_delay_s": 30, "timestamps_only": False}
    total = governed.status()["governor"]
    metrics = governed.net.output(["curl", "-sS", "http://127.0.0.1:4227/metrics"]).splitlines()
    assert {"berth_max_free_tw_tcbs 10", "berth_timed_wait_delay_seconds 30",
            f'berth_time_wait_ended_total{{setting="MaxFreeTWTcbs"}} {total["ended-cap"]}',
            f'berth_time_wait_ended_total{{setting="TcpTimedWaitDelay"}} {total["ended-delay"]}'} <= set(metrics)
    text = governed.net.output([*governed.hooks.enter, BERTH, "status"])
    assert "TIME_WAIT: MaxFreeTWTcbs 10, TcpTimedWaitDelay 30 s, " in text and f"{total['ended-cap']} ended early" in text
    governed.daemon.kill()
    governed.daemon.wait()
    status = governed.status()
    assert (status["daemon"], status["time_wait"]["max_free_tw_tcbs"], status["governor"]["ended-cap"]) == (False, None, total["ended-cap"])


def test_settings_change(governed):
    """On, narrower, wider, off, while it runs. What closed before it was switched on is known, in its order."""
    governed.start("")
    for first, count in (0, 10), (10, 35), (45, 5):
        governed.close_first(FIRST + first, count)
        time.sleep(1)  # the kernel tells ages in ticks of its clock: who closed within one has no order
    governed.change(cap(40))
    assert governed.said().startswith("MaxFreeTWTcbs = 40: ")
    governed.wait_for_ports(range(FIRST + 10, FIRST + 50))
    governed.change(cap(5))
    assert governed.said().startswith("MaxFreeTWTcbs = 5: ")
    governed.wait_for_ports(range(FIRST + 45, FIRST + 50))
    governed.change(cap(15))
    assert governed.said().startswith("MaxFreeTWTcbs = 15: ")
    governed.close_first(FIRST + 100, 20)
    governed.wait_for_ports(range(FIRST + 105, FIRST + 120))
    governed.change("")
    governed.close_first(FIRST + 200, 50)
    assert governed.ports() == [*range(FIRST + 105, FIRST + 120), *range(FIRST + 200, FIRST + 250)]


def test_timestamps_only(governed):
    """RFC 6191's condition: a connection without timestamps stays."""
    governed.start(cap(1, "[Berth]\ntime-wait-timestamps-only = yes\n"))
    governed.net.sysctl("ipv4.tcp_timestamps", 0)
    governed.close_first(FIRST, 10)
    governed.net.sysctl("ipv4.tcp_timestamps", 1)
    governed.close_first(FIRST + 100, 10)
    governed.wait_for_ports(range(FIRST, FIRST + 10))
    assert governed.counts()["spared"] == 10


def test_restart(governed):
    """Killed with 100,000 in TIME_WAIT: the next one learns them, and their order."""
    governed.start(cap(150000))
    governed.close_first(10000, 100000)
    time.sleep(3)  # what a dump tells of ages is some milliseconds wrong, on a busy machine as much as it stalls
    governed.close_first(FIRST + 10000, 10)
    governed.daemon.kill()
    governed.daemon.wait()
    governed.close_first(FIRST + 20000, 10)
    governed.start(cap(20))
    governed.wait_for_ports([*range(FIRST + 10000, FIRST + 10010), *range(FIRST + 20000, FIRST + 20010)])


def test_no_sock_destroy(governed):
    said = governed.start(cap(1), around=[tool("deny"), "sock-destroy", "EOPNOTSUPP"])
    assert said == (
        "TcpTimedWaitDelay, MaxFreeTWTcbs: no effect: connections cannot be taken out of TIME_WAIT: Operation not supported"
        " (the kernel was built without CONFIG_INET_DIAG_DESTROY)"
    )
    governed.close_first(FIRST, 5)
    assert len(governed.ports()) == 5


# A connection of which the client closes first. On each line of input the server's FIN goes out once more, byte by byte as it
# was captured (but for the checksum, which is not filled in over loopback), as if the last ACK had been lost. Prints what
# the client's side says to that, as captured: the flags, and whether the numbers are those of the connection.
SEGMENT = """
import socket, struct, sys

def tcp(frame):
    ip = frame[14:]
    if len(ip) < 40 or ip[9] != 6:
        return None
    return struct.unpack("!HHIIBB", ip[(ip[0] & 15) * 4:][:14])

def checked(frame):
    ip, segment = frame[14:34], bytearray(frame[34:])
    segment[16:18] = bytes(2)
    data = ip[12:20] + struct.pack("!BBH", 0, 6, len(segment)) + segment + bytes(len(segment) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    segment[16:18] = struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
    return frame[:34] + bytes(segment)

def next_from(port, wanted=0):
    while True:
        frame, where = wire.recvfrom(65535)
        fields = tcp(frame)
        if where[2] != socket.PACKET_OUTGOING and fields and fields[0] == port and fields[5] & wanted == wanted:
            return frame, fields

FIN, RST, ACK = 1, 4, 16
listener = socket.create_server(("127.0.0.1", 7002))
client = socket.create_connection(("127.0.0.1", 7002), source_address=("127.0.0.1", int(sys.argv[1])))
server = listener.accept()[0]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
wire.bind(("lo", 0x0800))
wire.settimeout(60)
client.close()
server.recv(1)
server.close()
fin, fields = next_from(7002, FIN)
end = fields[2] + 1 & 0xffffffff
next_from(int(sys.argv[1]), ACK)
print("closed", flush=True)
for line in sys.stdin:
    wire.send(checked(fin))
    _, answer = next_from(int(sys.argv[1]))
    kind = "RST" if answer[5] & RST else "ACK"
    print(kind, "expected" if (answer[3] == end if kind == "ACK" else answer[2] == fields[3]) else answer, flush=True)
"""


def test_segment_after_an_early_leave(governed):
    """What goes on the wire when the far end sends its FIN again: an ACK from TIME_WAIT; once it was left, a RST."""
    governed.start(cap(1))
    for setting in "route_localnet", "accept_local":  # lets in what comes by itself, without a route that it has left by
        governed.net.sysctl(f"ipv4.conf.lo.{setting}", 1)
    wire = governed.net.popen(
        ["/usr/bin/python3", "-c", SEGMENT, FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1
    )
    assert wire.stdout.readline() == "closed\n"
    governed.wait_for_entered(1)
    assert governed.ports() == [FIRST] and ask(wire) == "ACK expected\n"
    governed.close_first(FIRST + 1, 1)
    governed.wait_for_ports([FIRST + 1])
    assert ask(wire) == "RST expected\n"
    wire.communicate()


# A connection that leaves a TIME_WAIT; then, on a line of input, another one between the same ends. On the next line: does it work?
TAKE_OVER = """
import socket, sys, time

def connect():
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("127.0.0.1", int(sys.argv[1])))
    client.connect(("127.0.0.1", 7002))
    return client, listener.accept()[0]

listener = socket.create_server(("127.0.0.1", 7002))
client, server = connect()
client.close()
server.recv(1)
server.close()
print("closed", flush=True)
sys.stdin.readline()
for attempt in range(40):
    try:
        client, server = connect()
        break
    except OSError:
        time.sleep(0.1)
print("taken over", flush=True)
sys.stdin.readline()
client.send(b"x")
print("alive" if server.recv(1) == b"x" else "dead", flush=True)
"""


def test_taken_over(governed):
    """A connection that has taken the place of one in TIME_WAIT is not hit when that one is the oldest."""
    governed.start(cap(1))
    other = governed.net.popen(
        ["/usr/bin/python3", "-c", TAKE_OVER, FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == "closed\n"
    governed.wait_for_entered(1)
    assert ask(other) == "taken over\n"
    governed.close_first(FIRST + 1, 1)
    governed.wait_for_entered(2)
    governed.close_first(FIRST + 2, 1)
    governed.wait_for_ports([FIRST + 2])
    assert governed.counts()["gone"] == 1
    assert ask(other) == "alive\n"
    other.communicate()


def ask(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


# Connects to port 7001 `count` times and closes first, or keeps all; how many calls found no port.
CONNECT = """
import socket, sys
kept, failed = [], 0
for _ in range(int(sys.argv[2])):
    client = socket.socket()
    try:
        client.connect(("127.0.0.1", 7001))
        kept.append(client)
    except OSError:
        failed += 1
    if sys.argv[1] == "close" and kept:
        kept[-1].shutdown(socket.SHUT_WR)
        kept[-1].recv(1)
        kept.pop().close()
print(failed)
"""


@pytest.mark.parametrize("how, event", [("keep", "ports-exhausted (4231)"), ("close", "time-wait-collision (4227)")])
def test_event(governed, how, event):
    """One line a minute for a destination, with the number of calls."""
    governed.net.sysctl("ipv4.ip_local_port_range", "40000 40009")
    governed.net.sysctl("ipv4.tcp_timestamps", 0)  # nothing in TIME_WAIT can be taken over
    governed.net.sink()
    governed.start("")
    command = [*governed.hooks.steered, "/usr/bin/python3", "-c", CONNECT, how]
    assert governed.net.json([*command, 13]) == 3
    said = governed.said()
    assert said.startswith(f"{event}: 127.0.0.1:7001: ") and "'berth explain 127.0.0.1:7001'" in said
    counted = governed.status()["ports_exhausted"][0]
    assert counted["remote"] == "127.0.0.1:7001" and 0 < int(said.split()[3]) <= counted["count"] <= 3
    assert counted["collisions"] == (counted["count"] if how == "close" else 0)
    listed = governed.status()["events"][0]  # those of the tests before are there, too
    assert f"{listed['event']} ({listed['number']})" == event and listed["advice"] in said
    assert (listed["remote"], listed["count"]) == ("127.0.0.1:7001", counted["count"]) and 0 <= listed["last_s"] < 60
    metrics = governed.net.output(["curl", "-sS", "--local-port", "20000-20999", "http://127.0.0.1:4227/metrics"])
    total = int(re.search(rf'^berth_events_total{{event="{listed["event"]}",number="{listed["number"]}"}} (\d+)$', metrics, re.M)[1])
    assert total == sum(one["count"] for one in governed.status()["events"] if one["event"] == listed["event"])
    governed.net.run([*command, 13])
    governed.daemon.terminate()
    assert governed.said() == "ends; the hooks stay ('berth detach' removes them)"
