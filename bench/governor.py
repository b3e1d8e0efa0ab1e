#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the governor of TIME_WAIT costs and how late it is, with 100,000 connections in TIME_WAIT and 20,000 closes a second.

    bench/governor.py [--json[=FILE]] [--quick|--smoke] [--million] [BUILD]

Needs root. Each row is measured in namespaces of its own, where nothing is in TIME_WAIT yet, over loopback, for some 20 s. Two programs
close, which takes much of two processors. `CPU` is the daemon's, what the kernel does for it included, of one core. `over` is how
many connections are in TIME_WAIT above the limit by the kernel's count, looked at every 5 ms, as milliseconds of closes; `late` how
many were ended more than 100 ms after their time. To have 100,000 at that rate with a delay of 30 s the daemon's clock is 25 s ahead
(time_namespaces(7)). The namespaces have a tcp_max_tw_buckets of 4,000,000.

--million adds two rows with ten times as many in TIME_WAIT, of 65 s and a GiB of memory each. A million takes 50 s, which is near
the 60 s that the kernel keeps them for: from a slower machine they leave by themselves, and the row says so.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

AHEAD = 25
PINS = "/sys/fs/bpf/berth"
FILL_SECONDS = 75  # at most
LOADS = {7001: 10000, 7002: 35000}  # the port of the listener, and the first of the 20,000 local ones
IN_NAMESPACES = ["unshare", "-nm", "sh", "-ec", "ip link set lo up; mount -t bpf bpf /sys/fs/bpf; "
                 'echo 4000000 >/proc/sys/net/ipv4/tcp_max_tw_buckets; exec "$@"', "sh"]


class Effort:
    def __init__(self, rate, held, seconds):
        self.rate, self.held, self.seconds = rate, held, seconds


EFFORTS = {"full": Effort(20000, 100000, 10), "quick": Effort(5000, 10000, 2), "smoke": Effort(1000, 100, 1)}


class Row:
    """What is set, for how long to fill (None: until as many as wanted are there), how to close, what is around the daemon."""

    def __init__(self, settings, fill_seconds, how, around):
        self.settings, self.fill_seconds, self.how, self.around = settings, fill_seconds, how, around


CAP = "MaxFreeTWTcbs = {held}"
ROWS = {
    "MaxFreeTWTcbs, far end closes at once": Row(CAP, None, [], []),
    "MaxFreeTWTcbs, far end closes first": Row(CAP, None, ["-t"], []),
    "TcpTimedWaitDelay = 30": Row("TcpTimedWaitDelay = 30", 30 - AHEAD, ["-t"], ["unshare", "-T", "--monotonic", str(AHEAD)]),
    "TcpTimedWaitDelay = 50": Row("TcpTimedWaitDelay = 50", 50, ["-t"], []),
}
# Quick and smoke have the first.
USUAL = ["MaxFreeTWTcbs, far end closes at once", "MaxFreeTWTcbs, far end closes first", "TcpTimedWaitDelay = 30"]
OF_A_MILLION = ["MaxFreeTWTcbs, far end closes first", "TcpTimedWaitDelay = 50"]


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cgroup():
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    root = next((words[1] for words in mounts if words[2] == "cgroup2"), None)
    if root is None:
        sys.exit("bench/governor.py: no cgroup v2 is mounted")
    own = next(line[4:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::/"))
    return Path(root) / own


def in_time_wait():
    words = Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("tw") + 1])


