# SPDX-License-Identifier: MIT
"""How many connections fit into a small port range, on stock Linux and under Berth.

Stock Linux is measured too, and must fail: where it does not, the test would prove nothing.
"""

import itertools

import pytest
from conftest import SUPERVISE, tool

PORTS = 1000
DESTINATIONS = 4


@pytest.fixture
def small_range(net):
    net.sysctl("ipv4.ip_local_port_range", f"40000 {40000 + PORTS - 1}")
    net.sink(DESTINATIONS)
    return net


def failed(result):
    return sum(result["bind"].values()) + sum(result["connect"].values())


def reuse_without_timestamps(net, prefix):
    net.sysctl("ipv4.tcp_timestamps", 0)
    net.sysctl("ipv4.ip_autobind_reuse", 1)
    return net.json([*prefix, tool("capacity"), "--count=3000", "--reuse"])


def test_ten_steps_on_stock(small_range):
    """With ip_autobind_reuse the kernel hands out ports whose tuple is in TIME_WAIT: about 1350 of 3000 fail."""
    result = reuse_without_timestamps(small_range, [])
    assert result["bind"] == {}
    assert 1000 <= result["connect"].get("EADDRNOTAVAIL", 0) <= 1700, result


def test_ten_steps_under_berth(small_range, supervise):
    result = reuse_without_timestamps(small_range, supervise)
    assert failed(result) == 0, result
    assert result["connected"] == 3000


def test_ten_steps_with_timestamps(small_range, prefix):
    """3000 connections, closed: stock Linux has one range of them, then bind() fails."""
    result = small_range.json([*prefix, tool("capacity"), "--count=3000"])
    assert result["connected"] == 3000 if prefix else result["connected"] <= PORTS + 50, result


VARIANTS = list(
    itertools.product(
        [[], ["--ipv6"]],
        [[], ["--keep"]],
        [[], ["--nonblocking"]],
        [["--bind=no"], ["--bind=address"], ["--bind=wildcard"]],
    )
)


ALL = [(mode, variant) for mode in ("supervise", "kernel-mode") for variant in VARIANTS]
# Nobody waits in kernel mode: a socket that does not block is nothing of its own there.
CASES = [(mode, variant) for mode, variant in ALL if mode == "supervise" or ["--nonblocking"] not in variant]


def may_be_missed(mode, variant, timestamps):
    """Of 4000. Kernel mode chooses in bind() where the program binds, without knowing the destination: it then has no fewer
    than stock Linux, and all where what is in TIME_WAIT can be taken over."""
    if mode == SUPERVISE:
        return 10
    if ["--bind=no"] in variant or (timestamps and ["--keep"] not in variant):
        return 0
    return 3 * PORTS


@pytest.mark.parametrize("family", [[], ["--ipv6"]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("keep", [[], ["--keep"]], ids=["closed", "kept"])
def test_all_tuples_on_stock(small_range, family, keep):
    """One range of connections, whatever the destinations: 3000 of 4000 fail, all of them in bind()."""
    result = small_range.json([tool("capacity"), *family, *keep])
    assert 2950 <= result["bind"].get("EADDRINUSE", 0) <= 3000, result


@pytest.mark.parametrize("timestamps", [1, 0])
@pytest.mark.parametrize(
    "berth, variant", CASES, indirect=["berth"], ids=lambda v: v if isinstance(v, str) else " ".join(sum(v, []))
)
def test_all_tuples_under_berth(small_range, berth, variant, timestamps):
    """1000 ports and 4 destinations are 4000 tuples."""
    small_range.sysctl("ipv4.tcp_timestamps", timestamps)
    result = small_range.json([*berth, tool("capacity"), *sum(variant, [])])
    assert failed(result) <= may_be_missed(berth, variant, timestamps), result
    assert result["connected"] + failed(result) == 4000


def test_without_bind_on_stock(small_range):
    """A program that does not bind has all tuples."""
    assert failed(small_range.json([tool("capacity"), "--bind=no", "--keep"])) == 0


@pytest.mark.parametrize("keep", [[], ["--keep"]], ids=["closed", "kept"])
@pytest.mark.parametrize("timestamps", [1, 0])
def test_name_asked_before_connecting(small_range, prefix, keep, timestamps):
    """The port is chosen while the destination is unknown, so some tuples are met twice: more than one range is had under
    Berth, two at least in supervise mode, and nearly everything where a connection in TIME_WAIT can be taken over."""
    small_range.sysctl("ipv4.tcp_timestamps", timestamps)
    connected = small_range.json([*prefix, tool("capacity"), "--ask", *keep])["connected"]
    if not prefix:
        assert PORTS <= connected <= PORTS + 50
    elif timestamps and not keep:
        assert connected >= 3900
    else:
        assert connected >= (2 * PORTS if prefix == SUPERVISE else PORTS + 50)
