# SPDX-License-Identifier: MIT
"""berth status: its numbers are those of ss, its exit status serves scripts."""

import re
import time

import pytest
from conftest import BERTH, SINK_PORT, wait_for
from view_world import berth, by_destination, make, refused, report, ss, start, unprivileged

FIRST, LAST = 40000, 40499


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sink()
    return net


def test_numbers_are_those_of_ss(world):
    """Kept, closed, IPv6, two local addresses; a listener and reserved ports in the range."""
    world.sysctl("ipv4.ip_local_reserved_ports", "40010-40019")
    start(world, "import socket\nl = socket.create_server(('127.0.0.1', 40100))\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()")
    make(world, ("127.0.0.1", SINK_PORT, 60, "keep"), ("127.0.0.1", SINK_PORT + 1, 40, "close"))
    make(world, ("::1", SINK_PORT, 30, "keep"), ("127.0.0.1", 40100, 25, "keep"))
    make(world, ("127.0.0.1", SINK_PORT, 15, "close"))
    status = report(world, "status")
    sockets = ss(world)
    wanted = by_destination(sockets, FIRST, LAST)
    found = {(one["remote"], one["local"]): one for one in status["destinations"]}
    usable = 500 - 10 - 1
    assert status["range"] == {"first": FIRST, "last": LAST, "reserved": 10, "held": 1, "usable": usable}
    assert {pair: (one["used"], one["waiting"]) for pair, one in found.items()} == {
        pair: (count["used"], count["waiting"]) for pair, count in wanted.items()
    }
    assert all(one["free"] == usable - one["used"] - one["waiting"] for one in found.values())
    assert status["destination_count"] == len(wanted) == 4
    assert status["sockets"]["inbound_in_range"] == 25
    assert status["sockets"]["time_wait"] == sum(one.state == "TIME-WAIT" for one in sockets)
    assert status["sockets"]["in_use"] == sum(one.state != "TIME-WAIT" for one in sockets)
    fresh = {one["local"]: one["fresh"] for one in status["addresses"]}
    busy = {one.port for one in sockets if FIRST <= one.port <= LAST and one.local in ("127.0.0.1", "0.0.0.0")}
    assert fresh["127.0.0.1"] == 490 - len(busy)


def test_text_says_the_same_on_80_columns(world):
    make(world, ("127.0.0.1", SINK_PORT, 60, "keep"), ("127.0.0.1", SINK_PORT + 1, 40, "close"), ("::1", SINK_PORT, 3, "keep"))
    text = world.output([BERTH, "status"])
    assert max(map(len, text.splitlines())) <= 80 and len(text.splitlines()) <= 24
    assert re.search(rf"^127\.0\.0\.1:{SINK_PORT} from 127\.0\.0\.1 +60 +0 +440 +12% ", text, re.M)
    assert re.search(rf"^127\.0\.0\.1:{SINK_PORT + 1} from 127\.0\.0\.1 +0 +40 +460 ", text, re.M)
    assert f"\n[::1]:{SINK_PORT} from ::1 " in text


def test_long_addresses_stay_on_80_columns(world):
    long = "2001:db8:1111:2222:3333:4444:5555:6666"
    world.output(["ip", "addr", "add", f"{long}/128", "dev", "lo", "nodad"])
    make(world, (long, SINK_PORT, 3, "keep"))
    text = world.output([BERTH, "status"])
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(rf"^\[{long}\]:{SINK_PORT}\n  from {long}\n +3 +0 +497 ", text, re.M)
    assert f"{long}: 497 ports that nobody is on" in text


def test_fullest_ten_come_first(world):
    sink = world.sink(12, first=8001)
    make(world, *[("127.0.0.1", 8001 + i, i + 1, "keep") for i in range(12)])
    status = report(world, "status")
    assert [one["used"] for one in status["destinations"]] == list(range(12, 2, -1))
    assert status["destination_count"] == 12
    assert "and 2 less full\n" in world.output([BERTH, "status"])
    sink.stdin.close()


