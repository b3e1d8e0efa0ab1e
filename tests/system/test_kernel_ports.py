# SPDX-License-Identifier: MIT
"""Which ports kernel mode gives, and what it leaves alone. Needs root; nothing here is skipped without it.

Where counters are looked at, the program has a `berth run --mode=kernel -v` of its own, which says them at its end.
"""

import json
import subprocess

import pytest
from conftest import BERTH, BPF_FS, KERNEL, Namespace, sum_ways, tool

FIRST, PORTS = 40000, 200
PYTHON = "/usr/bin/python3"

PREAMBLE = """
import json, socket, struct, sys, time
FIRST, PORTS = 40000, 200
NO_PORT, REUSE, LINGER, RESET = (0, 24, 1), (1, 2, 1), 13, struct.pack("ii", 1, 0)
def made(*options, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
    s = socket.socket(family, kind, proto)
    for option in options: s.setsockopt(*option)
    return s
def connect(port, *options, host="127.0.0.1", **kwargs):
    s = made(*options, **kwargs)
    s.connect((host, port))
    return s
def port(s): return s.getsockname()[1]
def tell(value): print(json.dumps(value), flush=True)
def settle():
    # until what was closed is in TIME_WAIT: the far end closes in its own time
    end = time.monotonic() + 30
    while any(line.split()[3] in ("04", "05", "0B") for line in open("/proc/net/tcp")):
        assert time.monotonic() < end
        time.sleep(0.01)
"""


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
    net.sink()
    return net


def script(net, prefix, text):
    """What the program tells, one value for each line."""
    values = [json.loads(line) for line in net.output([*prefix, PYTHON, "-c", PREAMBLE + text]).splitlines()]
    return values[0] if len(values) == 1 else values


def counted(net, text, *options):
    """(what the program tells, the counters) of a kernel mode that it has for itself"""
    done = net.run([*KERNEL[:-1], "-v", *options, "--", PYTHON, "-c", PREAMBLE + text])
    assert done.returncode == 0, done.stderr
    words = next(line for line in done.stderr.splitlines() if line.startswith("berth run: kernel:")).split()[3:]
    ways = {name: int(number) for name, number in zip(words[::2], words[1::2])}
    return [json.loads(line) for line in done.stdout.splitlines()], ways


# --- ranks ------------------------------------------------------------------------------------------------------------


def test_ranks_of_connect(world):
    """Fresh before shared before waiting, each as long as there is any; then it is said at once that there is none."""
    (first, second, third, fourth, refused), ways = counted(
        world,
        """
def connect_all(count, to): return [connect(to) for i in range(count)]
a = connect_all(150, 7001); b = connect_all(50, 7002); tell([sorted(map(port, a + b))])
ports_of_a = set(map(port, a)); ports_of_b = set(map(port, b))
c = connect_all(50, 7001); tell([set(map(port, c)) == ports_of_b])
for s in a: s.close()
settle()
time.sleep(2.1) # then the second is over after which Linux lets them be taken over
d = connect_all(150, 7002); tell([set(map(port, d)) == ports_of_a])
e = connect_all(150, 7001)
left = [socket.socket().connect_ex(("127.0.0.1", 7001)) for i in range(7)]
tell([set(map(port, e)) == ports_of_a]); tell(left)
""",
    )
    assert first == [list(range(FIRST, FIRST + PORTS))], "fresh: every port once, whatever the destination"
    assert second == [True], "shared: the ports that others are on"
    assert third == [True], "shared comes before waiting"
    assert fourth == [True], "waiting, when nothing else is left"
    assert refused == [99] * 7, "EADDRNOTAVAIL"
    assert (ways["fresh"], ways["shared"], ways["waiting"], ways["exhausted"]) == (200, 200, 150, 7), ways


@pytest.mark.parametrize("each", [2, 32])
def test_idle_ports_are_no_trap(world, each):
    """On one port of so many somebody is idle: the fresh ones are found all the same, all before any is shared."""
    (idle, distinct), ways = counted(
        world,
        f"each = {each}"
        """
idle = []
for p in range(FIRST + 1, FIRST + PORTS, each):
    s = made(); s.bind(("127.0.0.1", p)); idle.append(s)
tell(len(idle))
left = PORTS - len(idle)
held = [connect(7001) for i in range(left // 2)] + [connect(7002) for i in range(left - left // 2)]
tell(len(set(map(port, held)) - set(map(port, idle))) == left)
""",
    )
    assert distinct is True
    assert (ways["fresh"], ways.get("shared", 0)) == (PORTS - idle, 0), ways


