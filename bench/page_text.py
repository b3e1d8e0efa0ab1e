# SPDX-License-Identifier: MIT
"""What docs/performance.md says: its words, its charts and its targets, each with the rows that the numbers come from.

A judge or a list of numbers is a function of find(bench, name, side, fill=, count=), which gives a row or None. It
returns None if something that it needs was not measured.
"""
from chart import pretty

FILLS = (0, 50, 60, 75, 90, 99, 99.9)
MANY = 10_000_000
LOOK = "CPU time of a look at all sockets"
ROOTS = LOOK + ", as root"
BESIDE = LOOK + ", beside a berth daemon"
SCRAPE = "CPU time of a scrape of /metrics"
LIVE = "the page, live: CPU of one core"
BEFORE = "bind(0) + connect(), 8 destinations: connections before the first error"
LIMITED = "MaxFreeTWTcbs, far end closes at once", "MaxFreeTWTcbs, far end closes first"
DELAYED = "TcpTimedWaitDelay = 30"
ADDED = "connect() on an empty range: p50"
HAPROXY = "haproxy, beside connections that are held, 8000 ports: "
NGINX = "nginx, which closes first, 8000 ports: "
ANSWERED = "requests answered a second"
TAKE_OVER = "kernel, take-over"
WAITING = 100_000  # connections in TIME_WAIT that bench/governor wants
OTHERS = 100_000  # sockets of others on the busy host of bench/supervise and bench/view

BEGINNING = """# Performance

Made by `bench/page.py` from what the programs of `bench/` measured; no number on this page was written by hand. The results
themselves lie beside the charts, as JSON.
"""

NOT_FULL = """
**Not all of this is from a full run.** The column "how long" says what is: `--quick` takes smaller loads and fewer rounds, and the sizes
that are named in words are those of full ones.
"""

HOW = """
A number is the median of several rounds, and small beside it are the least and the greatest of them. On the live kernel the sides
are measured by turns, round by round, in network namespaces of their own over loopback: what counts is how they compare; the absolute
times are this machine's. The core's times are processor time of one thread.

| side | is |
|---|---|
| `stock` | Linux as it comes |
| `sysctls` | Linux with those that help: range 1024-65535, `ip_autobind_reuse=1`, `tcp_tw_reuse=1`; the program sets `SO_REUSEADDR` |
| `options` | the same, and a program changed for it: `IP_BIND_ADDRESS_NO_PORT`, a random slice of `IP_LOCAL_PORT_RANGE` |
| `supervise`, `kernel` | `berth run --mode=` that, the sysctls and the program of `stock` |

What else is to be known of one stands at the head of its program, in `bench/`.

```
make bench     # everything, in 20 minutes on 2 cores, as root; then this page
make page      # the page alone, of build/bench/results/*.json
```

`make bench-quick` takes 2 minutes, and its numbers are rougher. `bench/governor.py --million --json=build/bench/results/governor.json`
measures the governor with a million connections in TIME_WAIT, too, in 4 minutes.
"""

SLOWER = """
## What is slower with Berth
"""

WHEN_NOT = """
## When not to use it
"""

TITLES = {
    "core": "libberth",
    "grid": "connect(), and bind() to port 0 before it, by how full the ports are",
    "kernel": "Kernel mode: what it adds, and at a quarter of a million connections",
    "supervise": "berth run: what the supervisor adds to a call",
    "outsiders": "Programs that are not steered, beside one in kernel mode",
    "proxies": "nginx and haproxy through exhaustion",
    "governor": "The governor of TIME_WAIT",
    "view": "Looking at the port space",
}


def value(row):
    return pretty(row["median"], row["unit"])


def at_most(bound, *which, **where):
    """One row whose median is to be at most that."""
    def judge(find):
        row = find(*which, **where)
        return row and (value(row), row["median"] <= bound)
    return judge


def at_least(bound, *which, **where):
    def judge(find):
        row = find(*which, **where)
        return row and (value(row), row["median"] >= bound)
    return judge


def flat_picks(find):
    """At most 20 ns at any fill, and the slowest at most twice the fastest."""
    rows = [find("core", "pick, fresh", "libberth", fill=fill) for fill in FILLS]
    if None in rows:
        return None
    times = [row["median"] for row in rows]
    ratio = max(times) / min(times)
    return f"{min(times):.1f} to {max(times):.1f} ns, x {ratio:.2f}", max(times) <= 20 and ratio <= 2


