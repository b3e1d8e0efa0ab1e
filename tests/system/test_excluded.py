# SPDX-License-Identifier: MIT
"""exclude-cgroup and exclude-destination in kernel mode: what is excluded is as on stock Linux. Needs root.

SO_REUSEADDR, which kernel mode sets on what it gives a port to, tells from inside the program whether it did; the counters
tell the same.
"""

import pytest
from conftest import BERTH, Machine, Namespace, sum_ways, wait_until_empty
from test_daemon_settings import Steered

# Connects to each HOST PORT; says of each whether it was steered, which nobody listening there does not hinder.
CONNECT = """
import json, socket, sys
def steered(how, host, port):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if how == "bind":
        one.bind(("::1" if ":" in host else "127.0.0.1", 0))
        before = one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    one.connect_ex((host, int(port)))
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
calls = sys.argv[1:]
print(json.dumps([steered(*call) for call in zip(calls[::3], calls[1::3], calls[2::3])]))
"""

DESTINATIONS = [
    ("127.1.2.3", 7001),
    ("127.1.2.3", 7002),
    ("127.1.9.9", 7001),
    ("127.1.9.9", 443),
    ("127.2.0.1", 443),
    ("127.0.0.1", 7001),
    ("0.0.0.0", 7002),  # 127.0.0.1
    ("::ffff:127.1.2.3", 7001),
    ("::ffff:127.1.9.9", 443),
    ("::ffff:127.2.0.1", 443),
    ("::1", 7001),
    ("::", 7002),  # ::1
]
EXCLUDES = "[Berth]\nexclude-destination = "


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One for all tests here, as it takes a second or more to load."""
    net = Namespace()
    made = Steered(Machine(net), tmp_path_factory.mktemp("settings") / "berth.conf")
    assert "attached" in made.start("")
    yield made
    made.daemon.terminate()
    made.daemon.wait(60)
    made.machine.run([BERTH, "detach", made.options[-1]])
    for process in net.background:
        process.stdin and process.stdin.close()
    made.machine.close()
    assert not net.close()


@pytest.fixture
def steered(daemon):
    daemon.machine.net.sysctl("ipv4.ip_local_port_range", "40000 40099")
    change(daemon, "")
    return daemon


def connect(steered, how="connect", around=None, destinations=DESTINATIONS):
    """The destinations to which kernel mode gave a port."""
    calls = [str(word) for host, port in destinations for word in (how, host, port)]
    found = steered.machine.json([*(around or steered.machine.steered), "/usr/bin/python3", "-c", CONNECT, *calls])
    return {destination for destination, one in zip(destinations, found) if one}


def ways_of_programs(steered):
    return steered.machine.json([BERTH, "status", "--json"])["kernel_mode"]["ways"]


def ways(steered):
    return sum_ways(ways_of_programs(steered))


def change(steered, text):
    assert steered.change(text) == "took the settings anew"


def excluded(steered):
    settings = steered.in_force()
    return settings["excluded_cgroups"], settings["excluded_destinations"]


@pytest.mark.parametrize("how", ["connect", "bind"])
def test_destinations(steered, how):
    """By prefix and by port; mapped ones are IPv4; the shorter prefix counts where the longer
    one is of another port."""
    everything = {*DESTINATIONS}

    def left_alone(*expected):
        before = ways(steered)["excluded"]
        assert everything - connect(steered, how) == {*expected}
        assert ways(steered)["excluded"] - before == len(expected)

    change(steered, EXCLUDES + "127.1.0.0/16, 127.1.2.0/24:443, 127.2.0.1:443\n")
    assert excluded(steered) == (0, 3)
    of_1, of_2 = [d for d in DESTINATIONS if "127.1." in d[0]], [d for d in DESTINATIONS if "127.2." in d[0]]
    left_alone(*of_1, *of_2)
    change(steered, EXCLUDES + "127.1.2.3:7002 127.1.9.9:443 127.0.0.1:7002\n")
    left_alone(*(d for d in DESTINATIONS if d in {("127.1.2.3", 7002), ("0.0.0.0", 7002)} or "127.1.9.9" in d[0] and d[1] == 443))
    change(steered, EXCLUDES + "::/0\n")
    left_alone(("::1", 7001), ("::", 7002))
    change(steered, EXCLUDES + "[::1]:7001\n")
    left_alone(("::1", 7001))
    change(steered, EXCLUDES + "0.0.0.0/0\n")
    left_alone(*everything - {("::1", 7001), ("::", 7002)})
    for third in 3, 4:  # as many as there may be, and as many others in their place
        many = [f"exclude-destination = 127.{third}.{i}.0/24:{i + 1}\n" for i in range(256)]
        change(steered, "[Berth]\n" + "".join(many))
        assert excluded(steered) == (0, 256)
    left_alone()
    change(steered, "")
    assert excluded(steered) == (0, 0)


def test_is_as_on_stock_linux(steered):
    """The kernel's own choice skips what kernel mode has bound, and so fails where that would have shared it."""
    steered.machine.net.sysctl("ipv4.ip_local_port_range", "41000 41000")
    text = """
import socket
made = [socket.socket() for _ in range(2)]
print([one.connect_ex(("127.0.0.1", port)) for one, port in zip(made, (7001, 7002))])
"""
    program = [*steered.machine.steered, "/usr/bin/python3", "-c", text]
    change(steered, "")
    assert steered.machine.output(program) == "[0, 0]\n"
    steered.machine.net.sysctl("ipv4.ip_local_port_range", "41001 41001")
    change(steered, EXCLUDES + "127.0.0.1:7002\n")
    assert steered.machine.output(program) == "[0, 99]\n"


