# SPDX-License-Identifier: MIT
"""berth explain: its verdict is what connect() and bind() then do, on the real kernel; its numbers are those of ss."""

import contextlib
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import BERTH, KERNEL, SINK_PORT, wait_for
from view_world import CLOSES_FIRST, PYTHON, berth, make, refused, report, ss, start, unprivileged

HERE = f"127.0.0.1:{SINK_PORT}"
ONCE = "--interval=0"

# One call as a program would make it: what came of it.
CONNECT = f"""
import errno, socket
try:
    socket.socket().connect(("127.0.0.1", {SINK_PORT}))
    print("connected")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
BIND = """
import errno, socket
try:
    socket.socket().bind(("127.0.0.1", 0))
    print("bound")
except OSError as error:
    print(errno.errorcode[error.errno])
"""

HOLD = """
import socket, sys
one = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
one.bind((sys.argv[1], int(sys.argv[2])))
if sys.argv[3] == "listen":
    one.listen()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def world(net):
    net.sink()
    return net


def limit(net, first, last):
    net.sysctl("ipv4.ip_local_port_range", f"{first} {last}")


def shorten_reuse_delay(net):
    """Where the kernel lets one (6.14): its second is long for a test."""
    if Path("/proc/sys/net/ipv4/tcp_tw_reuse_delay").exists():
        net.sysctl("ipv4.tcp_tw_reuse_delay", "10")


@contextlib.contextmanager
def without_take_over(net):
    """For what is made: where a second goes by meanwhile, the kernel gives it a port in TIME_WAIT, which is one less then."""
    before = net.output(["cat", "/proc/sys/net/ipv4/tcp_tw_reuse"]).strip()
    net.sysctl("ipv4.tcp_tw_reuse", "0")
    yield
    net.sysctl("ipv4.tcp_tw_reuse", before)


def explain(net, *arguments):
    return report(net, "explain", ONCE, HERE, *arguments)


def agrees(net, verdict):
    """The verdict is as expected, and connect() then does what it says."""
    one = explain(net)
    assert one["verdict"] == verdict
    assert one["error"] == ("EADDRNOTAVAIL" if verdict == "exhausted" else None)
    assert net.output([PYTHON, "-c", CONNECT]) == (one["error"] or "connected") + "\n"
    return one


@pytest.mark.parametrize("taken, verdict", [(49, "at-once"), (50, "exhausted")])
def test_connections(world, taken, verdict):
    limit(world, 40000, 40049)
    make(world, ("127.0.0.1", SINK_PORT, taken, "keep"))
    one = agrees(world, verdict)
    assert (one["used"], one["free"]) == (taken, 50 - taken)


@pytest.mark.parametrize(
    "settings, verdict",
    [
        ({"tcp_tw_reuse": 0}, "exhausted"),
        ({"tcp_tw_reuse": 2}, "take-over"),
        ({"tcp_tw_reuse": 1}, "take-over"),
        ({"tcp_tw_reuse": 2, "tcp_timestamps": 0}, "exhausted"),
    ],
)
def test_time_wait(world, settings, verdict):
    """All ports are in TIME_WAIT."""
    limit(world, 40000, 40019)
    for name, value in settings.items():
        world.sysctl(f"ipv4.{name}", value)
    begun = time.monotonic()
    with without_take_over(world):
        make(world, ("127.0.0.1", SINK_PORT, 20, "close"))
    shorten_reuse_delay(world)
    wait_for(lambda: explain(world)["verdict"] == verdict, "tcp_tw_reuse_delay")
    one = agrees(world, verdict)
    assert (one["used"], one["waiting"], sum(one["waited_s"])) == (0, 20, 20)
    assert one["closed_here_per_s"] == sum(one["waited_s"][:10]) / 10
    assert not any(one["waited_s"][int(time.monotonic() - begun) + 1 :])


def test_another_destination_takes_nothing(world):
    limit(world, 40000, 40049)
    make(world, ("127.0.0.1", SINK_PORT + 1, 50, "keep"))
    one = agrees(world, "at-once")
    assert (one["used"], one["free"], one["fresh"]) == (0, 50, 0)


@pytest.mark.parametrize("how", ["bind", "listen"])
@pytest.mark.parametrize("address", ["127.0.0.9", "0.0.0.0", "::1"])
def test_a_bound_port_is_no_destinations(world, address, how):
    """Whatever address and family it is bound to."""
    limit(world, 40000, 40000)
    start(world, HOLD, address, 40000, how)
    assert agrees(world, "exhausted")["range"]["held"] == 1


def test_reserved_ports(world):
    limit(world, 40000, 40001)
    world.sysctl("ipv4.ip_local_reserved_ports", "40000")
    make(world, ("127.0.0.1", SINK_PORT, 1, "keep"))
    assert agrees(world, "exhausted")["range"]["reserved"] == 1


