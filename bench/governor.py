#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the governor of TIME_WAIT costs and how late it is, with 100,000 connections in TIME_WAIT, or a million, and 20,000
closes a second.

    bench/governor.py [--million] [BUILD]

Needs root. All of it is in a network namespace of its own, over loopback; a row takes some 20 s, of a million 65 s and a GiB of
memory. Two programs close, and so need much of two processors. `cpu` is the daemon's, what the kernel does for it included, of one
core. `over` is how many connections are in TIME_WAIT above the limit by the kernel's count, looked at every 5 ms, and `late` how many
were ended more than 100 ms after their time. To have 100,000 at that rate with a delay of 30 s the daemon's clock is 25 s ahead
(time_namespaces(7)); a million takes 50 s, which is near the 60 s that the kernel keeps them for: from a slower machine they leave
by themselves, and it says so.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MILLION = "--million" in sys.argv
BUILD = Path([*(word for word in sys.argv[1:] if word != "--million"), "build"][0]).resolve()
RATE, SECONDS, FILL_SECONDS = 20000, 10, 75
LOADS = [["-l", "7001"], ["-l", "7002"]]
PORTS = [10000, 35000]  # the first of 20000 each
AHEAD = 25
HELD = 1000000 if MILLION else 100000
CAP = f"MaxFreeTWTcbs = {HELD}"
AHEAD_BY = ["unshare", "-T", "--monotonic", str(AHEAD)]
# What is set, for how long to fill (None: until HELD are there), how to close, and what is around the daemon.
ROWS = [
    (f"{CAP}, far end closes at once", CAP, None, [], []),
    (f"{CAP}, far end closes first", CAP, None, ["-t"], []),
    ("TcpTimedWaitDelay = 30", "TcpTimedWaitDelay = 30", 30 - AHEAD, ["-t"], AHEAD_BY),
]
MILLION_ROWS = [ROWS[1], ("TcpTimedWaitDelay = 50", "TcpTimedWaitDelay = 50", 50, ["-t"], [])]


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def governed():
    status = subprocess.run([BUILD / "berth", "status", "--json"], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(status)["kernel_mode"]["governor"]


def in_time_wait():
    words = Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("tw") + 1])


def start_loads(how):
    count = (HELD + RATE * (FILL_SECONDS + SECONDS)) // len(LOADS)
    paced = [BUILD / "tests/system/close_first", *how, "-r", str(RATE // len(LOADS))]
    return [
        subprocess.Popen([*paced, *load, str(first), str(count)], stdout=subprocess.DEVNULL) for load, first in zip(LOADS, PORTS)
    ]


def fill(seconds):
    """Until the first have to leave. How many are in TIME_WAIT then."""
    deadline = time.monotonic() + (seconds or FILL_SECONDS)
    while time.monotonic() < deadline and (seconds or in_time_wait() < HELD):
        time.sleep(0.1)
    time.sleep(1)
    return in_time_wait()


def watch(daemon):
    """For SECONDS: (counts of the governor a second, samples, CPU of it in percent). To read the counts takes its time, too."""
    before, begun, used, samples = governed(), time.monotonic(), cpu_s(daemon.pid), []
    while time.monotonic() < begun + SECONDS:
        samples.append(in_time_wait() - HELD)
        time.sleep(0.005)
    cpu = 100 * (cpu_s(daemon.pid) - used) / (time.monotonic() - begun)
    after, took = governed(), time.monotonic() - begun
    return {name: (count - before[name]) / took for name, count in after.items()}, sorted(samples), cpu


def measure(settings, fill_seconds, how, around):
    """What a row shows. In the namespaces of its own that main() has made."""
    config = Path(tempfile.mkdtemp()) / "berth.conf"
    config.write_text(f"[Parameters]\n{settings}\n")
    cgroup = Path(next(l.split()[1] for l in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in l))
    cgroup = cgroup / f"berth-bench-{os.getpid()}"
    cgroup.mkdir()
    options = [f"--config={config}", f"--cgroup={cgroup}", "--pin=/sys/fs/bpf/berth"]
    daemon = subprocess.Popen([*around, BUILD / "berth", "daemon", *options], stderr=subprocess.PIPE, text=True)
    while "TIME_WAIT" not in (line := daemon.stderr.readline()):
        assert line, "the daemon has ended"
    loads = start_loads(how)
    held = fill(fill_seconds)
    counts, samples, cpu = watch(daemon)
    for load in loads:
        load.terminate()
        load.wait()
    daemon.terminate()
    daemon.wait()
    subprocess.run([BUILD / "berth", "detach", options[-1]], check=True, stdout=subprocess.DEVNULL)
    cgroup.rmdir()
    rate = counts["entered"]
    shown = f"{held} held  {rate:.0f}/s  cpu {cpu:4.1f} %  "
    if "Delay" in settings:
        shown += f"late {100 * counts['ended-late'] / counts['ended-delay']:.2f} % of {counts['ended-delay']:.0f}/s"
    elif samples[-1] < 0:
        shown += "so many are never in TIME_WAIT at this rate"
    else:
        p99 = samples[len(samples) * 99 // 100]
        shown += f"over {samples[len(samples) // 2]}, p99 {p99} ({1000 * p99 / rate:.0f} ms of closes)"
    return shown + (", reports lost" if counts["lost"] else "")


IN_NAMESPACES = """
ip link set lo up && mount -t bpf bpf /sys/fs/bpf && echo 4000000 >/proc/sys/net/ipv4/tcp_max_tw_buckets && exec "$@"
"""


def main():
    """Each row in namespaces of its own, where nothing is in TIME_WAIT yet: a process for each, which finds its row here."""
    rows = MILLION_ROWS if MILLION else ROWS
    if row := os.environ.get("BERTH_BENCH_ROW"):
        name, *what = rows[int(row)]
        print(f"{name:52} {measure(*what)}", flush=True)
        return
    print(f"{RATE} closes a second wanted, {HELD} in TIME_WAIT", flush=True)
    for row in range(len(rows)):
        command = ["unshare", "-nm", "sh", "-ec", IN_NAMESPACES, "sh", *sys.argv]
        subprocess.run(command, check=True, env={**os.environ, "BERTH_BENCH_ROW": str(row)})


main()