# What, the bound in words, and who judges.
TARGETS = [
    ("kernel mode, `connect()` with 99 % of a destination's ports taken, against an empty range", "x 1.1",
     at_most(1.1, "grid", "connect(): p50 against an empty range", "kernel", fill=99)),
    ("the same, 99.9 %", "x 1.1",
     at_most(1.1, "grid", "connect(): p50 against an empty range", "kernel", fill=99.9)),
    ("kernel mode, a `connect()` that must fail, against one that succeeds", "x 3",
     at_most(3, "grid", "connect(), no port left: p50 against one that succeeds", "kernel")),
    ("kernel mode, `connect()` on an empty range, against stock Linux", "x 1.05",
     at_most(1.05, "kernel", ADDED + " against stock", "kernel")),
    ("kernel mode, `bind(addr, 0)` and `connect()` to 8 destinations: connections before the first error, of ports x 8",
     "99.9 %", at_least(99.9, "grid", BEFORE, "kernel")),
    ("the same under the supervisor", "99.9 %",
     at_least(99.9, "grid", BEFORE, "supervise")),
    ("libberth, pick, one destination of 28,232 ports, 0 % to 99.9 % full", "20 ns, flat within x 2", flat_picks),
    ("libberth, a connection in TIME_WAIT, IPv4, index included", "24 bytes",
     at_most(24, "core", "memory, a connection in TIME_WAIT, IPv4, index included", "libberth")),
    ("libberth, a destination with 4 connections, index included", "96 bytes",
     at_most(96, "core", "memory, a destination with up to 16 connections, index included", "libberth")),
    ("libberth, 10 million connections in TIME_WAIT: enter", "100 ns",
     at_most(100, "core", "TIME_WAIT: enter", "libberth", count=MANY)),
    ("the same: leave", "100 ns", at_most(100, "core", "TIME_WAIT: leave", "libberth", count=MANY)),
    ("added to a `connect()` under the supervisor", "25 µs",
     at_most(25000, "supervise", "connect, not bound", "added", count=0)),
    ("the same on a host with 100,000 other sockets", "25 µs",
     at_most(25000, "supervise", "connect, not bound", "added", count=OTHERS)),
    ("kernel mode, connections a second with 99 % of 225,856 tuples in use, against an empty range", "x 0.95",
     at_least(0.95, "kernel", "8 destinations: connections a second against an empty range", "kernel", fill=99)),
    ("kernel mode, memory of the maps", "32 MiB", at_most(32, "kernel", "memory of the maps", "kernel")),
    *[(f"the governor, 100,000 in TIME_WAIT, {side}: CPU of one core", "5 %",
       at_most(5, "governor", "CPU of one core", side, count=WAITING)) for side in (*LIMITED, DELAYED)],
    *[(f"the governor, {side}: connections over the limit, p99", "100 ms of closes",
       at_most(100, "governor", "over MaxFreeTWTcbs, p99", side, count=WAITING)) for side in LIMITED],
    (f"the governor, {DELAYED}: ended more than 100 ms late", "1 %",
     at_most(1, "governor", "ended more than 100 ms late", DELAYED, count=WAITING)),
    ("`berth status` on a host with 100,000 sockets: processor time", "50 ms",
     at_most(50, "view", LOOK, "berth status", count=OTHERS)),
    ("the same as root", "50 ms", at_most(50, "view", ROOTS, "berth status", count=OTHERS)),
    ("the same as root, where a berth daemon is", "50 ms", at_most(50, "view", BESIDE, "berth status", count=OTHERS)),
    ("a scrape of the daemon's `/metrics` there: processor time", "50 ms", at_most(50, "view", SCRAPE, "berth daemon", count=OTHERS)),
    ("the daemon's page there, live at 1 Hz: CPU of one core", "2 %", at_most(2, "view", LIVE, "one viewer", count=OTHERS)),
]


def medians(*rows):
    """The medians of these rows, as people write them."""
    def numbers(find):
        found = [find(*which, **where) for which, where in rows]
        return None if None in found else [value(row) for row in found]
    return numbers


def of(*which, **where):
    return which, where


