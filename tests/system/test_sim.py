# SPDX-License-Identifier: MIT
"""berth sim: its Linux is this Linux, its output is well formed, and what is wrong is said in one line."""

import csv
import io
import json
import math
import os
import struct
import subprocess
import xml.etree.ElementTree

import pytest
from conftest import BERTH, ROOT, need, tool, wait_for

PORTS, DESTINATIONS = 1000, 4
SMALL = ["--ports=2000-2299", "--set=TcpTimedWaitDelay=30"]  # ten connections a second to one destination
LINUX = {"linux-bind": [], "linux-bind-reuse": ["--reuse"], "linux-connect": ["--bind=none"]}


def sim(*arguments):
    return subprocess.run([str(BERTH), "sim", *arguments], capture_output=True, text=True, timeout=60)


def sim_json(*arguments):
    done = sim("--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one_second(policy, count, hold):
    """count connections to four destinations within a second, by one policy."""
    return sim_json(f"--policy={policy}", f"--ports=40000-{39999 + PORTS}", f"--destinations={DESTINATIONS}",
                    f"--rate={count}", "--warm-up=0", "--duration=1", f"--hold={hold}",
                    "--set=TcpTimedWaitDelay=60")["runs"][0]


def kernel(net, policy, *arguments):
    net.sysctl("ipv4.ip_local_port_range", f"40000 {39999 + PORTS}")
    net.sysctl("ipv4.tcp_timestamps", "0")
    net.sysctl("ipv4.ip_autobind_reuse", "1" if policy == "linux-bind-reuse" else "0")
    net.sink(DESTINATIONS)
    return net.json([tool("capacity"), f"--destinations={DESTINATIONS}", *LINUX[policy], *arguments])


@pytest.mark.parametrize("policy", LINUX)
def test_linux_kept_stock(net, policy):
    """Connections that are kept: the kernel and its re-creation run out at the same number."""
    real = kernel(net, policy, "--count=6000", "--keep")
    made = one_second(policy, 6000, "1d")
    # Where ports are drawn blindly the last few are a matter of chance: of 1,750 that there are, the chance that one
    # is missed by 5,000 draws of 250 ports and 4 destinations is e^-5 each.
    expected_missed = 750 * math.exp(-5) if policy == "linux-bind-reuse" else 0
    assert abs(real["connected"] - made["connected"]) <= 4 * math.sqrt(2 * expected_missed), (real, made)


def test_linux_closed_stock(net):
    """The ten steps on stock Linux, without timestamps: as many fail as in the simulation."""
    policy, count = "linux-bind-reuse", 3000
    real = kernel(net, policy, f"--count={count}")
    made = one_second(policy, count, "0")
    failed = real["connect"].get("EADDRNOTAVAIL", 0)
    assert failed > 1000
    share = failed / count
    assert abs(failed - made["time_wait_collision"]) <= 4 * math.sqrt(2 * count * share * (1 - share)), (real, made)


def test_same_numbers(tmp_path):
    """The same seed gives the same bytes, JSON and CSV the same numbers; another seed gives others."""
    load = [*SMALL, "--rate=5,12", "--arrivals=poisson", "--destinations=3", "--zipf=1", "--hold=exp:2", "--closed-here=60",
            "--addresses=2", "--burst=2", "--policy=legacy-random,sp1,berth,rfc6056-4,linux-connect,nat-ten-tries"]
    first, second, other = (sim("--json", *load, f"--seed={seed}").stdout for seed in (7, 7, 8))
    assert first == second and json.loads(first)["runs"] != json.loads(other)["runs"]
    runs = json.loads(first)["runs"]
    rows = list(csv.DictReader(io.StringIO(sim("--csv", *load, "--seed=7").stdout)))
    assert len(runs) == len(rows) == 12
    for run, row in zip(runs, rows):
        run.pop("by_time")
        assert run.keys() == row.keys()
        for name, value in run.items():
            if name == "policy":
                assert row[name] == value
            elif value is None:
                assert row[name] == ""
            else:
                assert math.isclose(float(row[name]), value, rel_tol=1e-12)
        assert run["attempts"] == sum(run[name] for name in (
            "connected", "exhausted", "time_wait_collision", "peer_collision", "in_use"))


def test_text(tmp_path):
    """Each policy has its row in both tables; several rates make one table."""
    names = [entry["policy"] for entry in json.loads(sim("--list", "--json").stdout)]
    assert len(names) == len(set(names)) >= 15
    lines = sim(*SMALL, "--rate=9").stdout.splitlines()
    rates = sim(*SMALL, "--rate=" + ",".join(map(str, range(1, 10)))).stdout.splitlines()
    for name in names:
        assert sum(line.split()[:1] == [name] for line in lines) == 2
        assert sum(line.split()[:1] == [name] for line in rates) == 2
        assert any(line.split()[:1] == [name] for line in sim("--list").stdout.splitlines())


def test_one_file_each():
    """A policy has the file of its name, and that alone; the file says where the policy comes from."""
    names = {entry["policy"] for entry in json.loads(sim("--list", "--json").stdout)}
    files = {path.stem.removeprefix("policy_").replace("_", "-"): path.read_text()
             for path in (ROOT / "sim").glob("policy_*.c")}
    assert files.keys() == names
    for name, text in files.items():
        assert f'.name = "{name}"' in text and text.count("const struct sim_policy ") == 1
        assert "\n * Source: " in text[:text.index("*/")], name


def plot(path, *arguments, find_in=""):
    """Draws with what is found in that folder only."""
    return subprocess.run([str(BERTH), "sim", *SMALL, *arguments, f"--plot={path}"], capture_output=True, text=True,
                          timeout=60, env={"PATH": str(find_in)})


def test_plot(tmp_path):
    """Without gnuplot, the picture is XML, with a line for each policy and a point for each rate; and by time for one rate."""
    svg = "{http://www.w3.org/2000/svg}"
    for rates, points in (("5,8,9,12", 4), ("12", 100)):
        path = tmp_path / "plot.svg"
        done = plot(path, f"--rate={rates}", "--policy=legacy,sp1,berth", find_in=tmp_path)
        assert done.returncode == 0 and done.stdout
        lines = xml.etree.ElementTree.parse(path).getroot().findall(f"{svg}polyline")
        assert [len(line.get("points").split()) for line in lines] == [points] * 3
    # SP1 fails below capacity nowhere, which is the bottom of the picture, and above it somewhere.
    done = plot(path, "--rate=5,8,9,12", "--policy=sp1", find_in=tmp_path)
    line = xml.etree.ElementTree.parse(path).getroot().find(f"{svg}polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points").split()]
    assert heights[0] == heights[1] == heights[2] > heights[3]