def inside(cgroup):
    return ["sh", "-c", f'echo $$ >{cgroup}/cgroup.procs && exec "$@"', "sh"]


@pytest.fixture
def three(steered):
    """Two below the one that is steered, and one below the first."""
    made = [steered.machine.cgroup / name for name in ("first", "second", "first/below")]
    for cgroup in made:
        cgroup.mkdir()
    yield made
    change(steered, "")  # or the daemon says that they are gone, when it comes to look
    for cgroup in reversed(made):
        if cgroup.exists():
            wait_until_empty(cgroup)
            cgroup.rmdir()


TO = [("127.0.0.1", 7001), ("::1", 7001)]


def test_cgroups(steered, three):
    """The programs in it and below it; all others are steered. By SIGHUP another one."""
    first, second, below = three
    change(steered, f"[Berth]\nexclude-cgroup = {first}\n")
    before = ways_of_programs(steered)
    for how in "connect", "bind":
        found = [len(connect(steered, how, inside(cgroup), TO)) for cgroup in (first, below, second, steered.machine.cgroup)]
        assert found == [0, 0, 2, 2]
    assert excluded(steered) == (1, 0)
    counted = {program: of["excluded"] - before[program]["excluded"] for program, of in ways_of_programs(steered).items()}
    assert counted == {"connect4": 4, "connect6": 4, "bind4": 2, "bind6": 2}
    change(steered, f"[Berth]\nexclude-cgroup = {below}, {second}\n")
    assert [len(connect(steered, "connect", inside(cgroup), TO)) for cgroup in three] == [2, 0, 0]
    assert "excluded: cgroups 2, destinations 0" in steered.machine.output([BERTH, "status"])


def test_cgroup_that_comes_and_goes(steered, three):
    """Said in a line; and when there is one of that name, by whichever number, its programs are left alone."""
    first, second, _ = three
    service = second / "service"
    change(steered, f"[Berth]\nexclude-cgroup = {service}, {first}\n")
    said = f"exclude-cgroup = {service}: "
    assert steered.said() == f"{said}No such file or directory: excludes nobody until it is there"
    assert excluded(steered) == (1, 0)
    for _ in range(2):  # with another number
        service.mkdir()
        assert steered.said() == f"{said}is there now"
        assert connect(steered, "connect", inside(service), TO) == set() and excluded(steered) == (2, 0)
        wait_until_empty(service)
        service.rmdir()
        assert steered.said() == f"{said}No such file or directory: excludes nobody until it is there"
    change(steered, "[Berth]\nexclude-cgroup = /proc\n")
    assert steered.said() == "exclude-cgroup = /proc: not a cgroup of version 2: excludes nobody until it is there"


def test_check(steered):
    steered.write("[Berth]\nexclude-cgroup = /no/such\n")
    done = steered.machine.run([BERTH, "daemon", "--check", *steered.options])
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "exclude-cgroup = /no/such: No such file or directory" in done.stderr


def test_one_program(net, tmp_path):
    """berth run --mode=kernel has both: a destination, and the cgroup that the program is in."""
    path = tmp_path / "berth.conf"
    calls = ["connect", "127.1.0.1", "7001", "connect", "127.2.0.1", "7001"]
    run = [BERTH, "run", "--mode=kernel", f"--config={path}", "/usr/bin/python3", "-c", CONNECT, *calls]
    path.write_text(EXCLUDES + "127.1.0.0/16\n")
    assert net.json(run) == [False, True]
    mount = next(line.split()[1] for line in open("/proc/mounts") if " cgroup2 " in line)
    path.write_text(f"[Berth]\nexclude-cgroup = {mount}\n")
    assert net.json(run) == [False, False]
