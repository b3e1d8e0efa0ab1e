# SPDX-License-Identifier: MIT
"""The ten steps with the choice of before Server 2003 SP1, and the two settings that its description names against their
error, live: each stops it, at its price. Needs root. tests/core/port_space_test.c has the same in 3976 ports and minutes.
"""

import errno
import subprocess

import pytest
from conftest import wait_for
from test_governor import before_30_s, cap, governed, hooks, in_the_past  # noqa: F401, the fixtures

FIRST, PORTS, KEPT = 40000, 10, 4
LEGACY = "[Berth]\npolicy = legacy\n"

# Steps 1 to 6 to destination A; others use the other ports, to B. After a line of input, steps 7 to 10.
STEPS = """
import socket, sys
def ask(to):
    one = socket.socket()
    if sys.argv[1] == "bind":
        one.bind(("127.0.0.1", 0))
    error = one.connect_ex(("127.0.0.1", to))
    port = one.getsockname()[1]
    if error == 0:
        one.shutdown(socket.SHUT_WR)
        one.recv(1)
    one.close()
    return port, error
for to in [7001] + [7002] * (int(sys.argv[2]) - 1):
    port, error = ask(to)
    assert error == 0
print("all in TIME_WAIT", flush=True)
input()
print(*ask(7001))
"""


@pytest.fixture
def walk(governed):
    """(port, errno) of steps 8 and 10. Nothing in TIME_WAIT can be taken over: there are no timestamps."""
    governed.net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
    governed.net.sysctl("ipv4.tcp_timestamps", 0)
    governed.net.sink()

    def run(how, wait):
        command = [*governed.hooks.steered, "/usr/bin/python3", "-c", STEPS, how, PORTS]
        steps = governed.net.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert steps.stdout.readline() == "all in TIME_WAIT\n"
        wait()
        return tuple(map(int, steps.communicate("\n", timeout=20)[0].split()))

    return run


@pytest.mark.parametrize("how", ["bind", "connect"])
def test_error(governed, walk, how):
    """Step 10, without either. Where no bind() came first it is an event."""
    governed.start(LEGACY, says=False)
    everyone = [*range(FIRST, FIRST + PORTS)]
    port, error = walk(how, lambda: governed.wait_for_ports(everyone))
    assert error == errno.EADDRNOTAVAIL and governed.ports() == everyone
    if how == "bind":
        assert port == FIRST
    else:
        assert governed.said().startswith("time-wait-collision (4227): 127.0.0.1:7001: 1 calls of connect() ")


@pytest.mark.parametrize("how", ["bind", "connect"])
def test_delay(governed, walk, how):
    """TcpTimedWaitDelay = 30: whoever waits so long has the port again. The price: all have left TIME_WAIT, at half the time
    that the kernel keeps it for."""
    governed.start(before_30_s(LEGACY), around=in_the_past())

    def all_have_left():
        """Counted before the next one is made, which will be due as well; and once all are counted, as they leave first."""
        governed.wait_for_ports([])
        wait_for(lambda: governed.counts()["ended-delay"] >= PORTS, "the others to be counted")
        counts = governed.counts()
        assert (counts["ended-delay"], counts["ended-cap"]) == (PORTS, 0)

    assert walk(how, all_have_left) == (FIRST, 0)


@pytest.mark.parametrize("how", ["bind", "connect"])
def test_cap(governed, walk, how):
    """MaxFreeTWTcbs: the oldest have left at once. The price: all but the cap, after no time at all."""
    governed.start(cap(KEPT, LEGACY))
    assert walk(how, lambda: governed.wait_for_ports(range(FIRST + PORTS - KEPT, FIRST + PORTS))) == (FIRST, 0)
    governed.wait_for_ports([FIRST, *range(FIRST + PORTS - KEPT + 1, FIRST + PORTS)])
    counts = governed.counts()
    assert (counts["ended-cap"], counts["ended-delay"]) == (PORTS + 1 - KEPT, 0)
