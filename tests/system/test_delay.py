# SPDX-License-Identifier: MIT
"""TcpTimedWaitDelay above 60: what is handed out, in both modes; and in real seconds also below 60, as ss sees it. What takes more
than a minute comes last, and has gone on since the first test began (long_wait.py)."""

import errno
import json
import subprocess
import time

import pytest
from conftest import BERTH, SUPERVISE
from long_wait import PORTS
from test_daemon_settings import steered  # noqa: F401, the fixture

KEPT = "[Parameters]\nTcpTimedWaitDelay = 300\n"
REFUSED = errno.EADDRNOTAVAIL
PRICE = "TcpTimedWaitDelay = 300: a port stays away from the destination"

# For each line of input, "HOW HOST PORT COUNT", that many connections, closed first: their ports, or the error's number. HOW is
# connect; bind, to any port; or ask, which asks for the port after bind; or a port, which it binds.
ASKED = """
import json, socket, sys

def settle(client, how, host):
    if how != "connect":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((host, int(how) if how.isdigit() else 0))
    if how == "ask":
        client.getsockname()

def close_first(how, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client:
        try:
            settle(client, how, host)
            client.connect((host, int(port)))
        except OSError as error:
            return error.errno
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
        return client.getsockname()[1]

for line in sys.stdin:
    how, host, port, count = line.split()
    print(json.dumps([close_first(how, host, port) for _ in range(int(count))]), flush=True)
"""


class Asked:
    """A program that connects when it is told to."""

    def __init__(self, process):
        self.process = process

    def ask(self, how, count=1, host="127.0.0.1", port=7001):
        self.process.stdin.write(f"{how} {host} {port} {count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def use_up(self, host):
        """From each port once; then the second is over after which Linux lets these be taken over."""
        assert sorted(self.ask("connect", len(PORTS), host)) == [*PORTS]
        time.sleep(1.2)


@pytest.fixture
def asked(request, net, tmp_path):
    """In supervise mode, with the settings of the parameter."""
    net.sysctl("ipv4.ip_local_port_range", f"{PORTS[0]} {PORTS[-1]}")
    net.sink()
    path = tmp_path / "berth.conf"
    path.write_text(request.param)
    command = [*SUPERVISE[:-1], f"--config={path}", "/usr/bin/python3", "-c", ASKED]
    made = Asked(net.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    yield made
    made.process.communicate()


def check_kept(asked, host):
    """From the destination alone, whichever way a program comes by its port, but by its number."""
    for how in "connect", "connect", "bind", "ask":
        assert asked.ask(how, host=host) == [REFUSED], how
    assert sorted(asked.ask("connect", 3, host, 7002)) == [*PORTS]
    assert asked.ask(PORTS[1], host=host) == [PORTS[1]]
    assert asked.ask("connect", host=host) == [REFUSED]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("asked", [KEPT], indirect=True)
def test_supervise(asked, host):
    asked.use_up(host)
    check_kept(asked, host)


@pytest.mark.parametrize("asked", [f"{KEPT}[Berth]\npolicy = {policy}\n" for policy in ("sp1", "legacy")], indirect=True)
def test_supervise_older_policies(asked):
    """Are blind to the destination, and so meet it."""
    assert [asked.ask(port) for port in PORTS] == [[port] for port in PORTS]
    time.sleep(1.2)
    assert asked.ask("connect", 5) == [REFUSED] * 5


@pytest.mark.parametrize("asked", ["", "[Parameters]\nTcpTimedWaitDelay = 60\n", f"{KEPT}[Berth]\nexhausted = kernel\n"],
                         indirect=True)
def test_supervise_taken_over(asked):
    """Where nothing is kept away, or the search is left to the kernel all the same."""
    asked.use_up("127.0.0.1")
    (port,) = asked.ask("connect")
    assert port in PORTS


def test_kernel_mode(steered):  # noqa: F811
    """The same by the daemon, and changed while it runs."""
    machine = steered.machine  # noqa: F811
    machine.net.sysctl("ipv4.ip_local_port_range", f"{PORTS[0]} {PORTS[-1]}")
    steered.start(KEPT)
    assert steered.said().startswith(PRICE)
    command = [*machine.steered, "/usr/bin/python3", "-c", ASKED]
    asked = Asked(machine.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    for host, shown in ("127.0.0.1", "127.0.0.1:7001"), ("::1", "[::1]:7001"):
        asked.use_up(host)
        check_kept(asked, host)
        for _ in "from any address", "from the one that was bound":
            assert steered.said().startswith(f"time-wait-collision (4227): {shown}: ")
    governor = machine.json([BERTH, "status", "--json"])["kernel_mode"]["governor"]
    assert (governor["kept-away"], governor["kept-lost"]) == (14, 0)
    assert steered.change("") == "took the settings anew"
    (port,) = asked.ask("connect")
    assert port in PORTS
    assert steered.change(KEPT) == "took the settings anew"
    assert steered.said().startswith(PRICE)
    assert asked.ask("connect") == [REFUSED]
    assert steered.change(f"{KEPT}[Berth]\nexhausted = take-over\n") == "took the settings anew"
    (port,) = asked.ask("connect")
    assert port in PORTS
    asked.process.communicate()



KERNEL_S = 60  # and up to two more: its timers are coarse


@pytest.mark.parametrize("long_wait", ["supervise-60", "kernel-mode-60", "supervise-80", "kernel-mode-80"])
def test_port_comes_back(long_wait, long_waits):
    """To the destination of its last connection, after the kernel's 60 seconds; with 80 set after these, though the kernel has
    long let it go and timestamps would have allowed it after one second. Another destination has it at once."""
    at_once, back = json.loads(*long_waits(long_wait))
    assert at_once == [len(PORTS)] * 2
    delay = int(long_wait.rsplit("-", 1)[1])
    for ages in back:
        assert len(ages) == len(PORTS), back
        assert delay <= min(ages.values()), back
        assert delay > KERNEL_S or max(ages.values()) < 80, back


@pytest.mark.parametrize("long_wait", ["governor-30"])
def test_leaves_early(long_wait, long_waits):
    """Nobody before 30 seconds have passed; then all, without the kernel's 60."""
    ports = [*range(20000, 20020)]
    looks = [json.loads(line) for line in long_waits(long_wait)]
    assert looks[0][1] == ports and looks[-1][1] == []
    first = next(seconds for seconds, there in looks if there != ports)
    assert 30 <= first and looks[-1][0] < KERNEL_S, looks
