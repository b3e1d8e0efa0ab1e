# SPDX-License-Identifier: MIT
"""Each program of bench/ runs and says what it is to say; the numbers of --smoke mean nothing, and none is judged here."""

import json
import math
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BERTH, ROOT, wait_for

PROGRAMS = {path.stem: [BERTH.parent / "bench" / path.stem] for path in ROOT.glob("bench/*.c") if "_" not in path.stem}
SCRIPTS = {name: [ROOT / f"bench/{name}.py", BERTH.parent] for name in ("governor", "proxies")}
ALL = {**PROGRAMS, **SCRIPTS}

# What other files look up, and who is to be in it.
MUST_HAVE = {
    "grid": {
        "connect(): p50 against an empty range": {"stock", "sysctls", "options", "supervise", "kernel"},
        "bind(0) + connect(): p50 against an empty range": {"stock", "sysctls", "options", "supervise", "kernel"},
        "connect(), no port left: p50 against one that succeeds": {"stock", "sysctls", "options", "supervise", "kernel"},
        "connect(): CPU of a connection": {"stock", "sysctls", "options", "supervise", "kernel"},
        "bind(0) + connect(), 8 destinations: connections before the first error": {"stock", "supervise", "kernel"},
    },
    "kernel": {
        "connect() on an empty range: p50 against stock": {"kernel"},
        "8 destinations: connections a second against an empty range": {"kernel"},
        "4 destinations, bind(0) + connect() and close, three times the ports: failed": {"stock", "kernel"},
        "memory of the maps": {"kernel"},
    },
    "supervise": {"connect, not bound": {"stock", "supervise", "added"}},
    "governor": {"CPU of one core": {"MaxFreeTWTcbs, far end closes at once"}},
    "proxies": {},
    "view": {
        "CPU time of a look at all sockets": {"berth status", "berth map", "the same sockets, ss -tan"},
        "CPU time of a look at all sockets, as root": {"berth status", "berth map"},
        "CPU time of a look at all sockets, beside a berth daemon": {"berth status", "berth map"},
        "CPU time of a scrape of /metrics": {"berth daemon"},
        "the page, live: CPU of one core": {"one viewer", "ten viewers"},
    },
}


@pytest.fixture(name="cgroups")
def fixture_cgroups(session_cgroup):
    """Names the cgroups below ours. None may be left that was not there before."""

    def look():
        return {path for path in session_cgroup.rglob("*") if path.is_dir()}

    before = look()
    yield lambda: look() - before
    assert not look() - before


def check_row(row):
    assert set(row) == {"name", "side", "fill", "count", "of", "median", "min", "max", "unit", "note"}
    assert row["name"] and row["side"] and row["unit"]
    numbers = [row["min"], row["median"], row["max"]]
    if numbers == [None] * 3:
        assert row["note"], "what could not be measured has a reason"
    else:
        assert all(math.isfinite(number) for number in numbers) and sorted(numbers) == numbers


@pytest.mark.parametrize("name", sorted(ALL))
def test_smoke(name, tmp_path, cgroups):
    """Rows that are whole, each once, in text and in JSON; no cgroup is left."""
    path = tmp_path / "rows.json"
    done = subprocess.run([*ALL[name], "--smoke", f"--json={path}"], cwd=ROOT, capture_output=True, text=True, timeout=100,
                          check=False)
    assert done.returncode == 0, done.stderr
    whole = json.loads(path.read_text())
    assert whole["bench"] == name and whole["effort"] == "smoke"
    assert whole["kernel"] == os.uname().release and whole["machine"]["cpus"] >= 1
    assert "ip_local_port_range" in whole["settings"]
    rows = whole["rows"]
    for row in rows:
        check_row(row)
        assert f"{row['name']}, {row['unit']}\n" in done.stdout
    keys = [(row["name"], row["side"], row["fill"], row["count"]) for row in rows]
    assert rows and len(set(keys)) == len(keys)
    for wanted, sides in MUST_HAVE.get(name, {}).items():
        assert sides <= {row["side"] for row in rows if row["name"] == wanted}, wanted
    assert not cgroups()


def test_governor_of_a_million(cgroups):
    """--million adds to the usual rows one with ten times as many in TIME_WAIT; they were there."""
    out = subprocess.run([*SCRIPTS["governor"], "--smoke", "--million", "--json"], cwd=ROOT, capture_output=True, check=True,
                         timeout=100).stdout
    rows = [row for row in json.loads(out)["rows"] if row["name"] == "connections in TIME_WAIT"]
    assert [row["count"] for row in rows] == [100, 1000]
    assert all(row["median"] >= row["count"] for row in rows)
    assert not cgroups()


def test_view_without_root():
    """Looks are measured, and what needs the daemon has no number."""
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", *PROGRAMS["view"], "--smoke"], capture_output=True, check=True,
                          text=True, timeout=60)
    here, roots, beside = re.split("CPU time of a look at all sockets, (?:as root|beside a berth daemon), ms\n", done.stdout)
    assert re.search(r"^  berth status +80 sockets +[0-9.]+ *$", here, re.M)
    for text in roots, beside:
        assert re.search(r"^  berth status +80 sockets +- *$", text, re.M)
    assert re.search(r"^  80 sockets +- +- *$", beside, re.M)  # one viewer, ten viewers


def test_json_alone():
    """Without a file it is all that is printed."""
    out = subprocess.run([*PROGRAMS["supervise"], "--smoke", "--json"], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(out)["bench"] == "supervise"


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_argument_that_there_is_not(name):
    done = subprocess.run([*ALL[name], "--fast"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--fast" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("name", ["grid", "kernel", "governor", "proxies", "view"])
def test_interrupted(name, cgroups):
    """Who has begun to measure and is told to end leaves no process and no cgroup. They all have a mark in their environment."""
    mark = f"BERTH_TEST_MARK={os.getpid()}-{name}".encode()
    program = subprocess.Popen([*ALL[name], "--quick"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "BERTH_TEST_MARK": mark.split(b"=")[1].decode()})

    def marked():
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.add(process.name)
            except OSError:
                pass
        return found

    # bench/view has many processes before its daemon, and the daemon's is what is left behind easily.
    wait_for(lambda: cgroups() or (name != "view" and len(marked()) > 3), "it to begin", seconds=60)
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    program.wait(60)  # a daemon that is just loading its hooks finishes that first
    wait_for(lambda: not marked() and not cgroups(), "all of it to end", seconds=60)