def test_ranks_of_bind(world):
    """Fresh before waiting before shared."""
    (first, second, third), ways = counted(
        world,
        """
def bind_all(count):
    made_now = [made() for i in range(count)]
    for s in made_now: s.bind(("127.0.0.1", 0))
    return made_now
a = bind_all(150); tell(len(set(map(port, a))))
for s in a: s.connect(("127.0.0.1", 7001))
waiting = {port(s) for s in a[:50]}
for s in a[:50]: s.close()
settle()
b = bind_all(50); tell(len(set(map(port, a[50:] + b)) | waiting))
c = bind_all(50); tell(sorted(map(port, c)) == sorted(waiting))
""",
    )
    assert (first, second, third) == (150, 200, True)
    assert (ways["fresh"], ways["waiting"]) == (200, 50), ways


def test_port_of_bind_is_shared_once_it_is_connected(world, kernel_mode):
    """Its TIME_WAIT is in nobody's way: another program binds to that very port, as stock Linux would refuse."""
    text = """
s = made(); s.bind(("127.0.0.1", 0)); s.connect(("127.0.0.1", 7001)); p = port(s); s.close()
settle()
t = made(REUSE)
try: t.bind(("127.0.0.1", p)); t.connect(("127.0.0.1", 7002)); tell(port(t) == p)
except OSError as error: tell(error.errno)
"""
    assert (script(world, kernel_mode, text), script(world, [], text)) == (True, 98)


ONE_AFTER_ANOTHER = """
def one(to):
    s = made()
    if HOW == "bind": s.bind(("127.0.0.1", 0))
    error = s.connect_ex(("127.0.0.1", to))
    return s, error, port(s)
"""


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_legacy(world, how):
    """The next port that nobody uses, in TIME_WAIT or not; what others are on is passed over."""
    (around, again), ways = counted(
        world,
        f"HOW = {how!r}\n"
        + ONE_AFTER_ANOTHER
        + """
held = made(); held.bind(("127.0.0.1", FIRST + 7))
def ports(to):
    got = []
    for i in range(PORTS - 1):
        s, error, p = one(to); got.append(p)
        assert error == 0; s.shutdown(1); s.recv(1); s.close() # its far end has closed: TIME_WAIT
    return got
tell(ports(7001)); tell(ports(7002))
""",
        "--policy=legacy",
    )
    expected = [port for port in range(FIRST, FIRST + PORTS) if port != FIRST + 7]
    assert (around, again) == (expected, expected)
    assert ways["fresh"] == PORTS - 1 and ways["waiting"] == PORTS - 1 and "shared" not in ways


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_sp1(world, how):
    """At random: every port once, then those in TIME_WAIT; blind to the destination, it shares none that is in use."""
    (around, again, refused), ways = counted(
        world,
        f"HOW = {how!r}\n"
        + ONE_AFTER_ANOTHER
        + """
first = [one(7001) for i in range(PORTS)]
tell([p for s, error, p in first])
for s, error, p in first[:50]: s.close()
settle()
second = [one(7002) for i in range(50)]
tell(sorted(p for s, error, p in second) == sorted(p for s, error, p in first[:50]))
if HOW == "connect": tell([one(7003)[1] for i in range(3)])
else: tell([99] * 3) # the kernel's own search
""",
        "--policy=sp1",
    )
    assert sorted(around) == [*range(FIRST, FIRST + PORTS)] and around != sorted(around)
    assert again is True and refused == [99] * 3
    assert (ways["fresh"], ways["waiting"], ways.get("exhausted", 0)) == (PORTS, 50, 3 if how == "connect" else 0)


# --- chance -----------------------------------------------------------------------------------------------------------

