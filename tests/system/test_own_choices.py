# SPDX-License-Identifier: MIT
"""What the program or the administrator has chosen stands, and on a poorer kernel Berth falls back or says why not."""

import json
import os
import subprocess

import pytest
from conftest import BERTH, tool

PREAMBLE = """
import json, socket, struct, sys, time
NO_PORT, PORT_RANGE = 24, 51
def made(*options, family=socket.AF_INET):
    client = socket.socket(family)
    for level, name, value in options:
        client.setsockopt(level, name, value)
    return client
def ports(first, last):
    return struct.pack("=I", last << 16 | first)
def range_of(client):
    value = struct.unpack("=I", client.getsockopt(0, PORT_RANGE, 4))[0]
    return [value & 65535, value >> 16]
def to(number=0):
    return ("127.0.0.1", 7001 + number % 4)
def port(client):
    return client.getsockname()[1]
def tell(value):
    print(json.dumps(value))
"""


def script(net, prefix, text, **kwargs):
    """Runs a Python program; what it tells, one value a line."""
    out = net.output([*prefix, "/usr/bin/python3", "-c", PREAMBLE + text], **kwargs)
    values = [json.loads(line) for line in out.splitlines()]
    return values[0] if len(values) == 1 else values


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", "40000 40199")
    net.sink()
    return net


# --- the program's ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [20000, 40100])
def test_explicit_port(world, prefix, wanted):
    """Outside the range and inside."""
    got = script(world, prefix, f"c = made(); c.bind(('127.0.0.1', {wanted})); c.connect(to()); tell(port(c))")
    assert got == wanted


def test_own_port_range_with_bind(world, prefix):
    got = script(
        world,
        prefix,
        """
kept = []
for i in range(10):
    c = made((0, PORT_RANGE, ports(40050, 40059))); c.bind(("127.0.0.1", 0)); c.connect(to(i)); kept.append(c)
tell([sorted(map(port, kept)), [range_of(c) for c in kept]])
""",
    )
    assert got == [list(range(40050, 40060)), [[40050, 40059]] * 10]


def test_own_port_range_with_connect(world, prefix):
    """Also set after the bind, which is when a steered socket has been told another one."""
    got = script(
        world,
        prefix,
        """
kept = []
for i in range(20):
    c = made((0, NO_PORT, i % 2), (0, PORT_RANGE, ports(40050, 40059)))
    if i % 2: c.bind(("127.0.0.1", 0))
    c.connect(to(i)); kept.append(c)
tell([all(40050 <= port(c) <= 40059 for c in kept), all(range_of(c) == [40050, 40059] for c in kept)])
""",
    )
    assert got == [True, True]


def test_own_range_after_the_bind(world, prefix):
    got = script(
        world,
        prefix,
        """
c = made(); c.bind(("127.0.0.1", 0)); c.setsockopt(0, PORT_RANGE, ports(40050, 40059)); c.connect(to())
tell(range_of(c))
""",
    )
    assert got == [40050, 40059]


def test_own_no_port(world, prefix):
    """A program that binds lazily itself sees port 0 until connect(), and the option stays set."""
    got = script(
        world,
        prefix,
        """
kept = []
for i in range(700):
    c = made((0, NO_PORT, 1)); c.bind(("127.0.0.1", 0))
    before = port(c); c.connect(to(i)); kept.append((before, c.getsockopt(0, NO_PORT), port(c) > 0, c))
tell([list(k[:3]) for k in kept] == [[0, 1, True]] * 700)
""",
    )
    assert got is True


def test_options_are_as_they_were(world, berth):
    """Nothing of the steering can be read back, before the bind, after it, and when connected."""
    text = """
def all_of(c):
    return [c.getsockopt(0, NO_PORT), range_of(c), c.getsockopt(1, 15), c.gettimeout(), c.getblocking(),
            c.getsockopt(1, 4), c.getsockopt(1, 20, 16).hex(), c.getsockopt(1, 21, 16).hex()]
for blocking in (True, False):
    c = made(); c.setblocking(blocking)
    seen = [all_of(c)]
    c.bind(("127.0.0.1", 0)); seen.append(all_of(c))
    c.connect_ex(to()); seen.append(all_of(c))
    time.sleep(0.05); seen.append(all_of(c))
    tell(seen)
"""
    assert script(world, berth, text) == script(world, [], text)