def test_no_udp_port_to_ask_the_route_with(world):
    """Which local address a destination is reached from is asked of a UDP socket, which needs a port as well."""
    limit(world, 40000, 40001)
    world.sysctl("ipv4.ip_local_reserved_ports", "40000-40001")
    done = berth(world, "explain", HERE)
    assert done.returncode == 1 and "--from=" in done.stderr
    assert explain(world, "--from=127.0.0.1")["verdict"] == "exhausted"


@pytest.mark.parametrize("taken, outcome", [(49, "bound"), (50, "EADDRINUSE")])
def test_bind_before_connect(world, taken, outcome):
    """A port with a connection to anybody is none for bind() to port 0."""
    limit(world, 40000, 40049)
    with without_take_over(world):
        make(world, ("127.0.0.1", SINK_PORT + 1, 10, "close"), ("127.0.0.1", SINK_PORT + 1, taken - 10, "keep"))
    assert explain(world)["fresh"] == 50 - taken
    assert world.output([PYTHON, "-c", BIND]) == outcome + "\n"
    text = world.output([BERTH, "explain", ONCE, HERE])
    assert ("fails with EADDRINUSE" in text) == (outcome != "bound")
    assert "berth run" in text


def test_search_is_long_from_half_of_the_range_on(world):
    limit(world, 40000, 43999)
    make(world, ("127.0.0.1", SINK_PORT, 1900, "keep"))
    few = explain(world)
    make(world, ("127.0.0.1", SINK_PORT, 150, "keep"))
    many = explain(world)
    assert (few["verdict"], many["verdict"]) == ("at-once", "search")
    assert few["search"] < 100 and many["search"] > 2000
    assert "looks at about 2,0" in world.output([BERTH, "explain", ONCE, HERE])


def test_numbers_are_those_of_ss(world):
    closer = start(world, CLOSES_FIRST, 8001, 12)
    make(world, ("127.0.0.1", 8001, 12, "keep"), ("127.0.0.1", SINK_PORT, 5, "keep"))
    there = lambda: [one for one in ss(world) if one.peer == "127.0.0.1:8001"]
    wait_for(lambda: Counter(one.state for one in there())["CLOSE-WAIT"] == 12, "the peer to close")
    one = report(world, "explain", ONCE, "127.0.0.1:8001")
    assert one["states"] == Counter(one.state for one in there()) == {"CLOSE-WAIT": 12}
    assert "The peer has closed 12 connections" in world.output([BERTH, "explain", ONCE, "127.0.0.1:8001"])
    closer.stdin.close()


def test_advice_goes_from_safe_to_unsafe(world):
    limit(world, 40000, 40099)
    world.sysctl("ipv4.tcp_tw_reuse", "0")
    assert explain(world)["advice"] == []
    begun = time.monotonic()
    make(world, ("127.0.0.1", SINK_PORT, 30, "keep"), ("127.0.0.1", SINK_PORT, 60, "close"))
    advice = {one["id"]: one for one in explain(world)["advice"]}
    order = ["none", "low", "medium", "high"]
    assert [one["risk"] for one in advice.values()] == sorted((one["risk"] for one in advice.values()), key=order.index)
    assert list(advice)[0] == "keep-connections" and list(advice)[-1] == "shorter-time-wait"
    assert advice["tw-reuse"]["gain_ports"] == 60 and advice["more-local-addresses"]["gain_ports"] == 100
    assert advice["wider-range"]["gain_ports"] == 65536 - 1024 - 100 - 4
    text = world.output([BERTH, "explain", ONCE, HERE])
    assert " 1. Keep connections" in text and "listened on there now: 4." in text.replace("\n    ", " ")
    assert 60 - (time.monotonic() - begun) <= int(re.search(r"comes back within (\d+) s\.", text)[1]) <= 60
    assert max(map(len, text.splitlines())) <= 80


def test_advice_keeps_its_promise(world):
    """What it says of tcp_tw_reuse holds when it is done."""
    limit(world, 40000, 40019)
    world.sysctl("ipv4.tcp_tw_reuse", "0")
    make(world, ("127.0.0.1", SINK_PORT, 20, "close"))
    assert "tw-reuse" in [one["id"] for one in agrees(world, "exhausted")["advice"]]
    world.sysctl("ipv4.tcp_tw_reuse", "1")
    shorten_reuse_delay(world)
    wait_for(lambda: explain(world)["verdict"] == "take-over", "tcp_tw_reuse_delay")
    agrees(world, "take-over")


def test_processes(world):
    programs = [make(world, ("127.0.0.1", SINK_PORT, count, "keep")) for count in (7, 3)]
    # nsenter became the program: its pid is the one we started.
    wanted = [("process", program.pid, 7 if program is programs[0] else 3) for program in programs]
    found = explain(world)["processes"]
    assert [(one["holder"], one["pid"], one["sockets"]) for one in found] == wanted
    assert f"(pid {programs[0].pid}): 7\n" in world.output([BERTH, "explain", ONCE, HERE])


