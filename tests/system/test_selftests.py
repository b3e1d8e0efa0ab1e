# SPDX-License-Identifier: MIT
"""What the Linux kernel's own selftests expect of local ports (tools/testing/selftests/net: ip_local_port_range,
bind_timewait, reuseaddr_conflict, reuseaddr_ports_exhausted, bind_wildcard, tcp_port_share), asked anew: the same on stock
Linux and under Berth."""

import itertools
import json

import pytest

PREAMBLE = """
import errno, json, os, socket, struct
V4, V6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
LOOPBACK, ANY = {V4: "127.0.0.1", V6: "::1"}, {V4: "0.0.0.0", V6: "::"}
NO_PORT, PORT_RANGE = 24, 51
held = []
def made(family=V4, kind=TCP):
    held.append(socket.socket(family, kind))
    return held[-1]
def outcome(call, *arguments):
    try: call(*arguments); return "ok"
    except OSError as error: return errno.errorcode[error.errno]
def set_range(s, lo, hi): s.setsockopt(socket.SOL_IP, PORT_RANGE, struct.pack("=HH", lo, hi))
def get_range(s): return list(struct.unpack("=HH", s.getsockopt(socket.SOL_IP, PORT_RANGE, 4)))
def bind_any_port(s, address=None): s.bind((address or LOOPBACK[s.family], 0))
def port(s): return s.getsockname()[1]
def drop():
    for s in held: s.close()
    held.clear()
def tell(value): print(json.dumps(value), flush=True)
"""

TRANSPORTS = [f"{family}, {kind}" for family, kind in itertools.product(["V4", "V6"], ["TCP", "UDP"])]


def ask(net, prefix, text):
    return [json.loads(line) for line in net.output([*prefix, "/usr/bin/python3", "-c", PREAMBLE + text]).splitlines()]


# --- ip_local_port_range ----------------------------------------------------------------------------------------------


@pytest.fixture
def wide(net):
    net.sysctl("ipv4.ip_local_port_range", "40000 49999")
    return net


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_port_range_option(wide, prefix, transport):
    text = f"""
FAMILY, KIND = {transport}
s = made(FAMILY, KIND)
tell([outcome(s.setsockopt, socket.SOL_IP, PORT_RANGE, value) for value in
      (struct.pack("=H", 40000), struct.pack("=HH", 40222, 40111), struct.pack("=HHI", 40333, 40444, 0))])
seen = [get_range(s)]
set_range(s, 12345, 54321); seen.append(get_range(s))
set_range(s, 0, 0); seen.append(get_range(s))
tell(seen)
def bound(lo, hi):
    s = made(FAMILY, KIND); set_range(s, lo, hi); bind_any_port(s)
    return port(s)
tell([bound(45000, 45000), bound(0, 40000), bound(49999, 0)])
drop()
tell([40000 <= bound(lo, hi) <= 49999 for lo, hi in 2 * [(30000, 39999), (50000, 59999)]])
drop()
tell(sorted(bound(40000, 40007) for i in range(8)))
ninth = made(FAMILY, KIND); set_range(ninth, 40000, 40007)
tell(outcome(bind_any_port, ninth))
drop()
late = made(FAMILY, KIND); set_range(late, 40100, 40199); late.setsockopt(socket.SOL_IP, NO_PORT, 1)
bind_any_port(late); before = port(late)
outcome(late.connect, (ANY[FAMILY], 0))
tell([before, 40100 <= port(late) <= 40199])
"""
    assert ask(wide, prefix, text) == [
        ["EINVAL"] * 3,
        [[0, 0], [12345, 54321], [0, 0]],
        [45000, 40000, 49999],
        [True] * 4,
        list(range(40000, 40008)),
        "EADDRINUSE",
        [0, True],
    ]


# --- bind_timewait ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_bind_to_a_port_in_time_wait(net, prefix, address):
    """The server's side closes first: its port cannot be bound, as nobody has set SO_REUSEADDR."""
    text = f"""
server = made(); server.bind(({address!r}, 0)); server.listen(1)
client = made(); client.connect(("127.0.0.1", port(server)))
child, _ = server.accept()
name = server.getsockname()
child.close(); client.close(); server.close()
tell(outcome(made().bind, name))
"""
    assert ask(net, prefix, text) == ["EADDRINUSE"]


# --- reuseaddr_conflict -----------------------------------------------------------------------------------------------