# A sentence with gaps, and what goes into them.
COSTS = [
    ("Under the supervisor every call that is steered: `connect()` takes {} more than the {} of stock Linux, `bind()` {}, `listen()` {}, "
     "`getsockname()` {}. Calls that are not about ports pass as they are.",
     medians(of("supervise", "connect, not bound", "added", count=0), of("supervise", "connect, not bound", "stock", count=0),
             of("supervise", "bind, port 0", "added", count=0), of("supervise", "listen, port 0", "added", count=0),
             of("supervise", "getsockname after it", "added", count=0))),
    ("Under the supervisor, where the kernel has to search as well: with 99.9 % of a destination's ports in use `connect()` takes {}, on "
     "stock Linux {}; where none is left it fails after {}, there after {}.",
     medians(of("grid", "connect(): p50", "supervise", fill=99.9), of("grid", "connect(): p50", "stock", fill=99.9),
             of("grid", "connect(), no port left: p50", "supervise"), of("grid", "connect(), no port left: p50", "stock"))),
    ("haproxy under the supervisor, a connection for each request: it answers {}, on stock Linux {}; with 99 % of the ports in use "
     "{}, there {}.",
     medians(*[of("proxies", HAPROXY + ANSWERED, side, fill=fill) for fill in (0, 99) for side in ("supervise", "stock")])),
    ("In kernel mode, `connect()` on an empty range: {}, where stock Linux takes {}.",
     medians(of("kernel", ADDED, "kernel"), of("kernel", ADDED, "stock"))),
    ("In kernel mode, connections a second with 99 % of the tuples of 8 destinations in use: {} of those on an empty range.",
     medians(of("kernel", "8 destinations: connections a second against an empty range", "kernel", fill=99))),
    ("libberth, where no port is fresh: a shared one takes {} with half of the destination's ports in use, a fresh one {}.",
     medians(of("core", "pick, shared", "libberth", fill=50), of("core", "pick, fresh", "libberth", fill=50))),
    ("A look at the port space (`berth status`) on a host with 100,000 sockets: {} of processor time, as root {}, beside a "
     "daemon {}; `ss -tan` {}.",
     medians(of("view", LOOK, "berth status", count=OTHERS), of("view", ROOTS, "berth status", count=OTHERS),
             of("view", BESIDE, "berth status", count=OTHERS),
             of("view", LOOK, "the same sockets, ss -tan", count=OTHERS))),
    ("The daemon there, for each scrape of its metrics: {}. For its page, as long as somebody has it open: {} of one core; with ten "
     "viewers {}.",
     medians(of("view", SCRAPE, "berth daemon", count=OTHERS), of("view", LIVE, "one viewer", count=OTHERS),
             of("view", LIVE, "ten viewers", count=OTHERS))),
    ("libberth, a million destinations: what is remembered of one has left the processor's cache. A pick takes {}, with a thousand of them {}.",
     medians(of("core", "pick, by destinations", "libberth", count=1_000_000),
             of("core", "pick, by destinations", "libberth", count=1_000))),
]


OUTSIDE = "outside, to another destination than that of connections which "

NOT_FOR = [
    ("Where less than half of the ports towards a destination are ever in use: nothing is gained, and each call costs what stands above. "
     "`berth status` and `berth sim --plan` tell whether that is so.", lambda find: []),
    ("Where the program can be changed, and its ports are never nearly used up: with IP_BIND_ADDRESS_NO_PORT and a random slice of "
     "IP_LOCAL_PORT_RANGE (side `options`) a `connect()` takes {} at 90 % without anything to install, kernel mode {}. At 99 % it is {} and {}.",
     medians(of("grid", "connect(): p50", "options", fill=90), of("grid", "connect(): p50", "kernel", fill=90),
             of("grid", "connect(): p50", "options", fill=99), of("grid", "connect(): p50", "kernel", fill=99))),
    ("Kernel mode for one program, on a host where other programs open many connections unsteered: its ports count as bound, and "
     "the kernel's own choice skips them. With 99 % of the range held so, an outsider's `connect()` to somewhere else takes {}, beside "
     "as many connections of stock Linux {}; with all of it in TIME_WAIT, {} of its calls succeed, beside stock Linux {}. "
     "Under the supervisor, and where the daemon steers the whole machine, this is not so.",
     medians(of("outsiders", OUTSIDE + "live: p50", "kernel", fill=99), of("outsiders", OUTSIDE + "live: p50", "stock", fill=99),
             of("outsiders", OUTSIDE + "are in TIME_WAIT: succeeded", "kernel", fill=100),
             of("outsiders", OUTSIDE + "are in TIME_WAIT: succeeded", "stock", fill=100))),
    ("Kernel mode as it comes, for more connections a second to one destination than there are ports: it leaves a port in TIME_WAIT for a "
     "second, as Linux's own choice does with `tcp_tw_reuse`, and what is asked for beyond that fails at once. nginx with 8,000 "
     "ports, in the fifth second: {} answered, {} of the requests failed; stock Linux {} and {}; with `exhausted = take-over` in "
     "berth.conf {} and {}; under the supervisor {} and {}.",
     medians(*[of("proxies", NGINX + what, side, count=5) for side in ("kernel", "stock", TAKE_OVER, "supervise")
               for what in (ANSWERED, "failed")])),
    ("Kernel mode, for a program that binds to port 0 before it connects to several destinations: it must name a port before it knows "
     "where to. With 8 destinations the first call fails with {} of all tuples in use, on stock Linux with {}, under the supervisor "
     "with {}.",
     medians(*[of("grid", BEFORE, side) for side in ("kernel", "stock", "supervise")])),
    ("Within a stack that has few connections at a time: a port space for a hundred destinations takes {}.",
     medians(of("core", "memory, a port space, four in TIME_WAIT for each destination", "libberth", count=100))),
    ("For what neither mode can serve: [README.md](../README.md#what-it-cannot-do) lists it.", lambda find: []),
]


