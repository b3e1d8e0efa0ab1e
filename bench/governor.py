#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the governor of TIME_WAIT costs and how late it is, with 100,000 connections in TIME_WAIT and 20,000 closes a second.

    bench/governor.py [--json[=FILE]] [--quick|--smoke] [BUILD]

Needs root. All of it is in namespaces of its own, over loopback, for some 15 s a row. `CPU` is the daemon's, what the kernel does for
it included, of one core. `over` is how many connections are in TIME_WAIT above the limit by the kernel's count, looked at every 5 ms,
as milliseconds of closes; `late` how many were ended more than 100 ms after their time. To have so many in TIME_WAIT with a delay of
30 s the daemon's clock is 25 s ahead (time_namespaces(7)).
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
INSIDE = "BERTH_BENCH_INSIDE"


class Effort:
    def __init__(self, rate, held, seconds):
        self.rate, self.held, self.seconds = rate, held, seconds


EFFORTS = {"full": Effort(20000, 100000, 10), "quick": Effort(5000, 10000, 2), "smoke": Effort(1000, 100, 1)}
ROWS = {  # what is set, how the far end closes, around the daemon; quick and smoke have the first
    "MaxFreeTWTcbs, far end closes at once": ("MaxFreeTWTcbs = {held}", [], []),
    "MaxFreeTWTcbs, far end closes first": ("MaxFreeTWTcbs = {held}", ["-t"], []),
    "TcpTimedWaitDelay = 30": ("TcpTimedWaitDelay = 30", ["-t"], ["unshare", "-T", "--monotonic", str(AHEAD)]),
}


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

    def count(self, what):
        status = subprocess.run([self.build / "berth", "status", "--json"], check=True, stdout=subprocess.PIPE).stdout
        return json.loads(status)["kernel_mode"]["governor"][what]

    def end(self):
        """However far it had come."""
        if self.daemon:
            report.end(self.daemon)
            subprocess.run([self.build / "berth", "detach", f"--pin={PINS}"], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        if self.cgroup.exists():
            self.cgroup.rmdir()
        self.directory.cleanup()


def watch(governed, load, effort):
    """While the load goes on: (CPU in percent, closes a second, connections over the limit sorted, late in percent, lost reports)."""
    time.sleep(effort.held / effort.rate + 0.5)
    entered, begun, used = governed.count("entered"), time.monotonic(), cpu_s(governed.daemon.pid)
    over = []
    while load.poll() is None and time.monotonic() < begun + effort.seconds:
        over.append(in_time_wait() - effort.held)
        time.sleep(0.005)
    took = time.monotonic() - begun
    used = cpu_s(governed.daemon.pid) - used
    entered = governed.count("entered") - entered
    late = 100 * governed.count("ended-late") / max(governed.count("ended-delay"), 1)
    return 100 * used / took, entered / took, sorted(over), late, governed.count("lost")


def measure(rows, build, effort, side, settings, how, around):
    governed = Governed(build)
    try:
        governed.start(settings.format(held=effort.held), around)
        count = effort.held + effort.rate * (effort.seconds + 1)
        load = report.start([build / "tests/system/close_first", *how, "-r", str(effort.rate), "10000", str(count)],
                            stdout=subprocess.DEVNULL)
        try:
            cpu, rate, over, late, lost = watch(governed, load, effort)
        finally:
            report.end(load)
    finally:
        governed.end()
    rows.add("closes a second", side, [rate], "1/s", note=f"{lost} reports lost" if lost else None)
    rows.add("CPU of one core", side, [cpu], "%", note="at most 5 is asked")
    if "Delay" in settings:
        rows.add("ended more than 100 ms late", side, [late], "%", note="at most 1 is asked")
    else:
        for name, part in ("median", 50), ("p99", 99):
            rows.add(f"over MaxFreeTWTcbs, {name}", side, [1000 * over[len(over) * part // 100] / rate], "ms of closes",
                     note="at most 100 is asked" if part == 99 else None)


def main():
    chosen = report.options("What the governor of TIME_WAIT costs")
    if os.geteuid() != 0:
        return print("bench/governor.py: skipped: kernel mode needs root", file=sys.stderr)
    if INSIDE not in os.environ:
        os.environ[INSIDE] = json.dumps(report.host_settings())
        script = ('ip link set lo up && mount -t bpf bpf /sys/fs/bpf && echo 1000000 >/proc/sys/net/ipv4/tcp_max_tw_buckets && '
                  'exec "$@"')
        os.execvp("unshare", ["unshare", "-nm", "sh", "-c", script, "sh", *sys.argv])
    report.end_on_signals()
    effort = EFFORTS[chosen.effort]
    rows = report.Report("governor", json.loads(os.environ[INSIDE]))
    for side, row in list(ROWS.items())[: None if chosen.effort == "full" else 1]:
        measure(rows, Path(chosen.build).resolve(), effort, side, *row)
    rows.finish(chosen)


main()
