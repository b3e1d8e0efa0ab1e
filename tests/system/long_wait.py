# SPDX-License-Identifier: MIT
"""What takes more than a minute of real time to come about, and next to no work: begun before all other tests, looked at
after them (test_delay.py). Only what is selected is begun."""

import subprocess

import conftest
import proxies

# Closes first what it connects, from each port once, to an IPv4 and an IPv6 destination. Then asks for more until each port
# has come back to either, and tells after how many seconds: since before it was closed, so these are never too few.
COMES_BACK = """
import errno, json, socket, sys, time

ports = int(sys.argv[1])

def connect(listener):
    client = socket.socket(listener.family)
    try:
        client.connect(listener.getsockname())
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        client.close()
        return None, None, None
    return client.getsockname()[1], client, listener.accept()[0]

def close_first(listener):
    port, client, server = connect(listener)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    now = time.monotonic()
    server.close()
    assert client.recv(1) == b""
    client.close()
    return port, now

listeners = [socket.create_server(("127.0.0.1", 7001)), socket.create_server(("::1", 7001), family=socket.AF_INET6)]
closed = [dict(close_first(listener) for _ in range(ports)) for listener in listeners]
at_once = [len(one) for one in closed]
back, kept = [{} for _ in listeners], []
end = time.monotonic() + 110
while any(len(one) < ports for one in back) and time.monotonic() < end:
    for listener, since, came in zip(listeners, closed, back):
        port, *ends = connect(listener)
        if port:
            came[port] = time.monotonic() - since[port]
            kept += ends
    time.sleep(0.25)
print(json.dumps([at_once, back]))
"""

# Closes twenty connections first. Says each half second which ports are in TIME_WAIT, and how long ago it began to close, at the
# latest: ss takes its time, too.
LOOKS = """
import json, subprocess, sys, time

begun = time.monotonic()
subprocess.run([sys.argv[1], "-t", "20000", "20"], check=True, stdout=subprocess.DEVNULL)
while True:
    lines = subprocess.run(["ss", "-Htn", "state", "time-wait"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    now = time.monotonic() - begun
    print(json.dumps([now, sorted(int(line.split()[2].rsplit(":", 1)[1]) for line in lines)]), flush=True)
    if not lines or now > 110:
        break
    time.sleep(0.5)
"""

PORTS = range(40000, 40003)


class LongWait:
    """A program in a network namespace, which prints what came of it."""

    def __init__(self):
        self.net, self.process = conftest.Namespace(), None

    def start(self, command):
        self.process = self.net.popen(command, stdout=subprocess.PIPE)

    def lines(self):
        return self.process.communicate(timeout=conftest.TEST_SECONDS)[0].splitlines()

    def close(self):
        left = self.net.close()
        assert not left, f"left behind in the namespace: {left}"


def comes_back(prefix, timestamps):
    """Of the ports that come back by themselves; of those with timestamps Linux takes over what is a second old."""
    wait = LongWait()
    wait.net.sysctl("ipv4.ip_local_port_range", f"{PORTS[0]} {PORTS[-1]}")
    wait.net.sysctl("ipv4.tcp_timestamps", timestamps)
    wait.start([*prefix, "/usr/bin/python3", "-c", COMES_BACK, len(PORTS)])
    return wait


class KeptByKernel:
    """berth run --mode=kernel in a cgroup of its own, as what it makes there is there while other tests run."""

    def __init__(self, session_cgroup, path):
        assert session_cgroup, "kernel mode needs root and cgroup v2"
        self.cgroup = session_cgroup / "long-wait"
        self.cgroup.mkdir()
        enter = ["sh", "-c", f'echo $$ >{self.cgroup}/cgroup.procs && exec "$@"', "sh"]
        self.wait = comes_back([*enter, conftest.BERTH, "run", "--mode=kernel", f"--config={path}", "--"], 1)
        self.lines = self.wait.lines

    def close(self):
        self.wait.close()
        conftest.wait_for(lambda: not list(self.cgroup.glob("*/")), "the keeper to end")
        self.cgroup.rmdir()


class Governed30:
    """A daemon that ends TIME_WAIT after 30 seconds, and ss beside it."""

    def __init__(self, path):
        self.wait = LongWait()
        self.machine = conftest.Machine(self.wait.net)
        self.machine.options.append(f"--config={path}")
        self.daemon, _ = self.machine.start()
        assert "TcpTimedWaitDelay = 30: " in self.daemon.stderr.readline()
        self.wait.start(["/usr/bin/python3", "-c", LOOKS, conftest.tool("close_first")])
        self.lines = self.wait.lines

    def close(self):
        self.machine.end(self.daemon)
        self.machine.detach()
        self.machine.holder.stdin.close()
        self.machine.close()
        self.wait.close()


class Beside:
    """Proxies, and what is to be known of them."""

    def __init__(self, directory):
        self.wait = LongWait()
        self.proxies = proxies.Proxies(self.wait.net, directory)
        self.lines = self.proxies.report

    def close(self):
        self.proxies.close()
        self.wait.close()


def begin(name, request, directory):
    if name == "proxies":
        return Beside(directory)
    path = directory / f"{name}.conf"
    path.write_text(f"[Parameters]\nTcpTimedWaitDelay = {name.rsplit('-', 1)[1]}\n")
    if name == "governor-30":
        return Governed30(path)
    if name == "kernel-mode-80":
        return KeptByKernel(request.getfixturevalue("session_cgroup"), path)
    if name == "kernel-mode-60":
        return comes_back(request.getfixturevalue("kernel_mode"), 0)
    return comes_back([*conftest.SUPERVISE[:-1], f"--config={path}", "--"], 0 if name.endswith("60") else 1)