class Governed:
    """A daemon that governs the namespace we are in, and what it steers: an empty cgroup."""

    def __init__(self, build):
        self.build, self.daemon = build, None
        self.directory = tempfile.TemporaryDirectory()
        self.cgroup = own_cgroup() / f"berth-bench-{os.getpid()}"

    def start(self, settings, around):
        config = Path(self.directory.name) / "berth.conf"
        config.write_text(f"[Parameters]\n{settings}\n")
        self.cgroup.mkdir()
        command = [*around, self.build / "berth", "daemon", f"--config={config}", f"--cgroup={self.cgroup}", f"--pin={PINS}"]
        self.daemon = report.start(command, stderr=subprocess.PIPE, text=True)
        while "TIME_WAIT" not in (line := self.daemon.stderr.readline()):
            if not line:
                sys.exit("bench/governor.py: the daemon has ended")

    def counts(self):
        status = subprocess.run([self.build / "berth", "status", "--json"], check=True, stdout=subprocess.PIPE).stdout
        return json.loads(status)["kernel_mode"]["governor"]

    def end(self):
        """However far it had come."""
        if self.daemon:
            report.end(self.daemon)
            subprocess.run([self.build / "berth", "detach", f"--pin={PINS}"], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        if self.cgroup.exists():
            self.cgroup.rmdir()
        self.directory.cleanup()


class Loads:
    """The programs that close, together at the rate; no connection twice in the time that they are needed."""

    def __init__(self, build, how, effort, held):
        count = (held + effort.rate * (FILL_SECONDS + effort.seconds)) // len(LOADS)
        paced = [build / "tests/system/close_first", *how, "-r", str(effort.rate // len(LOADS))]
        self.running = [report.start([*paced, "-l", str(port), str(first), str(count)], stdout=subprocess.DEVNULL)
                        for port, first in LOADS.items()]

    def check(self):
        if any(load.poll() is not None for load in self.running):
            sys.exit("bench/governor.py: who closes has ended before it was to")

    def end(self):
        for load in self.running:
            report.end(load)


def fill(loads, seconds, held):
    """Until the first have to leave, and a second more."""
    deadline = time.monotonic() + (seconds or FILL_SECONDS)
    while time.monotonic() < deadline and (seconds or in_time_wait() < held):
        loads.check()
        time.sleep(0.1)
    time.sleep(1)


def watch(governed, loads, seconds):
    """Counts of the governor and closes, each a second; how many are in TIME_WAIT, often; CPU in percent; lost reports."""
    before, begun, used, samples = governed.counts(), time.monotonic(), cpu_s(governed.daemon.pid), []
    while time.monotonic() < begun + seconds:
        samples.append(in_time_wait())
        time.sleep(0.005)
    cpu = 100 * (cpu_s(governed.daemon.pid) - used) / (time.monotonic() - begun)
    after, took = governed.counts(), time.monotonic() - begun  # to read the counts takes its time, too
    loads.check()
    changed = {name: after[name] - before[name] for name in ("entered", "ended-delay", "ended-late")}
    return {"rate": changed["entered"] / took, "cpu": cpu, "samples": sorted(samples), "ended": changed["ended-delay"],
            "late": changed["ended-late"], "lost": after["lost"]}


def run(row, held, effort, build):
    """Prints what was measured in the namespaces that we are in."""
    report.end_on_signals()
    governed = Governed(build)
    try:
        governed.start(row.settings.format(held=held), row.around)
        loads = Loads(build, row.how, effort, held)
        try:
            fill(loads, row.fill_seconds, held)
            print(json.dumps(watch(governed, loads, effort.seconds)))
        finally:
            loads.end()
    finally:
        governed.end()


def run_apart(side, held, chosen):
    command = [*IN_NAMESPACES, sys.executable, __file__, "--run", side, str(held), chosen.effort, chosen.build]
    return report.run_measured(command)


def add_rows(rows, side, held, found):
    def add(name, values, unit, note=None):
        rows.add(name, side, values, unit, count=held, of="wanted in TIME_WAIT", note=note)

    add("connections in TIME_WAIT", found["samples"], "connections")
    add("closes a second", [found["rate"]], "1/s", note=f"{found['lost']} reports lost" if found["lost"] else None)
    add("CPU of one core", [found["cpu"]], "%", note="at most 5 is asked")
    if ROWS[side].settings != CAP:
        late = [100 * found["late"] / found["ended"]] if found["ended"] else []
        add("ended more than 100 ms late", late, "%", note="at most 1 is asked" if late else "none was ended by the governor")
        return
    over = [1000 * (sample - held) / found["rate"] for sample in found["samples"]]
    never = "so many are never in TIME_WAIT at this rate" if over[-1] < 0 else None
    for name, part in ("median", 50), ("p99", 99):
        add(f"over MaxFreeTWTcbs, {name}", [] if never else [over[len(over) * part // 100]], "ms of closes",
            note=never or ("at most 100 is asked" if part == 99 else None))


def main():
    if sys.argv[1:2] == ["--run"]:
        side, held, effort, build = sys.argv[2:]
        return run(ROWS[side], int(held), EFFORTS[effort], Path(build).resolve())
    chosen = report.options("What the governor of TIME_WAIT costs", million="also with a million in TIME_WAIT")
    if os.geteuid() != 0:
        return print("bench/governor.py: skipped: kernel mode needs root", file=sys.stderr)
    report.end_on_signals()
    wanted, first = EFFORTS[chosen.effort].held, None if chosen.effort == "full" else 1
    todo = [(side, wanted) for side in USUAL[:first]]
    if chosen.million:
        todo += [(side, 10 * wanted) for side in OF_A_MILLION[:first]]
    rows = report.Report("governor", report.host_settings())
    for side, held in todo:
        add_rows(rows, side, held, run_apart(side, held, chosen))
    rows.finish(chosen)


main()