def test_reuse_address_conflict(net, prefix):
    """A listener on 127.0.0.1 keeps 0.0.0.0 off, before and after IPv6 has come and gone on the port."""
    text = """
def open_port(family, address, listens=False):
    s = made(family)
    if family == V6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 9999))
    if listens: s.listen(1)
seen = [outcome(open_port, V4, "127.0.0.1", True), outcome(open_port, V4, "0.0.0.0"), outcome(open_port, V6, "::")]
ipv6 = held[-1]
seen.append(outcome(open_port, V4, "0.0.0.0"))
ipv6.close()
seen.append(outcome(open_port, V4, "0.0.0.0"))
tell(seen)
"""
    assert ask(net, prefix, text) == [["ok", "EADDRINUSE", "ok", "EADDRINUSE", "EADDRINUSE"]]


# --- reuseaddr_ports_exhausted ----------------------------------------------------------------------------------------


@pytest.fixture
def one_port(net):
    net.sysctl("ipv4.ip_local_port_range", "32768 32768")
    net.sysctl("ipv4.ip_autobind_reuse", 1)
    return net


EXHAUSTED = """
def bind_port(reuse_address, reuse_port, user=0):
    os.seteuid(user)
    try:
        s = made()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse_address)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
        bind_any_port(s)
    finally: os.seteuid(0)
def both(address, ports, users=(0, 0)):
    seen = [outcome(bind_port, *each) for each in zip(address, ports, users)]
    if seen == ["ok", "ok"] and users != (0, 0):
        seen += [outcome(s.listen, 5) for s in held]
    drop()
    return seen
pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
tell([both(address, ports) for address in pairs[:3] for ports in pairs])
tell([both((1, 1), ports) for ports in pairs])
tell([both((1, 1), ports, (10, 20)) for ports in pairs])
"""


@pytest.mark.parametrize("prefix", ["stock", "kernel-mode"], indirect=True)
def test_last_port_is_shared_by_those_who_say_so(one_port, prefix):
    """With ip_autobind_reuse, two bind to port 0: both must have set SO_REUSEADDR, and not both SO_REUSEPORT of one user; only
    one of them may listen. In supervise mode bind() does not choose a port yet."""
    refused, shared = ["ok", "EADDRINUSE"], ["ok", "ok"]
    assert ask(one_port, prefix, EXHAUSTED) == [
        [refused] * 12,
        [shared] * 3 + [refused],
        [[*shared, *refused]] * 4,
    ]


# --- bind_wildcard ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v4, v6, last", [("ANY", "ANY", "EADDRINUSE"), ("ANY", "LOOPBACK", "ok"), ("LOOPBACK", "ANY", "EADDRINUSE"), ("LOOPBACK", "LOOPBACK", "ok")])
def test_wildcards(net, prefix, v4, v6, last):
    """Sockets of both families on one port, the first on any: IPv6's wildcard is IPv4's too."""
    text = f"""
v4, v6 = (V4, {v4}[V4]), (V6, {v6}[V6])
for (first, one), (second, other) in ((v4, v6), (v6, v4)):
    s = made(first); s.bind((one, 0))
    tell([outcome(made(second).bind, (other, port(s)))])
    drop()
"""
    assert ask(net, prefix, text) == [[last], [last]]


# --- tcp_port_share ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family, sources", [("V4", ["127.1.1.1", "127.2.2.2", "127.3.3.3"]), ("V6", ["2001:db8::1", "2001:db8::2", "2001:db8::3"])])
def test_port_is_had_again_when_its_holder_has_gone(net, prefix, family, sources):
    """The only port, shared by two connections from different addresses, with a socket that is bound to it in between."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40000")
    for source in sources if family == "V6" else []:
        net.output(["ip", "address", "add", f"{source}/32", "dev", "lo", "nodad"])
    text = f"""
FAMILY, SOURCES = {family}, {sources!r}
def lazily(source):
    s = made(FAMILY); s.setsockopt(socket.SOL_IP, NO_PORT, 1); s.bind((source, 0))
    return s
server = made(FAMILY); server.bind((LOOPBACK[FAMILY], 30000)); server.listen(2)
first = lazily(SOURCES[0]); first.connect((LOOPBACK[FAMILY], 30000))
blocker = made(FAMILY); blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); blocker.bind((SOURCES[2], 40000))
blocker.close()
second = lazily(SOURCES[1]); second.connect((LOOPBACK[FAMILY], 30000))
tell([port(first), port(second)])
"""
    assert ask(net, prefix, text) == [[40000, 40000]]