def grid(name, end="p50"):
    """The five sides, by fill and where no port is left."""
    return [(side, [("grid", f"{name}: {end}", side), ("grid", f"{name}, no port left: {end}", side)], side == "options")
            for side in ("stock", "kernel", "supervise", "sysctls", "options")]


def of_core(*names, side="libberth"):
    return [(label, [("core", name, side)], False) for label, name in names]


def of_policies(name, *sides):
    return [(side, [("core", name, side)], False) for side in sides]


TAKEN = "% of the destination's ports in use (steps not to scale)"
CHARTS = {
    "connect": {
        "title": "connect(): p50, by how full the ports are",
        "subtitle": "live kernel, one destination, loopback; none left: calls that must fail",
        "across": TAKEN, "lines": grid("connect()"),
    },
    "bind": {
        "title": "bind() to port 0, and connect(): p50, by how full the ports are",
        "subtitle": "live kernel, one destination, loopback; none left: calls that must fail",
        "across": TAKEN, "lines": grid("bind(0) + connect()"),
    },
    "cpu": {
        "title": "CPU of a connection, by how full the ports are",
        "subtitle": "live kernel, connect(): both ends, and the supervisor",
        "across": TAKEN, "lines": grid("connect()", "CPU of a connection"),
    },
    "nginx": {
        "title": "nginx as a proxy while its ports run out: requests answered a second",
        "subtitle": "8,000 ports to one origin, a connection for each request; what is 0 is not drawn",
        "across": "seconds",
        "lines": [(side, [("proxies", NGINX + ANSWERED, side)], False) for side in ("stock", "kernel", TAKE_OVER, "supervise", "sysctls")],
    },
    "pick": {
        "title": "A pick: libberth, lwIP, and plain re-creations of others",
        "subtitle": "one destination; berth: through berth sim, as the re-creations are; the last: no port left",
        "across": TAKEN,
        "lines": [("lwIP's own", [("core", "pick, lwIP's tcp_new_port()", "lwip")], False),
                  ("libberth", [("core", "pick, fresh", "libberth"), ("core", "pick, exhausted", "libberth")], False),
                  *of_policies("pick, by policy", "linux-connect", "linux-bind", "freebsd", "rfc6056-1", "nat-ten-tries", "berth")],
    },
    "looks": {
        "title": "Ports that are looked at for a pick",
        "subtitle": "one destination; nat-ten-tries gives up after ten, most of the time from 99 % on",
        "across": TAKEN,
        "lines": of_policies("looks at ports per pick", "linux-connect", "linux-bind", "freebsd", "rfc6056-2", "lwip", "nat-ten-tries",
                             "haproxy", "berth"),
    },
    "destinations": {
        "title": "libberth, by how many destinations it knows",
        "subtitle": "four connections to each, destinations in random order",
        "across": "destinations",
        "lines": of_core(("pick", "pick, by destinations"), ("connect", "connect, by destinations"), ("close", "close, by destinations"),
                         ("leaves TIME_WAIT", "leaves TIME_WAIT, by destinations")),
    },
    "time-wait": {
        "title": "libberth, TIME_WAIT by how many are in it",
        "subtitle": "the table alone: enter, leave when it is time, and both in a steady stream",
        "across": "connections in TIME_WAIT",
        "lines": of_core(("enter", "TIME_WAIT: enter"), ("leave", "TIME_WAIT: leave"),
                         ("both, steady", "TIME_WAIT: one enters, one leaves")),
    },
}