# Chi-square of the steps from one port to the next, in 63 bins of a range of 64 ports. By chance it is above 130 in less
# than one of a million runs; a search that goes on from the last port has thousands.
STEPS = """
SPAN = 64
def one(how):
    s = made()
    s.setsockopt(1, LINGER, RESET)
    if how == "bind": s.bind(("127.0.0.1", 0))
    else: s.connect(("127.0.0.1", 7001))
    p = port(s); s.close()
    return p
picked = [one(HOW) for i in range(3000)]
steps = [(b - a) % SPAN for a, b in zip(picked, picked[1:]) if a != b]
expected = len(steps) / (SPAN - 1)
tell([sum((steps.count(step) - expected) ** 2 / expected for step in range(1, SPAN)), len(set(picked)), len(steps)])
"""


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_next_port_is_not_to_be_foreseen(world, kernel_mode, how):
    """RFC 6056: where the last port was says nothing of the next."""
    world.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + 63}")
    chi_square, ports, steps = script(world, kernel_mode, f"HOW = {how!r}\n" + STEPS)
    assert chi_square < 130 and ports == 64 and steps > 2800, (chi_square, ports, steps)


SHARED = """
SPAN = 64
taken = [connect(7001) for i in range(SPAN)]
counts = {port(s): 0 for s in taken}
for i in range(64 * 50):
    s = connect(7002, (1, LINGER, RESET))
    counts[port(s)] += 1
    s.close()
tell(sum((n - 50) ** 2 / 50 for n in counts.values()))
"""


def test_shared_ports_are_uniform(world, kernel_mode):
    """All ports taken by one destination, each as likely as the other for the next: 63 degrees of freedom."""
    world.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + 63}")
    assert script(world, kernel_mode, SHARED) < 131


# --- what is left alone -----------------------------------------------------------------------------------------------


def test_choices_of_the_program_stand(world):
    """Each of these is left alone: the counters say so, and the port is what was asked for."""
    _, ways = counted(
        world,
        """
def of(*options, bind=None, **kwargs):
    s = made(*options, **kwargs)
    if bind: s.bind(bind)
    s.connect(("127.0.0.1", 7001))
    return port(s)
def ports(first, last): return (0, 51, struct.pack("=I", last << 16 | first))
assert of(bind=("127.0.0.1", 12345)) == 12345
assert of(ports(40007, 40007)) == 40007
assert of(ports(40008, 40008), bind=("127.0.0.1", 0)) == 40008
assert of(ports(41000, 41003)) not in range(41000, 41004) # outside the sysctl: ignored
of((1, 25, b"lo")) # SO_BINDTODEVICE
of((1, 15, 1)) # SO_REUSEPORT
of((0, 19, 1)) # IP_TRANSPARENT
of(kind=socket.SOCK_DGRAM, bind=("127.0.0.1", 0))
of(proto=262, bind=("127.0.0.1", 0)) # MPTCP
s = made(NO_PORT); s.bind(("127.0.0.1", 0)); assert port(s) == 0
""",
    )
    # bound: the explicit port, in bind() and in connect(); in connect() also the port of bind() from its own range, and MPTCP's
    assert ways == {"bound": 4, "own-choice": 7, "not-tcp": 3}, ways


OLDER = """
FIRST, kept = int(sys.argv[1]), []
for p in range(FIRST, FIRST + 140):
    s = made(*[REUSE] * (p % 5 >= 2)); s.bind(("127.0.0.1", p))
    if p % 5 == 0: s.listen()
    if p % 5 >= 3: s.connect(("127.0.0.1", 7001 + p % 2))
    if p % 5 == 4: s.close()
    else: kept.append(s)
later = [made() for i in range(10)]
for s in later: s.bind(("127.0.0.1", 0))
settle(); time.sleep(1.2)
tell("ready"); sys.stdin.readline()
tell([s.connect_ex(("127.0.0.1", 7001)) for s in later])
sys.stdin.read()
"""
NEWER = """
kept = []
def had(call):
    s = made(); kept.append(s)
    try: call(s)
    except OSError: return False
    return True
calls = {"connect": lambda s: s.connect(("127.0.0.1", 7001)), "bind": lambda s: s.bind(("127.0.0.1", 0))}
tell(sum(had(calls[sys.argv[1]]) for i in range(PORTS + 10)))
"""


