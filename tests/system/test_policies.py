# SPDX-License-Identifier: MIT
"""The older policies make one choice for a connection: where it is a connection still in TIME_WAIT with the same
destination, the program is told. That is the failure that Berth's own rule is there to avoid, so it must be seen."""

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
