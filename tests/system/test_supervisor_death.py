# SPDX-License-Identifier: MIT
"""What happens when a part of Berth is killed: the program runs on as on stock Linux.

BERTH_KILLS is the number of times the supervisor is killed under load (100).
"""

import os
import signal
import subprocess
import time

import pytest
from conftest import descendants, part_of_berth, tool, wait_for

KILLS = int(os.environ.get("BERTH_KILLS", "100"))
STATUS = 41


def start_load(net, prefix):
    process = net.popen([*prefix, tool("load"), STATUS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "running\n"
    return process


def finish_load(net, process):
    """Ends the load; returns how many calls it made, none of which failed."""
    out, _ = process.communicate("stop\n", timeout=30)
    assert process.returncode == STATUS, out
    wait_for(lambda: not net.berth_processes(), "Berth to go when the program has ended")
    return int(out.split()[1])


def test_load_on_its_own(net, prefix):
    """Without any killing no call fails either, on stock Linux and under Berth."""
    net.sink()
    process = start_load(net, prefix)
    time.sleep(0.5)
    assert finish_load(net, process) > 200


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_supervisor_dies_under_load(net, supervise, how):
    """kill -9 many times, a crash a few times, each time at another moment."""
    net.sink()
    for i in range(KILLS if how == "SIGKILL" else max(KILLS // 20, 1)):
        process = start_load(net, supervise)
        supervisor = part_of_berth(process, "berth-super")
        time.sleep(i % 10 * 0.0037)
        os.kill(supervisor, getattr(signal, how))
        time.sleep(0.02)
        assert finish_load(net, process) > 200


def test_supervisor_and_guardian_die(net, supervise):
    """Both at once is beyond what anyone promises for the calls, but nothing may hang or stay behind."""
    net.sink()
    process = start_load(net, supervise)
    parts = [part_of_berth(process, name) for name in ("berth-guard", "berth-super")]
    for pid in parts:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        process.communicate("stop\n", timeout=20)
    except BrokenPipeError:
        pass
    wait_for(lambda: not net.berth_processes(), "Berth to go")


def test_guardian_dies_under_load(net, supervise):
    """Whatever follows from it, the load must not hang, and no call may fail while the program lives."""
    net.sink()
    process = start_load(net, supervise)
    os.kill(part_of_berth(process, "berth-guard"), signal.SIGKILL)
    time.sleep(0.1)
    out, _ = process.communicate("stop\n", timeout=20)
    assert "failed" not in out and "gave port 0" not in out, out
    wait_for(lambda: not net.berth_processes(), "Berth to go")


def test_killing_the_front_kills_the_program(net, supervise):
    net.sink()
    process = start_load(net, supervise)
    process.kill()
    process.wait(20)
    wait_for(lambda: set(net.processes().values()) <= {"sink"}, f"all to go: {net.processes()}")


def test_pending_connect_survives(net, supervise):
    """A blocking connect() that waits for a full listener returns 0 although the supervisor died meanwhile."""
    server = net.popen(
        ["/usr/bin/python3", "-c", FULL_LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout.readline() == "full\n"
    process = net.popen([*supervise, "/usr/bin/python3", "-c", ONE_CONNECT], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "connecting\n"
    time.sleep(0.3)
    os.kill(part_of_berth(process, "berth-super"), signal.SIGKILL)
    time.sleep(0.1)
    assert "python3" in descendants(process.pid).values(), "connect() did not wait"
    server.stdin.write("accept\n")
    server.stdin.flush()
    out, _ = process.communicate(timeout=20)
    assert out == "connected\n" and process.returncode == 0


FULL_LISTENER = """
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 7001))
listener.listen(0)
filler = socket.create_connection(("127.0.0.1", 7001))
print("full", flush=True)
sys.stdin.readline()
listener.accept()
listener.accept()
sys.stdin.read()
"""

ONE_CONNECT = """
import socket
client = socket.socket()
client.bind(("127.0.0.1", 0))
print("connecting", flush=True)
client.connect(("127.0.0.1", 7001))
print("connected")
"""
