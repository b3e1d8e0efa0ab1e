# SPDX-License-Identifier: MIT
"""What bench/report.h is for the programs in C: rows, printed as text or as the same JSON object. And how a program here
starts and ends others.
"""

import argparse
import ctypes
import datetime
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
from pathlib import Path

SETTINGS = ("ip_local_port_range", "ip_local_reserved_ports", "ip_autobind_reuse", "tcp_tw_reuse", "tcp_timestamps",
            "tcp_max_tw_buckets")
PR_SET_PDEATHSIG = 1


def options(description, **flags):
    """--json[=FILE], --quick, --smoke, and where the build is. What a program has beside these: its name, and what it does."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE",
                        help="prints a JSON object; or, beside the text, writes it to FILE")
    parser.add_argument("--quick", dest="effort", action="store_const", const="quick", default="full",
                        help="smaller loads, one round")
    parser.add_argument("--smoke", dest="effort", action="store_const", const="smoke",
                        help="as little as shows that it works; the numbers mean nothing")
    for flag, does in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=does)
    parser.add_argument("build", nargs="?", default="build", metavar="BUILD", help="where berth is (build)")
    return parser.parse_args()


def name_of_cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def setting(name, value=None):
    """A sysctl of the network namespace that we are in: read, or set."""
    path = Path("/proc/sys/net/ipv4") / name
    if value is not None:
        path.write_text(str(value))
    return path.read_text().rstrip("\n")


def host_settings():
    """To be called before a namespace of one's own is entered."""
    return {name: setting(name) for name in SETTINGS if (Path("/proc/sys/net/ipv4") / name).exists()}


class Report:
    def __init__(self, bench, settings):
        self.bench, self.settings, self.rows = bench, settings, []

    def add(self, name, side, values, unit, fill=None, count=None, of=None, note=None):
        """Behind the last row of its name. Of no values: what could not be measured; the note says why."""
        median, least, most = (statistics.median(values), min(values), max(values)) if values else (None, None, None)
        row = {"name": name, "side": side, "fill": fill, "count": count, "of": of, "median": median, "min": least, "max": most,
               "unit": unit, "note": note}
        same = [i for i, other in enumerate(self.rows) if other["name"] == name]
        self.rows.insert(same[-1] + 1 if same else len(self.rows), row)

    def finish(self, chosen):
        if chosen.json != "-":
            self.print_text()
        if chosen.json is not None:
            text = json.dumps(self.whole(chosen.effort), indent=1) + "\n"
            print(text, end="") if chosen.json == "-" else Path(chosen.json).write_text(text)

    def whole(self, effort):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        return {"bench": self.bench, "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
                "effort": effort,
                "machine": {"cpu": name_of_cpu(), "cpus": os.sysconf("SC_NPROCESSORS_ONLN"), "memory_mib": memory},
                "kernel": platform.release(), "settings": self.settings, "rows": self.rows}

    def print_text(self):
        said, width = None, max(len(row["side"]) for row in self.rows)
        for row in self.rows:
            if row["name"] != said:
                print(("" if said is None else "\n") + f"{row['name']}, {row['unit']}")
                said = row["name"]
            label = f"{row['fill']:g} % filled" if row["fill"] is not None else ""
            label = f"{row['count']:.10g} {row['of']}" if row["count"] is not None else label
            spread = "" if row["min"] == row["max"] else f" ({row['min']:.5g}-{row['max']:.5g})"
            note = f"  {row['note']}" if row["note"] else ""
            middle = "-" if row["median"] is None else f"{row['median']:.5g}"
            print(f"  {row['side']:{width}} {label:24} {middle}{spread}{note}")


def allow_files():
    """As many as we may have open, and our children. Returns how many that are."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def start(command, **how):
    """A process that does not outlive this one, however this one ends."""
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def end_with_parent():
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(command, preexec_fn=end_with_parent, **how)


def end(process, seconds=20):
    """Asks it to end, and waits; who does not heed that is killed."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_measured(command):
    """What a process that measures says, as JSON, on its standard output. It ends with this one."""
    child = start(command, stdout=subprocess.PIPE, text=True)
    try:
        said = child.communicate()[0]
    finally:
        end(child)
    if child.returncode != 0:
        sys.exit(f"bench/{os.path.basename(sys.argv[0])}: the measured process failed")
    return json.loads(said)


def end_on_signals():
    """On the first SIGINT or SIGTERM what was begun is taken back; the next ones do not disturb that."""

    def leave(number, _frame):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