def test_options_after_a_refusal(world, berth):
    """A socket that Berth tried in vain is as it was, and connects elsewhere."""
    got = script(
        world,
        berth,
        """
kept = []
for i in range(200):
    c = made(); c.bind(("127.0.0.1", 0)); c.connect(to()); kept.append(c)
def state(c): return [range_of(c), c.getsockopt(0, NO_PORT), c.getblocking()]
c = made(); c.bind(("127.0.0.1", 0)); fresh = state(c)
refused = c.connect_ex(to()); after = state(c)
elsewhere = c.connect_ex(to(1)); at_last = state(c)
tell([refused, elsewhere, fresh, after, at_last])
""",
    )
    assert got == [99, 0] + [[[0, 0], 0, True]] * 3


def test_reuseport_group(world, prefix):
    """Two sockets share a listening port by SO_REUSEPORT; a third without it does not."""
    got = script(
        world,
        prefix,
        """
first = made((1, 15, 1)); first.bind(("127.0.0.1", 0)); first.listen()
second = made((1, 15, 1)); second.bind(("127.0.0.1", port(first))); second.listen()
third = made()
try: third.bind(("127.0.0.1", port(first))); tell("shared")
except OSError as error: tell(error.errno)
""",
    )
    assert got == 98


@pytest.mark.parametrize("reuse", [0, 1])
def test_bound_port_is_not_shared_with_others(world, prefix, reuse):
    """A port bound by a program that did not set SO_REUSEADDR is its own, whatever the second one sets."""
    got = script(
        world,
        prefix,
        f"""
first = made(); first.bind(("127.0.0.1", 0))
second = made((1, 2, {reuse}))
try: second.bind(("127.0.0.1", port(first))); tell("shared")
except OSError as error: tell(error.errno)
""",
    )
    assert got == 98


def test_ports_of_listeners_differ(world, prefix):
    """Many sockets bound to port 0 and listening, as test suites do it: each has its own port."""
    got = script(
        world,
        prefix,
        """
kept = []
for i in range(150):
    c = made(); c.bind(("127.0.0.1", 0)); kept.append(c)
ports = [port(c) for c in kept]
for c in kept: c.listen()
tell([len(set(ports)), ports == [port(c) for c in kept], all(40000 <= p <= 40199 for p in ports)])
""",
    )
    assert got == [150, True, True]


def test_rebind_of_a_learned_port(world, prefix):
    """A program asks for any port, notes it, closes and binds that very port: it must still be free."""
    got = script(
        world,
        prefix,
        """
for i in range(100):
    c = made(); c.bind(("127.0.0.1", 0)); p = port(c); c.close()
    d = made(); d.bind(("127.0.0.1", p)); d.listen(); d.close()
tell("bound")
""",
    )
    assert got == "bound"


def test_bind_to_device(world, prefix):
    got = script(
        world,
        prefix,
        """
c = made((1, 25, b"lo")); c.bind(("127.0.0.1", 0)); c.connect(to())
tell([c.getsockopt(1, 25, 16)[:2].decode(), 40000 <= port(c) <= 40199])
""",
    )
    assert got == ["lo", True]


def test_udp_and_unix_and_raw_fds(world, prefix):
    """What is not TCP: UDP ports, socket pairs, abstract names as long as an IPv4 address, calls on other files."""
    got = script(
        world,
        prefix,
        """
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.connect(("127.0.0.1", 9))
name = b"\\0" + b"x" * 13
a = socket.socket(socket.AF_UNIX); a.bind(name); a.listen()
b = socket.socket(socket.AF_UNIX); b.connect(name)
f = open("/dev/null")
try: socket.socket(fileno=f.fileno())
except OSError as error: tell([40000 <= port(u) <= 40199, a.getsockname() == name, b.getpeername() == name, error.errno])
""",
    )
    assert got == [True, True, True, 88]