def test_plot_by_gnuplot(tmp_path):
    """gnuplot draws both, with all the names; where it is missing or fails, a PNG is refused in one line."""
    gnuplot = os.path.dirname(need("gnuplot"))
    png, svg = tmp_path / "plot.png", tmp_path / "plot.svg"
    assert plot(png, "--rate=5,12", "--policy=sp1,nat-ten-tries", find_in=gnuplot).returncode == 0
    assert struct.unpack(">8s4x4s2I", png.read_bytes()[:24]) == (b"\x89PNG\r\n\x1a\n", b"IHDR", 960, 510)
    assert plot(svg, "--rate=12", "--policy=sp1,nat-ten-tries", find_in=gnuplot).returncode == 0
    words = "".join(xml.etree.ElementTree.parse(svg).getroot().itertext())
    assert "GNUPLOT" in words and "sp1" in words and "nat-ten-tries" in words
    done = plot(png, "--rate=12", find_in=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1) and "gnuplot" in done.stderr
    broken = tmp_path / "gnuplot"
    broken.write_text('#!/bin/sh\ntest "$1" = --version\n')
    broken.chmod(0o755)
    done = plot(png, "--rate=12", "--policy=sp1", find_in=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"berth sim: {png}: gnuplot could not draw it\n")


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def recording(connections):
    """connections to one destination, a second apart, each closed here a millisecond later."""
    out = b"berthrec\1" + bytes(7) + b"\1\0" + bytes(10) + b"\xff\xff\xc0\0\2\1" + struct.pack("<H", 443)
    for _ in range(connections):
        out += b"\3" + varint(999000) + varint(5) + varint(0) + b"\4" + varint(1000) + varint(5) + b"\0"
    return out


def test_recording(tmp_path):
    """A recording is a load: with 100 ports and 120 s of TIME_WAIT, 100 connections in 120 are made by SP1's rule."""
    path = tmp_path / "a.rec"
    path.write_bytes(recording(1200))
    result = sim_json(f"--recording={path}", "--ports=2000-2099", "--policy=sp1,berth")
    load = result["load"]
    assert (load["recording"], load["destinations"], load["connects"], load["lasts_s"]) == (str(path), 1, 1200, 1200)
    # One a second, and each in TIME_WAIT for 120 s.
    assert load["peak"] == {"remote": "192.0.2.1:443", "connected": 1, "time_wait": 120, "at_s": pytest.approx(121, abs=1)}
    for run in result["runs"]:
        # A port is free again 120.001 s after its connection began: at the 121st second, or a tick later.
        assert run["attempts"] == 1200 and run["rate"] is None
        assert run["connected"] == pytest.approx(1200 * 100 / 121, abs=100)
    path.write_bytes(recording(3)[:-1])
    done = sim(f"--recording={path}", "--policy=berth")
    assert done.returncode == 1 and " Recorded: 3 connects " in done.stdout
    assert done.stderr == f"berth sim: {path}: byte 64: the last record is cut short; this is what lies before it\n"


