#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""nginx and HAProxy as reverse proxies under wrk, while the ports towards their one origin run out.

    bench/proxies.py [--json[=FILE]] [--quick|--smoke] [BUILD]

Needs root. The proxy has a network namespace of its own, with a range of few ports; wrk and the origin, an nginx, are in another one,
at the far end of a veth pair, so that Linux's exception for loopback (tcp_tw_reuse=2) does not apply. Every request is a connection
to the origin.

nginx closes its connections first, and each leaves its port in TIME_WAIT: the range is filled by the load itself, second after
second. HAProxy resets what it closes first and leaves none. So there a process beside it, of the same `berth run`, holds
connections to the origin.

The sides: `stock`, as Linux comes. `sysctls`: 16/7 as many ports (as 1024-65535 is of 32768-60999), ip_autobind_reuse=1, tcp_tw_reuse=1.
`supervise`, `kernel`: the proxy is run by Berth, with the sysctls of `stock`; `kernel, take-over`: with exhausted = take-over in its
settings, which matters where ports are in TIME_WAIT only. A value is the median of the rounds.
"""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

PROXY, ORIGIN, FAR = 8080, 8001, "10.77.0.2"
HERE = "10.77.0.1"
FIRST = 32768
IP_LOCAL_PORT_RANGE = 51
TAKE_OVER = "kernel, take-over"
SIDES = {"stock": [], "sysctls": [], "supervise": ["--mode=supervise"], "kernel": ["--mode=kernel"],
         TAKE_OVER: ["--mode=kernel", "--config={folder}/berth.conf"]}
FILLS = (0, 99, 100)


class Effort:
    def __init__(self, ports, seconds, rounds, sides, fills):
        self.ports, self.seconds, self.rounds, self.sides, self.fills = ports, seconds, rounds, sides, fills


EFFORTS = {
    "full": Effort(8000, 5, 3, list(SIDES), FILLS),
    "quick": Effort(3000, 2, 1, list(SIDES), FILLS[1:]),
    "smoke": Effort(500, 1, 1, ["supervise"], FILLS[1:2]),
}

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log crit; user root;
events {{ worker_connections {files}; }}
http {{
    access_log off; client_header_timeout 600s; keepalive_timeout 600s; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {body}
}}
"""
ORIGIN_BODY = 'server {{ listen {port} backlog=65535; location / {{ return 200 "hello\\n"; }} }}'
# The origin is told to keep the connection, and there is no pool to put it in: nginx closes it first.
PROXY_BODY = """server {{ listen {proxy} backlog=65535;
    location / {{ proxy_pass http://{far}:{origin}; proxy_http_version 1.1; proxy_set_header Connection keep-alive; }} }}"""
HAPROXY = """
global
    maxconn 5000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option http-server-close
    http-reuse never
frontend f
    bind :{proxy}
    default_backend b
backend b
    server origin {far}:{origin}
"""
WRK_DONE = """
done = function(summary, latency)
    io.write(string.format("did %d %d %d %d\\n", summary.duration, summary.requests,
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        latency:percentile(99)))
end
"""


def program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        sys.exit(f"bench/proxies.py: {name} is not installed; tools/setup.sh check installs it")
    return path


# ---- beside the proxy: starts it, and holds connections as it is told ----


def take(port):
    """A connection to the origin; from this port, if one is given, at the cost of one try."""
    connection = socket.socket()
    if port:
        connection.setsockopt(socket.SOL_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port))
    connection.connect((FAR, ORIGIN))
    return connection


def beside(berth, ports, command):
    """Reads how many to hold, says how many it holds. On stock Linux one port after another, which is quick; what the
    proxy has still open is tried again for a while."""
    report.allow_files()
    proxy = report.start(command)
    free = [*range(FIRST, FIRST + ports, 2), *range(FIRST + 1, FIRST + ports, 2)]
    held = []
    for line in sys.stdin:
        wanted, deadline = int(line), time.monotonic() + 20
        while len(held) < wanted and time.monotonic() < deadline:
            try:
                held.append(take(0 if berth else free[0]))
                free.pop(0)
            except OSError:
                free.append(free.pop(0))
                time.sleep(0.001)
        print(len(held), flush=True)
    report.end(proxy)


# ---- the world around ----


