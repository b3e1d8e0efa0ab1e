# SPDX-License-Identifier: MIT
"""The same random calls on stock Linux and under Berth: Berth must never fail where stock Linux succeeds, and the
program must see the same.

tests/differential makes the calls. BERTH_SEEDS and BERTH_OPERATIONS make the run longer (16 and 2000).
"""

import itertools
import os
import re
import subprocess

import pytest
from conftest import SUPERVISE, Namespace, tool

SEEDS = int(os.environ.get("BERTH_SEEDS", "16"))
OPERATIONS = int(os.environ.get("BERTH_OPERATIONS", "2000"))
FIRST_PORT = 10000
PORTS_PER_SEED = 16
UNREST_SEEDS = max(1, SEEDS // 8)
AT_ONCE = 8


def command(seed):
    return [tool("differential"), str(seed), str(OPERATIONS), str(FIRST_PORT + seed * PORTS_PER_SEED)]


def succeeded(outcome):
    """An outcome is a failure when its first word, or the one after 'then', is the name of an errno."""
    words = outcome.split()
    ends = [words[0]] + [after for word, after in itertools.pairwise(words) if word == "then"]
    if "then" in words:
        ends = ends[1:]
    return not any(word.startswith("E") and word.isupper() or word == "hangs" for word in ends)


def concerns(line, slots, ports):
    """Whether the operation is on one of these slots or explicit ports, or names one of these slots as the other."""
    words = line.split()
    if words[1] in slots or ports & set(words):
        return True
    other = re.search(r"(?:like|connect to) (\d+)\b", line)
    return bool(other) and other.group(1) in slots


def judge(stock, berth):
    """Compares two logs line by line. Returns three lists of pairs of lines: worse, where Berth failed and stock Linux
    did not; other, which differ in what was seen or in how both failed; better, where only stock Linux failed.

    Where Berth did better the two programs no longer have the same sockets: what follows on that slot, until it is made
    anew, and on that explicit port is not compared."""
    worse, other, better = [], [], []
    slots, ports = set(), set()
    if len(stock) != len(berth):
        worse.append((f"{len(stock)} lines", f"{len(berth)} lines"))
    for line, (want, got) in enumerate(zip(stock, berth)):
        (asked, wanted), (did, was) = want.split(" -> ", 1), got.split(" -> ", 1)
        number, slot, operation = asked.split()[:3]
        assert [number, slot, operation] == did.split()[:3], f"line {line}: another operation: {want!r}, {got!r}"
        if operation in ("socket", "close"):
            slots.discard(slot)
        if want == got:
            continue
        if concerns(want, slots, ports):
            slots.add(slot)
            continue
        pair = (f"stock: {want}", f"berth: {got}")
        if succeeded(wanted) and not succeeded(was):
            worse.append(pair)
        elif succeeded(was) and not succeeded(wanted):
            better.append(pair)
            slots.add(slot)
            ports |= {word for word in asked.split() if word.isdigit() and int(word) >= FIRST_PORT}
        else:
            other.append(pair)
    return worse, other, better


def run_alone(net, prefix, seed):
    lines = net.output([*prefix, *command(seed)], timeout=120).splitlines()
    assert len(lines) == OPERATIONS
    return lines


def run_at_once(net, prefix, seeds, directory):
    """Eight processes below one command; each writes its own log."""
    script = "".join(f"{' '.join(command(s))} > {directory}/{s} & " for s in seeds) + "wait"
    net.output([*prefix, "sh", "-c", script], timeout=180)
    return {seed: (directory / str(seed)).read_text().splitlines() for seed in seeds}


def report(seed, stock, berth):
    """Asserts that Berth was never worse and that nothing else was seen, and shows the first difference with what led to
    it on that socket. Doing better is no mistake, but if it were common, too little would have been compared."""
    worse, other, better = judge(stock, berth)
    assert len(better) <= len(stock) / 200, better[:5]
    if not worse and not other:
        return
    first = (worse or other)[0][1]
    number, slot = first.split()[1:3] if first.startswith("berth:") else ("0", "0")
    history = [line for line in berth if line.split()[1] == slot and int(line.split()[0]) <= int(number)]
    pytest.fail(
        f"seed {seed}: {len(worse)} times worse, {len(other)} times different\n"
        + "\n".join(map("\n".join, (worse + other)[:5]))
        + "\nthe socket's history under Berth:\n"
        + "\n".join(history[-12:])
    )


@pytest.fixture(scope="module")
def stock_logs():
    """What stock Linux does with each seed, measured once."""
    net = Namespace()
    net.sink()
    logs = {seed: run_alone(net, [], seed) for seed in range(SEEDS)}
    again = run_alone(net, [], SEEDS)
    net.close()
    net = Namespace()
    net.sink()
    assert run_alone(net, [], SEEDS) == again, "the same seed twice on stock Linux differs: the judge cannot judge"
    net.close()
    return logs


def without_kept_ports(stock, berth):
    """Drops what is known to differ in kernel mode: a socket whose connect() failed, or whose connection has ended, keeps the
    port that it was bound to (docs/ARCHITECTURE.md). Whatever is done with it afterwards is not compared, nor with an explicit
    port that it might have got instead."""
    kept, ports, left = set(), set(), ([], [])
    for want, got in zip(stock, berth):
        asked, wanted = want.split(" -> ", 1)
        words = asked.split()
        slot, operation = words[1], next(word for word in words[2:] if word != "forked")
        if operation in ("socket", "close"):
            kept.discard(slot)
        concerned = concerns(asked, kept, ports)
        if concerned:
            kept.add(slot)
            ports |= {word for word in words if word.isdigit() and FIRST_PORT <= int(word) < 32768}
        ended = operation == "shutdown" and wanted == "ok"
        if ended or operation == "connect" and ("AF_UNSPEC" in asked or re.search(r"\bE[A-Z]+$", wanted)):
            kept.add(slot)
        if not concerned:
            left[0].append(want)
            left[1].append(got)
    assert len(left[0]) > len(stock) / 2, "too little is left to compare"
    return left


def compare(prefix, seed, stock, berth):
    assert len(stock) == len(berth)
    report(seed, *(without_kept_ports(stock, berth) if prefix != SUPERVISE else (stock, berth)))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_alone(net, stock_logs, seed, berth):
    net.sink()
    compare(berth, seed, stock_logs[seed], run_alone(net, berth, seed))


@pytest.mark.parametrize("batch", range(0, SEEDS - SEEDS % AT_ONCE, AT_ONCE))
def test_eight_at_once(net, stock_logs, tmp_path, batch, berth):
    net.sink()
    seeds = range(batch, batch + AT_ONCE)
    for seed, lines in run_at_once(net, berth, seeds, tmp_path).items():
        compare(berth, seed, stock_logs[seed], lines)


# Before the program starts: sockets that are bound, listen, are connected or in TIME_WAIT, each kind with SO_REUSEADDR and
# without. Then, as long as it runs, others that come and go, and a range that changes.
UNREST = """
import random, socket, sys, threading
def made(port=None, reuse=False, listens=False, to=None):
    s = socket.socket()
    s.setsockopt(1, 2, reuse)
    try:
        if port is not None: s.bind(("127.0.0.1", port))
        if listens: s.listen(4)
        if to: s.connect(("127.0.0.1", to))
    except OSError: pass
    return s
def port(): return random.randrange(33000, 55000)
def any_one():
    return made(random.choice([None, 0, port()]), random.random() < .5, random.random() < .3, random.choice([None, 7001, 7003]))
older = [any_one() for i in range(3000)]
for s in older[::3]: s.close()
print("ready", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
recent, changes = [], 0
while not ended.is_set():
    recent.append(any_one())
    if len(recent) > 100: recent.pop(random.randrange(100)).close()
    changes += 1
    if changes % 200 == 0:
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as range: range.write(random.choice(["32768 60999", "33000 55000"]))
"""


@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + UNREST_SEEDS))
def test_among_others(net, seed, prefix):
    """Sockets of others, older and newer ones, outside of Berth; and ip_local_port_range changes meanwhile."""
    other = Namespace()
    other.sink()
    stock = run_alone(other, [], seed)
    other.close()
    net.sink()
    unrest = net.popen(["/usr/bin/python3", "-c", UNREST], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert unrest.stdout.readline() == "ready\n"
    berth = run_alone(net, prefix, seed)
    unrest.communicate()
    assert unrest.returncode == 0
    compare(prefix, seed, stock, berth)


def test_eight_of_berth_at_once(net, stock_logs):
    """Eight supervisors side by side, which know of each other only through the kernel."""
    net.sink()
    seeds = range(min(SEEDS, AT_ONCE))
    running = {s: net.popen([*SUPERVISE, *command(s)], stdout=subprocess.PIPE) for s in seeds}
    for seed, process in running.items():
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        report(seed, stock_logs[seed], out.splitlines())


def test_judge_finds_planted_faults(stock_logs):
    """Altered logs: a failed call, a changed name, a lost line, changed flags."""
    stock = stock_logs[0]
    assert judge(stock, stock) == ([], [], [])

    def altered(old, new):
        line = next(i for i, text in enumerate(stock) if old in text)
        return [*stock[:line], stock[line].replace(old, new), *stock[line + 1 :]]

    assert len(judge(stock, altered("-> ok", "-> EADDRNOTAVAIL"))[0]) == 1
    assert len(judge(stock, altered("EINPROGRESS then ok", "EINPROGRESS then EADDRNOTAVAIL"))[0]) == 1
    assert len(judge(stock, altered("EINPROGRESS then ok", "EINPROGRESS then hangs"))[0]) == 1
    assert len(judge(stock, altered("port ephemeral", "port 0"))[1]) == 1
    assert len(judge(stock, altered("port ephemeral", "port ephemeral-changed"))[1]) == 1
    assert len(judge(stock, altered("flags 0x2 ", "flags 0x802 "))[1]) == 1
    assert len(judge(stock, stock[:-1])[0]) == 1
    assert len(judge(stock, altered("-> EADDRINUSE", "-> ok"))[2]) == 1