def test_processes_of_others_are_hidden(world):
    """Without privilege another user's sockets are known by their user only, and the text says so."""
    if os.geteuid() != 0:
        pytest.skip("needs a second user, and so root")
    make(world, ("127.0.0.1", SINK_PORT, 7, "keep"))
    with unprivileged() as command:
        found = world.json([*command, "explain", ONCE, HERE, "--json"])["processes"]
        assert found == [{"holder": "hidden", "uid": 0, "sockets": 7}]
        assert "a process of root that only root may look into: 7" in world.output([*command, "explain", ONCE, HERE])


def test_timestamps(world):
    assert explain(world)["timestamps"] is None
    holder = make(world, ("127.0.0.1", SINK_PORT, 1, "keep"))
    assert explain(world)["timestamps"] is True
    holder.stdin.close()
    world.sysctl("ipv4.tcp_timestamps", "0")
    assert explain(world)["timestamps"] is False


def test_a_peer_without_timestamps(world):
    """They are on here, but the connections were made without: what waits cannot be taken over."""
    limit(world, 40000, 40019)
    world.sysctl("ipv4.tcp_timestamps", "0")
    make(world, ("127.0.0.1", SINK_PORT, 5, "keep"), ("127.0.0.1", SINK_PORT, 15, "close"))
    world.sysctl("ipv4.tcp_timestamps", "1")
    shorten_reuse_delay(world)
    one = agrees(world, "exhausted")
    assert (one["timestamps"], one["takes_over"], one["blocked"]) == (False, False, 20)
    assert "tw-reuse" not in [advice["id"] for advice in one["advice"]]
    assert "The peer does not use them" in world.output([BERTH, "explain", ONCE, HERE])


def test_names_services_and_brackets(world):
    make(world, ("::1", SINK_PORT, 4, "keep"), ("127.0.0.1", SINK_PORT, 6, "keep"))
    assert report(world, "explain", ONCE, f"[::1]:{SINK_PORT}")["used"] == 4
    # A name may have both addresses; the first is taken, as connect() would.
    named = report(world, "explain", ONCE, f"localhost:{SINK_PORT}")
    assert {"127.0.0.1": 6, "[::1]": 4}[named["remote"].rsplit(":", 1)[0]] == named["used"]
    assert report(world, "explain", ONCE, "127.0.0.1:http")["remote"] == "127.0.0.1:80"
    assert report(world, "explain", ONCE, f"[::ffff:127.0.0.1]:{SINK_PORT}")["used"] == 6


FROM = """
import socket, sys
kept = []
for i in range(5):
    kept.append(socket.create_connection(("127.0.0.1", 7001), source_address=("127.0.0.9", 0)))
print("ready", flush=True)
sys.stdin.read()
"""


def test_other_local_addresses(world):
    start(world, FROM)
    assert (explain(world)["used"], explain(world)["elsewhere"]) == (0, 5)
    other = explain(world, "--from=127.0.0.9")
    assert (other["local"], other["used"], other["elsewhere"]) == ("127.0.0.9", 5, 0)


def test_no_way_there(world):
    one = report(world, "explain", ONCE, "192.0.2.1:80")
    assert (one["verdict"], one["error"]) == ("no-route", "ENETUNREACH")
    assert "fails with ENETUNREACH" in world.output([BERTH, "explain", ONCE, "192.0.2.1:80"])


@pytest.mark.parametrize(
    "arguments",
    [[], ["::1:80"], ["127.0.0.1"], ["127.0.0.1:"], [":80"], ["127.0.0.1:0"], ["127.0.0.1:65536"], ["127.0.0.1:99999"], ["127.0.0.1:-1"], ["127.0.0.1:x y"],
     ["--from=name", HERE], [HERE, HERE], ["--interval=x", HERE], ["--nonsense"], ["a" * 2000 + ":1"]],
)
def test_bad_usage(net, arguments):
    refused(net, "explain", *arguments)


def test_unknown_name(net):
    done = berth(net, "explain", "no-such-host.invalid:80")
    assert done.returncode == 1 and done.stderr.startswith("berth explain: cannot resolve 'no-such-host.invalid'")


def test_in_kernel_mode(world):
    """There is no search to fear, and nothing better to be had by Berth."""
    limit(world, 40000, 43999)
    make(world, ("127.0.0.1", SINK_PORT, 2050, "keep"))
    asked = [BERTH, "explain", ONCE, HERE]
    outside, inside = (world.json([*prefix, *asked, "--json"]) for prefix in ([], KERNEL))
    advice = [{one["id"] for one in said["advice"]} for said in (outside, inside)]
    assert (outside["steered"], outside["verdict"], "berth-run" in advice[0]) == (False, "search", True)
    assert (inside["steered"], inside["verdict"], "berth-run" in advice[1]) == (True, "at-once", False)
    assert "connect() gets a port at once: Berth's kernel mode chooses it." in world.output([*KERNEL, *asked])
