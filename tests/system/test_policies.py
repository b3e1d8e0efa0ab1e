# SPDX-License-Identifier: MIT
"""The older policies make one choice for a connection: where it is a connection still in TIME_WAIT with the same
destination, the program is told. That is the failure that Berth's own rule is there to avoid, so it must be seen."""

import sys

import pytest
from conftest import BERTH, tool

PORTS = 50
KERNELS = {"this kernel": [], "before 6.3": ["port-range", "ENOPROTOOPT"], "kernel mode": []}


@pytest.fixture
def world(net):
    """The kernel takes nothing over by itself; with timestamps an explicit bind could."""
    net.sysctl("ipv4.ip_local_port_range", f"40000 {40000 + PORTS - 1}")
    net.sysctl("ipv4.tcp_timestamps", 1)
    net.sysctl("ipv4.tcp_tw_reuse", 0)
    net.sink(2)
    return net


@pytest.fixture(params=KERNELS)
def connect(world, request):
    """Connects and closes, count times, and returns how many were made, and the errors."""
    mode = "kernel" if request.param == "kernel mode" else "supervise"
    older = [tool("deny"), *KERNELS[request.param]] if KERNELS[request.param] else []

    def run(policy, count, *options):
        command = [*older, BERTH, "run", f"--mode={mode}", f"--policy={policy}", "--", tool("capacity"), f"--count={count}"]
        result = world.json([*command, *options])
        assert result["bind"] == {}
        return result["connected"], result["connect"]

    return run


@pytest.fixture
def all_waiting(world):
    """Every port is in TIME_WAIT with the first destination, and may be shared. A busy host may drop a connection at its
    end instead: what is missing is made again."""
    fill = [tool("capacity"), f"--count={PORTS}", "--destinations=1", "--port=7001", "--bind=no", "--reuse"]
    for _ in range(10):
        world.json(fill)
        if len(set(world.time_wait_ports())) == PORTS:
            return
    pytest.fail("some ports do not get into TIME_WAIT")


@pytest.mark.parametrize("policy", ["sp1", "legacy"])
def test_time_wait_is_not_taken_over(all_waiting, connect, policy):
    """Of connections to both destinations in turn, none to the first is made; those to the second show meanwhile that the
    host uses timestamps, with which it could have been. (In kernel mode the first one shows from which address they come.)"""
    made, errors = connect(policy, PORTS, "--destinations=2", "--port=7001", "--bind=no")
    assert 0 < made <= PORTS // 2 + 1, errors


def test_time_wait_is_taken_over(all_waiting, connect):
    made, errors = connect("berth", PORTS, "--destinations=2", "--port=7001")
    assert made > PORTS // 2, errors


@pytest.mark.parametrize("policy", ["sp1", "legacy"])
def test_time_wait_with_another_destination(all_waiting, connect, policy):
    """Any of the ports will do. As the older policies are blind to the destination, they may come back to one that they
    have just used."""
    made, errors = connect(policy, PORTS, "--destinations=1", "--port=7002")
    assert made > PORTS // 4, errors


# Connects to each of COUNT destinations from port 7001 on, and where that was made once more. Prints how often each of the two
# was made. What is done between them takes longer each time, so that some second call meets the end of the first connection.
TWICE = r"""
import json, socket, sys

def connect(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0

made = [0, 0]
for number in range(int(sys.argv[1])):
    if connect(7001 + number):
        made[0] += 1
        for i in range(number % 100):
            pass
        made[1] += connect(7001 + number)
print(json.dumps(made))
"""


def test_source_of_one_that_ends(net):
    """From which address the first connection came is known to the second call, be it that the first one has just ended and
    its end is not told yet."""
    destinations, ports = 1000, 20
    net.sysctl("ipv4.ip_local_port_range", f"40000 {40000 + ports - 1}")
    net.sysctl("ipv4.tcp_tw_reuse", 0)
    net.sink(destinations)
    net.json([tool("capacity"), f"--count={destinations * ports}", f"--destinations={destinations}", "--bind=no", "--reuse"])
    assert len(net.time_wait_ports()) == destinations * ports
    first, second = net.json([BERTH, "run", "--mode=kernel", "--policy=legacy", "--", sys.executable, "-c", TWICE, destinations])
    assert first > destinations // 2 and second == 0
