# SPDX-License-Identifier: MIT
"""Situations in which a choice of ports can go wrong, one small program for each: where stock Linux succeeds, so does
Berth. The range has 100 ports; what the program tells is how many calls of each step succeeded.

Stock Linux is measured too, and must do what is said of it.
"""

import pytest

FIRST, PORTS = 40000, 100
PYTHON = "/usr/bin/python3"

PREAMBLE = """
import ctypes, json, socket, struct, sys, time
NO_PORT, REUSE, LINGER, RESET = (0, 24, 1), (1, 2, 1), 13, struct.pack("ii", 1, 0)
FIRST, PORTS = 40000, 100
held, told = [], []
def made(*options, family=socket.AF_INET):
    s = socket.socket(family)
    for option in options: s.setsockopt(*option)
    held.append(s)
    return s
def connect(port, source=None, *options, family=socket.AF_INET, host="127.0.0.1"):
    s = made(*options, family=family)
    if source: s.bind(source)
    s.connect((host, port))
    return s
def bind(address, port=0, *options, family=socket.AF_INET):
    s = made(*options, family=family)
    s.bind((address, port))
    return s
def listen(address, port=0):
    s = bind(address, port)
    s.listen(16)
    return s
def drop(number=None):
    for s in held[:number]: s.close()
    del held[:number]
def each(count, call):
    done = 0
    for i in range(count):
        try: call(i); done += 1
        except OSError: pass
    told.append(done)
"""

# name: (program, what it tells on stock Linux)
CASES = {
    "reset by the peer, and not closed": (
        """
far = socket.socket(); far.bind(("127.0.0.1", 6001)); far.listen(200)
def once(i):
    connect(6001); near = far.accept()[0]; near.setsockopt(1, LINGER, RESET); near.close()
each(PORTS, once)
time.sleep(0.1)
each(PORTS, lambda i: connect(7001))
""",
        [100, 100],
    ),
    "refused, and not closed": (
        "each(PORTS, lambda i: connect(5999))\neach(PORTS, lambda i: connect(7001))",
        [0, 100],
    ),
    "disconnected, and not closed": (
        """
def once(i):
    ctypes.CDLL(None).connect(connect(7001 + i % 4).fileno(), bytes(16), 16)
each(2 * PORTS, once)
""",
        [200],
    ),
    "refused, and connected elsewhere": (
        """
def once(i):
    s = made()
    assert s.connect_ex(("127.0.0.1", 5999)) == 111
    s.connect(("127.0.0.1", 7001))
each(PORTS, once)
""",
        [100],
    ),
    "many destinations": ("each(PORTS * 130, lambda i: connect(7001 + i // PORTS))", [13000]),
    "listeners end": (
        """
for i in range(5): listen("127.0.0.1", FIRST + i)
each(PORTS, lambda i: connect(7001))
drop(5)
each(5, lambda i: connect(7001))
""",
        [95, 5],
    ),
    "bound sockets end": (
        """
for i in range(5): bind("127.0.0.1", FIRST + i)
each(PORTS, lambda i: connect(7001))
drop(5)
each(5, lambda i: connect(7001))
""",
        [95, 5],
    ),
    "connections end": (
        """
each(PORTS + 3, lambda i: connect(7001))
for s in held[:50]: s.setsockopt(1, LINGER, RESET)
drop(50)
each(53, lambda i: connect(7001))
""",
        [100, 50],
    ),
    "bound to several addresses": ("each(3 * PORTS, lambda i: connect(7001, (f'127.0.0.{2 + i // PORTS}', 0)))", [300]),
    "bound lazily to several addresses, and one not bound": (
        """
each(3 * PORTS, lambda i: connect(7001, (f"127.0.0.{2 + i // PORTS}", 0), NO_PORT))
each(PORTS, lambda i: connect(7001))
""",
        [300, 100],
    ),
    "one not bound, and then bound lazily to several addresses": (
        """
each(PORTS, lambda i: connect(7001))
each(3 * PORTS, lambda i: connect(7001, (f"127.0.0.{2 + i // PORTS}", 0), NO_PORT))
""",
        [100, 300],
    ),
    "not bound, while others come from an address that they have bound": (
        """
each(PORTS, lambda i: connect(7001, ("127.0.0.9", 0), NO_PORT))
each(1, lambda i: connect(7001))
held[0].setsockopt(1, LINGER, RESET); drop(1)
each(1, lambda i: connect(7001, ("127.0.0.9", 0), NO_PORT))
each(PORTS - 1, lambda i: connect(7001))
""",
        [100, 1, 1, 99],
    ),
    "bound only, on several addresses": ("each(3 * PORTS, lambda i: bind(f'127.0.0.{2 + i // PORTS}'))", [300]),
    "bound to one address, with others on ::ffff:0.0.0.0": (
        """
for i in range(80): bind("::ffff:0.0.0.0", FIRST + i, family=socket.AF_INET6)
each(20, lambda i: bind("127.0.0.1"))
""",
        [20],
    ),
    "bound to ::ffff:0.0.0.0, with others on one address": (
        """
for i in range(80): bind("127.0.0.1", FIRST + i)
each(20, lambda i: bind("::ffff:0.0.0.0", family=socket.AF_INET6))
""",
        [20],
    ),
    "listening on any port": (
        "each(PORTS, lambda i: listen('0.0.0.0'))\ndrop(10)\neach(12, lambda i: listen('0.0.0.0'))",
        [100, 10],
    ),
    "a port learned, left and bound again": (
        """
def once(i):
    s = listen("127.0.0.1"); port = s.getsockname()[1]; s.close()
    listen("127.0.0.1", port).close()
each(3 * PORTS, once)
""",
        [300],
    ),
    "IPv4, mapped and IPv6": (
        """
each(PORTS // 2, lambda i: connect(7001))
each(PORTS // 2, lambda i: connect(7001, family=socket.AF_INET6, host="::ffff:127.0.0.1"))
each(PORTS, lambda i: connect(7001, family=socket.AF_INET6, host="::1"))
""",
        [50, 50, 100],
    ),
    "churn in TIME_WAIT": (
        # So slow that some have always waited for longer than a second (tcp_tw_reuse), also where the far end is late.
        """
def once(i):
    time.sleep(1 / 60)
    connect(7001); drop()
each(150, once)
""",
        [150],
    ),
}


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
    net.sink(150)
    return net


def run(net, prefix, text):
    script = "ulimit -n 20000; exec " + " ".join([*prefix, PYTHON, "-c", '"$0"'])
    return net.json(["bash", "-c", script, PREAMBLE + text + "\nprint(json.dumps(told))"])


def judge(prefix, told, stock):
    if not prefix:
        assert told == stock
    assert all(got >= wanted for got, wanted in zip(told, stock)), f"{told}, stock Linux {stock}"


@pytest.mark.parametrize("case", CASES)
def test_never_worse(world, prefix, case):
    program, stock = CASES[case]
    judge(prefix, run(world, prefix, program), stock)


def test_time_wait_of_others(world, prefix):
    """Connections from before, of sockets that nobody steered: stock Linux takes them over after a second."""
    assert run(world, [], "each(PORTS, lambda i: connect(7001))") == [100]
    assert len(world.time_wait_ports()) == 100
    judge(prefix, run(world, prefix, "time.sleep(2)\neach(PORTS, lambda i: connect(7001))"), [100])