def test_a_thousand_destinations(world):
    """More than any table begins with."""
    world.sink(1000, first=9001)
    make(world, *[("127.0.0.1", 9001 + i, 1, "keep") for i in range(1000)])
    status = report(world, "status")
    assert status["destination_count"] == 1000 and status["sockets"]["begun_here"] == 1000


@pytest.mark.parametrize("reuse, waiting_counts", [("0", True), ("2", False)])
def test_warn(world, reuse, waiting_counts):
    """TIME_WAIT counts where connect() cannot take it over. 40 % are used, 80 % are used or wait."""
    world.sysctl("ipv4.tcp_tw_reuse", reuse)
    make(world, ("127.0.0.1", SINK_PORT, 200, "keep"), ("127.0.0.1", SINK_PORT, 200, "close"))
    full = 80 if waiting_counts else 40
    assert berth(world, "status", f"--warn={full + 1}%").returncode == 0
    assert berth(world, "status", f"--warn={full}%").returncode == 3
    assert berth(world, "status", f"-w{full}", "--json").returncode == 3
    assert berth(world, "status").returncode == 0


# One connection after the other until its input ends.
GROWS = r"""
import select, socket, sys
kept = [socket.create_connection(("127.0.0.1", 7001))]
print("ready", flush=True)
while len(kept) < 490 and not select.select([sys.stdin], [], [], 0.01)[0]:
    kept.append(socket.create_connection(("127.0.0.1", 7001)))
sys.stdin.read()
"""


def test_growth_shows_in_two_looks(world):
    """Connections that stay open have no age: only a second look sees them grow."""
    grows = start(world, GROWS)
    once = report(world, "status")

    def grown():
        """None where the other was given no time between the two looks."""
        one = report(world, "status", "--interval=0.3")["destinations"][0]
        return one if one["taken_per_s"] > 0 else None

    twice = wait_for(grown, "the other to go on")
    grows.stdin.close()
    assert once["destinations"][0]["taken_per_s"] is None and once["destinations"][0]["exhausts"] is None
    assert twice["exhausts"] is True and twice["seconds_left"] > 0


def test_rate_is_that_of_time_wait(world):
    """One look: what entered TIME_WAIT in the last ten seconds; with timestamps off it is never taken over."""
    world.sysctl("ipv4.tcp_timestamps", "0")
    begun = time.monotonic()
    make(world, ("127.0.0.1", SINK_PORT, 100, "close"))
    one = report(world, "status")["destinations"][0]
    assert (one["waiting"], one["takes_over"], one["blocked"]) == (100, False, 100)
    if time.monotonic() - begun < 10:  # or some of them are not of the last ten seconds any more
        assert (one["taken_per_s"], one["exhausts"]) == (10, True)


def test_without_privilege(world):
    make(world, ("127.0.0.1", SINK_PORT, 7, "keep"))
    with unprivileged() as command:
        assert world.json([*command, "status", "--json"])["destinations"][0]["used"] == 7


def test_empty_host(net):
    status = report(net, "status")
    assert status["destinations"] == [] and status["range"]["usable"] == 28232
    assert "No connection that was begun here" in net.output([BERTH, "status", "--warn=1%"])


@pytest.mark.parametrize("argument", ["--warn=0", "--warn=101%", "--warn=x", "--interval=-1", "--nonsense", "127.0.0.1:1", "-w"])
def test_bad_usage(net, argument):
    refused(net, "status", argument)


def test_what_only_root_can_see(world):
    """That hooks are attached is not denied where the caller may not look."""
    script = 'mount -t bpf -o mode=755 bpf /sys/fs/bpf && mkdir -m 700 /sys/fs/bpf/berth && exec "$@"'
    with unprivileged() as program:
        enter = ["unshare", "-m", "sh", "-c", script, "sh", *program, "status"]
        assert "\nMode      unknown: only root can see " in world.output(enter)
        assert world.json([*enter, "--json"])["kernel_mode"] == {"attached": None}