def test_fast_open(world, prefix):
    """A connection that sendto() begins is not seen by Berth; the kernel chooses, or the port is what was told."""
    got = script(
        world,
        prefix,
        """
MSG_FASTOPEN = 0x20000000
first = made(); first.bind(("127.0.0.1", 0)); first.sendto(b"x", MSG_FASTOPEN, to())
second = made(); second.bind(("127.0.0.1", 0)); told = port(second); second.sendto(b"x", MSG_FASTOPEN, to())
tell([40000 <= port(first) <= 40199, port(second) == told])
""",
    )
    assert got == [True, True]


def test_multipath_tcp(world, prefix):
    """Another protocol with TCP's addresses."""
    got = script(
        world,
        prefix,
        """
c = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); c.bind(("127.0.0.1", 0)); told = port(c); c.connect(to())
tell([40000 <= told <= 40199, port(c) == told])
""",
    )
    assert got == [True, True]


def test_network_namespace_inside(net, berth):
    """The program moves into another network namespace, of which Berth knows neither the sockets nor the range."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40199")
    script_text = (
        f"ip link set lo up; echo 50000 50999 > /proc/sys/net/ipv4/ip_local_port_range; coproc SINK {{ {tool('sink')} 7001 4; }};"
        f' read -r _ <&"${{SINK[0]}}"; {tool("capacity")} --count=400 --keep; {tool("capacity")} --count=400; eval "exec ${{SINK[1]}}>&-"'
    )
    user = [] if os.geteuid() == 0 else ["-Ur"]
    done = net.run([*berth, "unshare", "-n", *user, "bash", "-c", script_text])
    assert [json.loads(line)["connected"] for line in done.stdout.splitlines()] == [400, 400], done


HIDE = """
import ctypes
first, second, third = made(), made(), made()
for c in (first, second, third): c.bind(("127.0.0.1", 0))
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
"""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.mark.parametrize("prefix", ["stock", "supervise"], indirect=True)
def test_process_that_hides(world, prefix):
    """PR_SET_DUMPABLE 0 keeps a supervisor that is not root from the program's sockets; its calls succeed all the same."""
    got = script(
        world,
        [*NOBODY, *prefix],
        HIDE
        + """
first.connect(to()); second.listen()
fourth = made(); fourth.bind(("127.0.0.1", 0)); told = port(fourth); fourth.connect(to(1))
tell([port(first) > 0, port(second) > 0, told > 0, port(fourth) == told])
""",
    )
    assert got == [True] * 4


@pytest.mark.parametrize("before", ["pass", "import os; os.kill(os.getppid(), 9)"], ids=["supervisor", "guardian"])
def test_name_after_hiding(world, supervise, before):
    """What it bound before has its port."""
    got = script(
        world,
        [*NOBODY, *supervise],
        HIDE.replace("ctypes.CDLL", f"{before}\nctypes.CDLL")
        + "tell([port(c) for c in (first, second, third)])",
    )
    assert len(set(got)) == 3 and min(got) > 0


# --- the administrator's ----------------------------------------------------------------------------------------------

FILL = """
kept, failures = [], 0
for i in range({count}):
    try:
        c = made({options}); c.bind(("127.0.0.1", 0)); c.connect(to(i)); kept.append(c)
    except OSError: failures += 1
tell([sorted(set(map(port, kept))), failures])
"""
# Kernel mode chooses a port in bind(), where it does not know the destination yet, unless the program puts it off.
both_modes = pytest.mark.parametrize(
    "berth, options", [("supervise", ""), ("kernel-mode", "(0, NO_PORT, 1)")], indirect=["berth"], ids=["supervise", "kernel-mode"]
)


