# SPDX-License-Identifier: MIT
"""What the tests of `berth status`, `explain`, `map` and `top` look at: connections of our own making, and what ss says
of them."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter, namedtuple

from conftest import BERTH, wait_for

PYTHON = "/usr/bin/python3"

# Makes connections as told by its arguments, each "address port count what", says "ready", and on the end of its input
# ends. What: keep, or close (we do, so that TIME_WAIT is here), or abort.
MAKE = r"""
import json, socket, struct, sys
kept = []
for address, port, count, what in json.loads(sys.argv[1]):
    for i in range(count):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        client.connect((address, port))
        if what == "keep":
            kept.append(client)
        else:
            client.close()
print("ready", flush=True)
sys.stdin.read()
"""

# Listens on a port; closes each connection as soon as it is there, and so first.
CLOSES_FIRST = r"""
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
print("ready", flush=True)
server.settimeout(60)
for i in range(int(sys.argv[2])):
    server.accept()[0].close()
sys.stdin.read()
"""

Socket = namedtuple("Socket", "state local port peer")


def start(net, script, *arguments, **kwargs):
    """Starts a script that says when it is ready; it ends with the test."""
    process = net.popen([PYTHON, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kwargs)
    assert process.stdout.readline() == "ready\n"
    return process


def make(net, *loads, **kwargs):
    """Connections: each load is (address, port, count, what). What was closed is in TIME_WAIT on return."""
    process = start(net, MAKE, json.dumps(loads), **kwargs)
    closed = {(f"[{address}]" if ":" in address else address) + f":{port}" for address, port, _, what in loads if what == "close"}
    leaving = ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING")
    wait_for(lambda: not any(one.peer in closed and one.state in leaving for one in ss(net)), "the peer to close")
    return process


def ss(net):
    """Every TCP socket of the namespace as ss has it: state, local address, local port, peer."""
    found = []
    for line in net.output(["ss", "-Htan"]).splitlines():
        state, _, _, local, peer = line.split()[:5]
        address, port = local.rsplit(":", 1)
        if port != "*":  # a socket on its way out has none
            found.append(Socket(state, address.strip("[]"), int(port), peer))
    return found


def by_destination(sockets, first, last):
    """(peer, local address) -> Counter of "used" and "waiting", of connections that were begun here."""
    listening = {one.port for one in sockets if one.state == "LISTEN"}
    found = {}
    for one in sockets:
        if first <= one.port <= last and one.port not in listening:
            kind = "waiting" if one.state == "TIME-WAIT" else "used"
            found.setdefault((one.peer, one.local), Counter())[kind] += 1
    return found


def berth(net, *arguments, **kwargs):
    return net.run([BERTH, *arguments], **kwargs)


def report(net, *arguments, **kwargs):
    return net.json([BERTH, *arguments, "--json"], **kwargs)


def refused(net, *arguments):
    """Bad usage: status 2 and one line, which is returned."""
    done = berth(net, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"berth {arguments[0]}: ") and done.stderr.count("\n") == 1
    return done.stderr


@contextlib.contextmanager
def unprivileged():
    """berth as a user without any privilege, where every user may execute it, wherever the build tree lies."""
    if os.geteuid() != 0:
        yield [BERTH]
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", shutil.copy(BERTH, folder)]
