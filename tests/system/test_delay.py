# SPDX-License-Identifier: MIT
"""TcpTimedWaitDelay in real seconds: what is handed out, and what ss sees. These tests come last, and what they look at
has gone on since the first test began (long_wait.py)."""

import json

import pytest
from long_wait import PORTS

KERNEL_S = 60  # and up to two more: its timers are coarse


@pytest.mark.parametrize("long_wait", ["supervise-60", "kernel-mode-60", "supervise-80", "kernel-mode-80"])
def test_port_comes_back(long_wait, long_waits):
    """To the destination of its last connection, after the kernel's 60 seconds; with 80 set after these, though the kernel has
    long let it go and timestamps would have allowed it after one second. Another destination has it at once."""
    at_once, back = json.loads(*long_waits[long_wait].lines())
    assert at_once == [PORTS, PORTS]
    delay = int(long_wait.rsplit("-", 1)[1])
    for ages in back:
        assert len(ages) == PORTS, back
        assert delay <= min(ages.values()), back
        assert delay > KERNEL_S or max(ages.values()) < 80, back


@pytest.mark.parametrize("long_wait", ["governor-30"])
def test_leaves_early(long_wait, long_waits):
    """Nobody before 30 seconds have passed; then all, without the kernel's 60."""
    ports = [*range(20000, 20020)]
    looks = [json.loads(line) for line in long_waits[long_wait].lines()]
    assert looks[0][1] == ports and looks[-1][1] == []
    first = next(seconds for seconds, there in looks if there != ports)
    assert 30 <= first and looks[-1][0] < KERNEL_S, looks
