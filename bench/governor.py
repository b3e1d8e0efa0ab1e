#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the governor of TIME_WAIT costs and how late it is, with 100,000 connections in TIME_WAIT and 20,000 closes a second.

    bench/governor.py [BUILD]

Needs root. All of it is in a network namespace of its own, over loopback, for some 15 s a row. `cpu` is the daemon's, what the
kernel does for it included, of one core. `over` is how many connections are in TIME_WAIT above the limit by the kernel's
count, looked at every 5 ms, and `late` how many were ended more than 100 ms after their time. To have 100,000 at that rate with a delay
of 30 s the daemon's clock is 25 s ahead (time_namespaces(7)).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
RATE, HELD, SECONDS, AHEAD = 20000, 100000, 10, 25
ROWS = [
    ("MaxFreeTWTcbs = 100000, far end closes at once", f"MaxFreeTWTcbs = {HELD}", [], []),
    ("MaxFreeTWTcbs = 100000, far end closes first", f"MaxFreeTWTcbs = {HELD}", ["-t"], []),
    ("TcpTimedWaitDelay = 30", "TcpTimedWaitDelay = 30", ["-t"], ["unshare", "-T", "--monotonic", str(AHEAD)]),
]


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def governed(what):
    status = subprocess.run([BUILD / "berth", "status", "--json"], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(status)["kernel_mode"]["governor"][what]


def in_time_wait():
    words = Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("tw") + 1])


def measure(settings, how, around):
    """Fills up to HELD, then measures. In the namespaces of its own that main() has made."""
    directory = tempfile.mkdtemp()
    config = Path(directory) / "berth.conf"
    config.write_text(f"[Parameters]\n{settings}\n")
    cgroup = Path(next(l.split()[1] for l in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in l))
    cgroup = cgroup / f"berth-bench-{os.getpid()}"
    cgroup.mkdir()
    options = [f"--config={config}", f"--cgroup={cgroup}", "--pin=/sys/fs/bpf/berth"]
    daemon = subprocess.Popen([*around, BUILD / "berth", "daemon", *options], stderr=subprocess.PIPE, text=True)
    while "TIME_WAIT" not in (line := daemon.stderr.readline()):
        assert line, "the daemon has ended"
    count = HELD + RATE * (SECONDS + 1)
    load = subprocess.Popen([BUILD / "tests/system/close_first", *how, "-r", str(RATE), "10000", str(count)],
                            stdout=subprocess.DEVNULL)
    time.sleep(HELD / RATE + 0.5)
    entered = governed("entered")
    samples, begun, used = [], time.monotonic(), cpu_s(daemon.pid)
    while load.poll() is None and time.monotonic() < begun + SECONDS:
        samples.append(in_time_wait() - HELD)
        time.sleep(0.005)
    took = time.monotonic() - begun
    used = cpu_s(daemon.pid) - used
    entered = governed("entered") - entered
    lost = governed("lost")
    ended, late = governed("ended-delay"), governed("ended-late")
    load.wait()
    daemon.terminate()
    daemon.wait()
    subprocess.run([BUILD / "berth", "detach", options[-1]], check=True, stdout=subprocess.DEVNULL)
    cgroup.rmdir()
    samples.sort()
    return 100 * used / took, entered / took, lost, 100 * late / max(ended, 1), samples[len(samples) // 2], samples[len(samples) * 99 // 100]


def main():
    if os.environ.get("BERTH_BENCH_INSIDE") != "yes":
        os.environ["BERTH_BENCH_INSIDE"] = "yes"
        os.execvp("unshare", ["unshare", "-nm", "sh", "-c", "ip link set lo up && mount -t bpf bpf /sys/fs/bpf && "
                              'echo 1000000 >/proc/sys/net/ipv4/tcp_max_tw_buckets && exec "$@"', "sh", *sys.argv])
    print(f"{RATE} closes a second, {HELD} in TIME_WAIT")
    for name, settings, how, around in ROWS:
        cpu, rate, lost, late, median, p99 = measure(settings, how, around)
        if "Delay" in name:
            over = f"late {late:.2f} %"
        else:
            over = f"over {median}, p99 {p99} ({1000 * p99 / RATE:.0f} ms of closes)"
        print(f"{name:50} {rate:.0f}/s  cpu {cpu:4.1f} %  {over}" + (f", {lost} reports lost" if lost else ""), flush=True)


main()
