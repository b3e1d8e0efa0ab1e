# SPDX-License-Identifier: MIT
"""A look at a shared port that stops at the socket vouched for (bpf/vouched.h) misses nobody: each call succeeds, as on stock Linux.

The states are those in which somebody stands behind that socket who is in the way.
"""

import json

import pytest
from conftest import wait_for

PYTHON = "/usr/bin/python3"

LISTENERS = """
import socket, sys
kept = []
for port in (7001, 7002, 7003):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", port)); s.listen(65535); kept.append(s)
sys.stdin.read()
"""

# connect() gives the errno and the socket; hold() has other processes hold as many connections, whose ends are never closed.
PREAMBLE = """
import errno, json, os, resource, socket, struct, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
SO_MARK, BIND_ADDRESS_NO_PORT = 36, 24
def connect(port, mark=0, address=None):
    s = socket.socket()
    if mark: s.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    if address:
        s.setsockopt(socket.SOL_IP, BIND_ADDRESS_NO_PORT, 1)
        s.bind((address, 0))
    return s.connect_ex(("127.0.0.1", port)), s
def connect_many(count, port, **how):
    made = [connect(port, **how) for i in range(count)]
    return [error for error, s in made if error], [s for error, s in made]
until, end = os.pipe()
def hold(count, port, mark):
    while count > 0:
        some = min(count, most - 100)
        count -= some
        ready, done = os.pipe()
        if os.fork() == 0:
            failed, kept = connect_many(some, port, mark=mark)
            os.write(done, b"0" if failed else b"1")
            os.close(done)
            os.close(end)
            os.read(until, 1)  # until this program has ended
            os._exit(0)
        assert os.read(ready, 1) == b"1"
        os.close(ready)
        os.close(done)
"""


def failed(net, kernel_mode, text, first, last):
    net.sysctl("ipv4.ip_local_port_range", f"{first} {last}")
    net.sysctl("core.somaxconn", 65535)
    net.sysctl("ipv4.tcp_max_syn_backlog", 65535)
    net.popen([PYTHON, "-c", LISTENERS], stdin=-1)
    wait_for(lambda: len(net.output(["ss", "-Htln"]).splitlines()) == 3, "the listeners")
    return json.loads(net.output([*kernel_mode, PYTHON, "-c", PREAMBLE + text]).splitlines()[-1])


@pytest.mark.parametrize("before", [400, 0])
def test_two_sources(net, kernel_mode, before):
    """Routes by mark give another source address: what is connected from there to the same destination is in the way as well,
    whether the destination has been known for long (`before`) or is got to know meanwhile."""
    for words in ("rule add pref 200 lookup local", "rule del pref 0", "rule add pref 100 fwmark 1 lookup 101"):
        net.output(["ip", *words.split()])
    net.output(["ip", "route", "add", "local", "127.0.0.1", "dev", "lo", "src", "127.0.0.2", "table", "101"])
    assert (
        failed(
            net,
            kernel_mode,
            """
hold(5500, 7002, 0); hold(6499, 7001, 1); hold(11500, 7003, 1)
errors, kept = connect_many(@, 7001)  # the record knows their source
time.sleep(0.15)
for i in range(15):
    for mark in (0, 1):
        some, more = connect_many(20, 7001, mark=mark)
        errors += some
        kept += more
print(json.dumps(errors))
""".replace("@", str(before)),
            40000,
            51999,
        )
        == []
    )


def test_disconnected_where_it_stands(net, kernel_mode):
    """A socket that was bound to an address stays in its list when it is disconnected, and may connect once more."""
    assert (
        failed(
            net,
            kernel_mode,
            """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
here = {"address": "127.0.0.1"}
errors, first = connect_many(100, 7001, **here)
for count, port, how in ((100, 7002, here), (195, 7003, here), (40, 7001, here)):
    some, kept = connect_many(count, port, **how)
    errors += some
    first += kept
for s in first[:30]:
    assert libc.connect(s.fileno(), struct.pack("HH12x", socket.AF_UNSPEC, 0), 16) == 0
some, kept = connect_many(30, 7001, **here)
errors += some + [s.connect_ex(("127.0.0.1", 7001)) for s in first[:30]]
print(json.dumps([error for error in errors if error]))
""",
            40000,
            40199,
        )
        == []
    )