def test_plan_given():
    """Numbers that are given: capacity of the tables, and Erlang's loss beyond it."""
    plan = sim_json("--plan", "--rate=500", "--destinations=2", "--ports=32768-60999", "--set=TcpTimedWaitDelay=60")
    now, unshared, shorter, limited, wider, more = plan["changes"]
    assert not plan["live_load"] and not plan["live_ports"]
    assert now["fits"] and now["busy"] == pytest.approx(15000) and now["addresses_needed"] == 1
    assert not unshared["fits"] and unshared["addresses_needed"] == 2
    assert unshared["failed_share"] == pytest.approx(1 - 28232 / 30000, abs=0.002)
    assert shorter["busy"] == pytest.approx(7500) and more["busy"] == pytest.approx(7500)
    assert limited["time_wait_s"] == pytest.approx(2) and limited["rate_most"] is None
    assert wider["ports"] == 64510 and wider["rate_most"] > 2 * now["rate_most"]


def test_plan_live_stock(net):
    """Numbers of this host: 300 connections in TIME_WAIT to three places are five a second."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40999")
    net.sysctl("ipv4.ip_local_reserved_ports", "40100-40199")
    net.sink(3)
    nothing = net.run([BERTH, "sim", "--plan"])
    assert nothing.returncode == 2 and "say --rate" in nothing.stderr
    net.json([tool("capacity"), "--count=300", "--destinations=3"])
    wait_for(lambda: len(net.time_wait_ports()) == 300, "all to be in TIME_WAIT")  # the far end may have some still to close
    plan = net.json([BERTH, "sim", "--plan", "--json"])
    assert plan["live_load"] and plan["live_ports"] and plan["destinations"] == 3
    assert plan["rate"] == pytest.approx(5) and plan["rate_to_busiest"] == pytest.approx(5 / 3)
    assert plan["changes"][0]["ports"] == 900 and plan["changes"][0]["busy"] == pytest.approx(100)
    assert "(127.0.0.1:" in net.output([BERTH, "sim", "--plan"])


WRONG = [
    "--rate=0", "--rate=-1", "--rate=1,", "--rate=1e9", "--rate=nan", "--rate=0x10", "--arrivals=sometimes",
    "--burst=0", "--destinations=0", "--destinations=1000001", "--destinations=5x", "--zipf=-1", "--zipf=11",
    "--hold=", "--hold=exp", "--hold=exp:", "--hold=pareto:1", "--hold=pareto:1:1", "--hold=1w", "--closed-here=101",
    "--ports=5", "--ports=0-5", "--ports=9-5", "--ports=1-65536", "--ports=1-5x", "--addresses=257",
    "--set=TcpTimedWaitDelay=29", "--set=TcpTimedWaitDelay", "--set=MaxUserPort=65535", "--set=MaxFreeTWTcbs=0",
    "--set=Other=1", "--policy=", "--policy=berth,", "--policy=other", "--warm-up=x", "--duration=0", "--duration=367d",
    "--seed=-1", "--seed=18446744073709551616", "--json --csv", "--plan --csv", "--list --csv", "--plan --policy=berth",
    "--plan --rate=1,2", "--plan --rate=1 --burst=2", "--plan --zipf=1", "--recording=x --rate=1", "--rate", "--other",
    "word", "--plot=x", "--plot=.svg", "--rate=1e6 --destinations=1000000 --ports=1-65535",
]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong(arguments):
    """One line that names what and where, status 2, and nothing on standard output."""
    done = sim(*arguments.split(" "))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("berth sim: ") and done.stderr.count("\n") == 1
    assert arguments.split(" ")[0].split("=")[0] in done.stderr or "--csv" in done.stderr


def test_files_that_are_not(tmp_path):
    """Status 1 and the file's name."""
    empty = tmp_path / "empty"
    empty.touch()
    for arguments in ([f"--recording={tmp_path}/none"], [f"--recording={tmp_path}"], [f"--recording={empty}"],
                      ["--duration=10", "--policy=sp1", f"--plot={tmp_path}/none/x.svg"]):
        done = sim(*arguments)
        assert done.returncode == 1 and str(tmp_path) in done.stderr and done.stderr.count("\n") == 1