@both_modes
def test_reserved_ports(world, berth, options):
    """Ports that the administrator reserves are never handed out, and all others are."""
    world.sysctl("ipv4.ip_local_reserved_ports", "40010-40019,40100")
    ports, failures = script(world, berth, FILL.format(count=189 * 4, options=options))
    reserved = {*range(40010, 40020), 40100}
    assert not reserved & set(ports)
    assert len(ports) == 189 and failures <= 4


@both_modes
def test_range_changes_while_running(world, berth, options):
    """The second half of the connections, made after the change, come from the new range; so do reserved ports."""
    learn = "kept.clear()\nfor i in range(90):\n    c = made(); c.bind(('127.0.0.1', 0)); kept.append(c)\ntell(list(map(port, kept)))\n"
    text = FILL.format(count=300, options=options) + "input()\nkept.clear()\ntime.sleep(1.1)\n" + FILL.format(count=300, options=options) + learn
    command = [*berth, "/usr/bin/python3", "-c", PREAMBLE + text]
    process = world.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ports, failures = json.loads(process.stdout.readline())
    assert failures == 0 and set(ports) <= set(range(40000, 40200))
    world.sysctl("ipv4.ip_local_port_range", "50000 50099")
    world.sysctl("ipv4.ip_local_reserved_ports", "50050")
    out, _ = process.communicate("\n", timeout=20)
    (ports, failures), learned = map(json.loads, out.splitlines())
    wanted = {*range(50000, 50100)} - {50050}
    assert failures == 0 and set(ports) <= wanted and set(learned) <= wanted


@both_modes
def test_port_held_by_somebody_else(world, berth, options):
    """A port that a program outside Berth holds with an explicit bind is not handed out, and breaks nothing."""
    holder = world.popen(
        [
            "/usr/bin/python3",
            "-c",
            PREAMBLE
            + "kept = []\nfor p in range(40000, 40050):\n  c = made(); c.bind(('127.0.0.1', p)); kept.append(c)\n"
            + "print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == "held\n"
    ports, failures = script(world, berth, FILL.format(count=600, options=options))
    assert ports[0] >= 40050 and failures <= 6 and len(ports) == 150


# --- a poorer kernel --------------------------------------------------------------------------------------------------


def test_deny_denies(world):
    """The tool itself: the option really fails under it."""
    done = world.run([tool("deny"), "port-range", "ENOPROTOOPT", "/usr/bin/python3", "-c", PREAMBLE + "made((0, PORT_RANGE, 0))"])
    assert "Protocol not available" in done.stderr


@pytest.mark.parametrize("extra", [[], ["--keep"], ["--keep", "--nonblocking"], ["--keep", "--ipv6"]], ids=" ".join)
def test_kernel_before_6_3(world, supervise, extra):
    """Without IP_LOCAL_PORT_RANGE Berth binds explicitly: all but a few of the tuples are still had."""
    poorer = [tool("deny"), "port-range", "ENOPROTOOPT"]
    result = world.json([*poorer, *supervise, tool("capacity"), "--count=800", *extra])
    assert result["connected"] >= 790, result


@pytest.mark.parametrize(
    "what, error",
    [("listener", "EINVAL"), ("listener", "EPERM"), ("seccomp", "ENOSYS"), ("seccomp", "EPERM"), ("pidfd-getfd", "EPERM")],
)
def test_says_what_is_missing(world, supervise, what, error):
    """One line on stderr, exit status 1, and the program is not started by halves."""
    done = world.run([tool("deny"), what, error, *supervise, "echo", "ran"])
    assert done.returncode == 1 and done.stdout == "", done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("berth run: "), done.stderr


def test_without_sock_diag(world, supervise):
    """Without sock_diag the kernel's refusals still steer: nothing fails that stock Linux would not."""
    result = world.json([tool("deny"), "sock-diag", "EPROTONOSUPPORT", *supervise, tool("capacity"), "--count=150"])
    assert result["connected"] == 150


def test_version_and_help(net):
    assert net.output([BERTH, "--version"]).startswith("berth ")
    assert "--mode" in net.output([BERTH, "run", "--help"])