@pytest.mark.parametrize("call", ["connect", "bind"])
def test_sockets_older_than_the_daemon(machine, call):
    """Listeners, bound sockets, connections and TIME_WAIT of a program that it steers only from now on: what stock Linux finds
    between them it finds, and what they had before serves them."""
    machine.net.sink()
    found = []
    for first in FIRST, FIRST + 1000:
        machine.net.sysctl("ipv4.ip_local_port_range", f"{first} {first + PORTS - 1}")
        older = machine.popen([*machine.steered, PYTHON, "-c", PREAMBLE + OLDER, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert older.stdout.readline() == '"ready"\n'
        daemon = machine.start()[0] if found else None
        older.stdin.write("\n")
        older.stdin.flush()
        assert json.loads(older.stdout.readline()) == [0] * 10
        found.append(machine.json([*machine.steered, PYTHON, "-c", PREAMBLE + NEWER, call]))
        older.communicate()
    machine.end(daemon)
    machine.detach()
    stock, steered = found
    assert 50 == stock <= steered < PORTS, found


VRF = """
wholly = socket.create_connection(("127.0.0.1", 7001))
other = socket.socket(); other.bind(("127.0.0.1", 0)); other.connect(("127.0.0.1", 7002))
tell([s.getsockopt(1, 25, 16).rstrip(b"\\0").decode() for s in (wholly, other)])
tell([s.getsockopt(1, 2) for s in (wholly, other)]) # SO_REUSEADDR is what kernel mode sets
"""


def test_sockets_of_a_vrf(machine):
    """A program that `ip vrf exec` has started: each of its sockets is bound to a device as it is made. Done here as there, by a
    hook of its cgroup, but to lo: not every kernel has VRFs."""
    daemon = machine.popen([BERTH, "daemon", machine.options[0], f"--pin={BPF_FS}/berth"], stderr=subprocess.PIPE)
    assert "attached" in daemon.stderr.readline()
    machine.net.sink()
    ways = lambda: sum_ways(machine.json([BERTH, "status", "--json"])["kernel_mode"]["ways"])
    command = [*machine.steered, PYTHON, "-c", PREAMBLE + VRF]
    assert machine.output(command) == '["", ""]\n[1, 1]\n'
    before = ways()
    vrf = machine.popen([tool("foreign_hook"), machine.cgroup, "sock_create"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert vrf.stdout.readline() == "attached\n"
    assert machine.output(command) == '["lo", "lo"]\n[0, 0]\n'
    now = ways()
    # connect(); bind(); connect() of what has a port
    assert {name: now[name] - before[name] for name in now if now[name] != before[name]} == {"own-choice": 2, "bound": 1}
    vrf.stdin.close()
    vrf.wait(60)
    machine.end(daemon)
    machine.run([BERTH, "detach", f"--pin={BPF_FS}/berth"])


def test_reserved_ports_and_a_range_that_changes(world, kernel_mode):
    """Reserved ports are never given, and within a second a new range holds, and what is no longer reserved is given."""
    world.sysctl("ipv4.ip_local_reserved_ports", f"{FIRST}-{FIRST + 189}")
    before, after, bound = script(
        world,
        kernel_mode,
        """
def write(name, text): open(f"/proc/sys/net/ipv4/{name}", "w").write(text)
tell(sorted(port(connect(7001)) for i in range(10)))
write("ip_local_port_range", "50000 50009"); write("ip_local_reserved_ports", "50003")
time.sleep(1)
held = [connect(7001) for i in range(9)]
tell(sorted(map(port, held)))
write("ip_local_reserved_ports", "\\n")
time.sleep(1)
s = made(); s.bind(("127.0.0.1", 0)); tell(port(s))
""",
    )
    assert before and set(before) <= set(range(FIRST + 190, FIRST + 200))
    assert after == [50000, 50001, 50002, *range(50004, 50010)] and bound == 50003


def test_reserved_port_whose_connection_ends(world, kernel_mode):
    """One that a program chose itself, to a destination for which ports are scarce: it is still reserved."""
    world.sysctl("ipv4.ip_local_reserved_ports", f"{FIRST}-{FIRST + 9}")
    text = """
others = [connect(7001) for i in range(PORTS - 10)]
held = [made(REUSE, (1, LINGER, RESET)) for i in range(10)]
for i, s in enumerate(held): s.bind(("127.0.0.1", FIRST + i)); s.connect(("127.0.0.1", 7001))
more = [made() for i in range(10)]
tell([s.connect_ex(("127.0.0.1", 7001)) for s in more[:5]])
for s in held: s.close()
tell([s.connect_ex(("127.0.0.1", 7001)) for s in more[5:]])
"""
    assert script(world, kernel_mode, text) == [[99] * 5] * 2


def test_bound_address_is_kept(world, kernel_mode):
    """A source address that the program has bound survives every refusal; mapped destinations are the same as IPv4."""
    text = """
def lazy(i):
    s = made(NO_PORT); s.bind(("127.0.0.9", 0)); s.connect(("127.0.0.1", 7001)); return s
held = [lazy(i) for i in range(PORTS)]
tell([{s.getsockname()[0] for s in held} == {"127.0.0.9"}, len(set(map(port, held)))])
mixed = [connect(7002) for i in range(PORTS // 2)]
mixed += [connect(7002, host="::ffff:127.0.0.1", family=socket.AF_INET6) for i in range(PORTS // 2)]
tell(len(set(map(port, mixed))))
"""
    assert script(world, kernel_mode, text) == [[True, PORTS], PORTS]


# --- namespaces -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pods(net):
    """Four namespaces, each with an address of its own, at the bridge of another, which is 10.9.0.254."""
    net.output(["sh", "-ec", "ip link add bridge type bridge; ip address add 10.9.0.254/24 dev bridge; ip link set bridge up"])
    made = [Namespace() for _ in range(4)]
    for number, each in enumerate(made, 1):
        each.sysctl("ipv4.ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
        link = f"ip link add p{number} type veth peer name eth0 netns {each.holder.pid}; ip link set p{number} master bridge up"
        net.output(["sh", "-ec", link])
        each.output(["sh", "-ec", f"ip address add 10.9.0.{number}/24 dev eth0; ip link set eth0 up"])
    yield made
    left = [each.close() for each in made]
    assert left == [{}] * 4


def test_four_pods(net, kernel_mode, pods):
    """At once, each with the same range and all of its tuples, to servers in a namespace that all reach by a bridge."""
    net.sink()
    text = """
held = [connect(7001 + i % 4, host="10.9.0.254") for i in range(4 * PORTS)]
tell([len({(port(s), s.getpeername()[1]) for s in held}), sorted({s.getsockname()[0] for s in held})])
tell(socket.socket().connect_ex(("10.9.0.254", 7001)))
"""
    command = [*kernel_mode, "sh", "-c", 'ulimit -n 4000; exec "$@"', "sh", PYTHON, "-c", PREAMBLE + text]
    running = [each.popen(command, stdout=subprocess.PIPE) for each in pods]
    told = [process.communicate(timeout=60)[0].splitlines() for process in running]
    assert told == [[json.dumps([4 * PORTS, [f"10.9.0.{number}"]]), "99"] for number in range(1, 5)]


def test_sockets_of_others(world, kernel_mode):
    """Listeners, bound sockets and connections from outside, half of which share their ports: what is free is had."""
    others = world.popen(
        [
            PYTHON,
            "-c",
            PREAMBLE
            + """
held = []
for p in range(FIRST, FIRST + 180):
    s = made(*[REUSE] * (p % 2))
    s.bind(("127.0.0.1", p))
    if p % 3 == 0: s.listen()
    elif p % 3 == 1: s.connect(("127.0.0.1", 7001))
    held.append(s)
print("ready", flush=True); sys.stdin.read()
""",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert others.stdout.readline() == "ready\n"
    # 20 ports without anybody, and for another destination also the 30 that share and are connected to the first
    assert world.json([*kernel_mode, tool("capacity"), "--bind=no", "--keep", "--count=20", "--destinations=1"])["connected"] == 20
    more = ["--bind=no", "--keep", "--count=50", "--destinations=1", "--port=7002"]
    assert world.json([*kernel_mode, tool("capacity"), *more])["connected"] == 50


def test_ports_that_the_kernel_chose(world, kernel_mode):
    """Only the kernel can share them, and does, where all others are taken from whatever address the connection will have."""
    held = "held = [connect(%d) for i in range(%d)]; print('ready', flush=True); sys.stdin.read()"
    others = world.popen([PYTHON, "-c", PREAMBLE + held % (7002, 5)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert others.stdout.readline() == "ready\n"
    text = """
held = [connect(7001) for i in range(PORTS)]
tell([len(set(map(port, held))), socket.socket().connect_ex(("127.0.0.1", 7001))])
"""
    assert script(world, kernel_mode, text) == [PORTS, 99]
