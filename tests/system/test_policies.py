# SPDX-License-Identifier: MIT
"""The older policies make one choice for a connection: where it is a connection still in TIME_WAIT with the same
destination, the program is told. That is the failure that Berth's own rule is there to avoid, so it must be seen."""

import pytest
from conftest import BERTH, tool

PORTS = 50
KERNELS = {"this kernel": [], "before 6.3": ["port-range", "ENOPROTOOPT"]}


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
    """Connects and closes, count times to one destination, and returns how many were made, and the errors."""

    def run(policy, count, port):
        older = [tool("deny"), *KERNELS[request.param]] if KERNELS[request.param] else []
        command = [*older, BERTH, "run", f"--policy={policy}", "--", tool("capacity"), f"--count={count}"]
        result = world.json([*command, "--destinations=1", f"--port={port}"])
        assert result["bind"] == {}
        return result["connected"], result["connect"]

    return run


@pytest.mark.parametrize("policy", ["sp1", "legacy"])
def test_time_wait_is_not_taken_over(connect, policy):
    assert connect(policy, 2 * PORTS, 7001) == (PORTS, {"EADDRNOTAVAIL": PORTS})


def test_time_wait_is_taken_over(connect):
    assert connect("berth", 2 * PORTS, 7001) == (2 * PORTS, {})


@pytest.mark.parametrize("policy", ["sp1", "legacy"])
def test_time_wait_with_another_destination(connect, policy):
    """All ports are in TIME_WAIT, and none with this destination: any of them will do. As the older policies are blind to
    the destination, they may come back to a port that they have just used."""
    assert connect("berth", PORTS, 7001) == (PORTS, {})
    made, errors = connect(policy, PORTS, 7002)
    assert made > PORTS // 4, errors