class World:
    """The namespace at the far end, with the origin in it."""

    def __init__(self, folder):
        self.folder = folder
        self.origin = report.start(["unshare", "-n", "sh", "-c", 'read go && exec "$@"', "sh", *self.nginx(
            "origin", ORIGIN_BODY.format(port=ORIGIN))], stdin=subprocess.PIPE, text=True)
        self.wait_for(lambda: os.readlink(f"/proc/{self.origin.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.enter = ["nsenter", "-t", str(self.origin.pid), "-n"]
        subprocess.run(f"ip link add near type veth peer name far netns {self.origin.pid} && ip addr add {HERE}/24 dev near && "
                       "ip link set near up", shell=True, check=True)
        subprocess.run([*self.enter, "sh", "-c", f"ip link set lo up && ip addr add {FAR}/24 dev far && ip link set far up && "
                        "echo 65535 >/proc/sys/net/core/somaxconn"], check=True)
        self.origin.stdin.write("go\n")
        self.origin.stdin.flush()
        self.wait_for(lambda: self.listens(FAR, ORIGIN))
        self.script = folder / "done.lua"
        self.script.write_text(WRK_DONE)

    @staticmethod
    def wait_for(condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                sys.exit("bench/proxies.py: a server did not start")
            time.sleep(0.01)

    def listens(self, address, port):
        probe = f"import socket, sys; s = socket.socket(); sys.exit(s.connect_ex(('{address}', {port})) != 0)"
        return subprocess.run([*self.enter, sys.executable, "-c", probe], check=False).returncode == 0

    def nginx(self, name, body):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, body=body, files=report.allow_files()))
        return [program("nginx"), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]

    def nginx_proxy(self):
        return self.nginx("proxy", PROXY_BODY.format(proxy=PROXY, far=FAR, origin=ORIGIN))

    def haproxy(self):
        path = self.folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(proxy=PROXY, far=FAR, origin=ORIGIN))
        return [program("haproxy"), "-q", "-db", "-f", str(path)]

    def ask(self, seconds):
        """wrk for so long: good answers a second, p99 in ms, errors in percent."""
        command = [*self.enter, program("wrk"), "-t1", "-c16", f"-d{seconds}s", "-s", self.script, f"http://{HERE}:{PROXY}/"]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + 60).stdout
        took_us, requests, errors, p99_us = map(int, re.search(r"^did (\d+) (\d+) (\d+) (\d+)$", out, re.M).groups())
        return (requests - errors) / took_us * 1e6, p99_us / 1e3, 100 * errors / max(requests, errors, 1)

    def end(self):
        report.end(self.origin)


class Proxy:
    """A proxy that runs on one side."""

    def __init__(self, world, build, side, ports, command):
        tuned = side == "sysctls"
        self.ports = ports * 16 // 7 if tuned else ports
        report.setting("ip_local_port_range", f"{FIRST} {FIRST + self.ports - 1}")
        report.setting("ip_autobind_reuse", int(tuned))
        report.setting("tcp_tw_reuse", 1 if tuned else 2)
        (world.folder / "berth.conf").write_text("[Berth]\nexhausted = take-over\n")
        options = [option.format(folder=world.folder) for option in SIDES[side]]
        around = [str(build / "berth"), "run", *options, "--"] if options else []
        inside = [sys.executable, __file__, "--beside", "berth" if around else "stock", str(self.ports), *command]
        self.process = report.start([*around, *inside], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        world.wait_for(lambda: world.listens(HERE, PROXY))

    def hold(self, percent):
        wanted = self.ports * percent // 100
        self.process.stdin.write(f"{wanted}\n")
        self.process.stdin.flush()
        held = int(self.process.stdout.readline())
        if held < wanted:
            sys.exit(f"bench/proxies.py: {held} connections are held, not {wanted}")

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def run_nginx(proxy, world, effort):
    """By second: (second, rate, p99, errors)."""
    return [(second + 1, *world.ask(1)) for second in range(effort.seconds)]


def run_haproxy(proxy, world, effort):
    """By fill: (fill, rate, p99, errors)."""
    found = []
    for fill in effort.fills:
        proxy.hold(fill)
        found.append((fill, *world.ask(1)))
    return found


KINDS = {
    "nginx, which closes first": (run_nginx, World.nginx_proxy, "count", list(SIDES)),
    "haproxy, beside connections that are held": (run_haproxy, World.haproxy, "fill", [side for side in SIDES if side != TAKE_OVER]),
}
VALUES = (("requests answered a second", "1/s"), ("p99", "ms"), ("failed", "%"))


def run(kind, side, effort, build):
    """One proxy on one side, in the namespace that we are in. Prints what it has measured."""
    report.end_on_signals()
    measure, command, *_ = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            proxy = Proxy(world, build, side, effort.ports, command(world))
            try:
                print(json.dumps(measure(proxy, world, effort)))
            finally:
                proxy.end()
        finally:
            world.end()


def run_apart(kind, side, chosen):
    """The same in a namespace that nobody was in before, so that no TIME_WAIT of others is there."""
    command = ["unshare", "-n", sys.executable, __file__, "--run", kind, side, chosen.effort, chosen.build]
    return report.run_measured(command)


def main():
    if sys.argv[1:2] == ["--beside"]:
        return beside(sys.argv[2] == "berth", int(sys.argv[3]), sys.argv[4:])
    if sys.argv[1:2] == ["--run"]:
        return run(*sys.argv[2:4], EFFORTS[sys.argv[4]], Path(sys.argv[5]).resolve())
    chosen = report.options("nginx and HAProxy under load while ports run out")
    if os.geteuid() != 0:
        return print("bench/proxies.py: skipped: kernel mode needs root", file=sys.stderr)
    report.end_on_signals()
    effort = EFFORTS[chosen.effort]
    found = {}
    for _ in range(effort.rounds):
        for kind, (*_, sides) in KINDS.items():
            for side in filter(sides.__contains__, effort.sides):
                for at, *values in run_apart(kind, side, chosen):
                    found.setdefault((kind, at, side), []).append(values)
    rows = report.Report("proxies", report.host_settings())
    for number, (name, unit) in enumerate(VALUES):
        for kind, at, side in sorted(found, key=lambda key: (list(KINDS).index(key[0]), key[1])):
            where = {"fill": at} if KINDS[kind][2] == "fill" else {"count": at, "of": "s"}
            rows.add(f"{kind}, {effort.ports} ports: {name}", side, [v[number] for v in found[kind, at, side]], unit, **where)
    rows.finish(chosen)


main()
