# SPDX-License-Identifier: MIT
"""Where Berth has less than usual to work with (older kernels, confined programs, many addresses), and where it must
not take more than its share."""

import json
import subprocess

import pytest
from conftest import tool

OLDER = {
    "before 5.19": ["wait-killable", "EINVAL"],
    "before 6.3": ["port-range", "ENOPROTOOPT"],
    "before 6.9": ["pidfd-thread", "EINVAL"],
}


def older(kernel):
    return [tool("deny"), *OLDER[kernel]]


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", "40000 40999")
    net.sink()
    return net


@pytest.mark.parametrize("kernel", OLDER)
def test_all_tuples(world, supervise, kernel):
    """All but a few of 4000 tuples are had on any kernel."""
    result = world.json([*older(kernel), *supervise, tool("capacity"), "--count=4000"])
    assert result["connected"] >= 3990, result


def test_two_runs_without_port_ranges(world, supervise):
    """A port that another run of Berth has just left in TIME_WAIT is not taken for a fresh one: with timestamps off its
    4-tuple cannot be had, and an explicit bind cannot be taken back."""
    world.sysctl("ipv4.tcp_timestamps", "0")
    command = [*older("before 6.3"), *supervise, tool("capacity"), "--count=400"]
    runs = [world.popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    results = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [result["connected"] for result in results] == [400, 400]


CLAIMS = """
import socket, sys
claims = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for claim, name in zip(claims, sys.argv[1:]):
    claim.bind("\\0" + name)
print("claimed", flush=True)
sys.stdin.read()
"""

ONE_PORT = """
import socket
client = socket.socket()
client.connect(("127.0.0.1", 7001))
print(client.getsockname()[1])
"""


def test_ports_that_other_runs_connect_from(world, supervise):
    """What another run has claimed from its look-up to its connection (supervise/claim.h) is passed over: to bind it
    would end in an error. A claim for another destination is in nobody's way."""
    world.sysctl("ipv4.ip_local_port_range", "40000 40007")
    names = [f"berth {port} 127.0.0.1:{7002 if port == 40005 else 7001}" for port in range(40000, 40008)]
    others = world.popen(["/usr/bin/python3", "-c", CLAIMS, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert others.stdout.readline() == "claimed\n"
    command = [*older("before 6.3"), *supervise, "/usr/bin/python3", "-c", ONE_PORT]
    assert world.json(command) == 40005


def test_program_that_confines_itself(world, berth):
    """What Landlock forbids the program, the supervisor does not do for it."""
    stock = world.run([tool("landlock")])
    if stock.returncode == 77:
        pytest.skip("this kernel has no Landlock rules for TCP")
    assert stock.stdout == "connect EACCES, send EPIPE\nconnect EACCES, send EPIPE\nbind EACCES\n"
    assert world.output([*berth, tool("landlock")]) == stock.stdout


LEARN_THE_PORT = """
import json, socket
made = []
for learn in (True, False):
    made.append(0)
    for i in range({count}):
        client = socket.socket()
        try:
            client.bind(("127.0.0.1", 0))
            if learn:
                assert client.getsockname()[1]
            client.connect(("127.0.0.1", 7001 + i % 4))
            made[-1] += 1
        except OSError:
            pass
        client.close()
print(json.dumps(made))
"""


def test_learned_ports_are_shared_afterwards(world, supervise):
    """A program that asks for its port before it connects leaves a TIME_WAIT that others can share: it does not use
    the range up for those that do not ask."""
    world.sysctl("ipv4.tcp_timestamps", "0")
    learned, others = world.json([*supervise, "/usr/bin/python3", "-c", LEARN_THE_PORT.format(count=1500)])
    assert learned >= 1000 and others >= 1490


MANY_ADDRESSES = """
import json, socket
made = 0
for i in range(1600):
    client = socket.socket()
    client.bind((f"127.0.1.{i % 80 + 1}", 0))
    client.connect(("127.0.0.1", 7001))
    made += 1
    client.close()
print(json.dumps(made))
"""


def test_more_addresses_than_are_remembered(world, berth):
    assert world.json([*berth, "/usr/bin/python3", "-c", MANY_ADDRESSES]) == 1600


def test_directory_is_free(net, berth, tmp_path):
    """Berth does not keep the file system that it was started on in use."""
    script = f"""
        mount -t tmpfs none {tmp_path} || exit 3
        (cd {tmp_path} && exec {" ".join(berth)} sh -c 'cd / && umount {tmp_path} && echo free')
    """
    assert net.output(["unshare", "-m", "sh", "-c", script], timeout=20) == "free\n"


def test_output_is_closed_when_the_program_closes_it(net, berth):
    """Who reads from the program sees the end of it when the program closes its side, not when Berth ends."""
    script = f"{' '.join(berth)} sh -c 'echo before; exec >&- 2>&-; sleep 1' | {{ cat; echo end; }}"
    process = net.popen(["sh", "-c", f"{script}; echo over"], stdout=subprocess.PIPE)
    assert [process.stdout.readline() for _ in range(3)] == ["before\n", "end\n", "over\n"]
    assert process.wait(timeout=20) == 0
