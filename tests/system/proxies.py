# SPDX-License-Identifier: MIT
"""nginx and HAProxy as reverse proxies for a minute each, beside each other, where a berth daemon steers them; wrk asks. Each meets
the point at which its first origin has no port left and, HAProxy, that after which it has again. There are no timestamps, so
nothing can be taken over from TIME_WAIT; what is left is the other origins, which have room for all that is asked for.

nginx closes its connections first, and each leaves its port in TIME_WAIT: it exhausts its first origin by itself, for good.
HAProxy resets what it closes first: a program beside it takes all ports towards its first origin, and lets them go.

Paced, as it goes on while other tests run, and as the ports are to last: think times bound the rate, whatever the machine.
"""

import collections
import json
import subprocess

import conftest
from servers import listening, nginx

SECONDS = 60
PORTS = range(40000, 50000)
NGINX_ORIGINS, HAPROXY_ORIGINS = range(8001, 8004), range(8011, 8014)
NGINX, HAPROXY = 8100, 8110
# (connections of wrk, milliseconds from an answer to the next request): at most 500 a second, 30000 in all, for as many tuples.
PACE = {NGINX: (32, 64), HAPROXY: (8, 20)}
MANY_FILES = ["sh", "-c", 'ulimit -n 20000 && exec "$@"', "sh"]

ORIGIN = """server {{ listen {port} backlog=4096; keepalive_timeout 600s; client_header_timeout 600s; access_log {folder}/{port}.log;
    location / {{ return 200 "hello\\n"; }} }}\n"""

# The first one as long as it can be reached. The origin is asked to keep the connection, which there is no pool for here.
NGINX_PROXY = """upstream origins {{ server 127.0.0.1:{first} max_fails=0; {others} }}
server {{ listen {port}; keepalive_requests 1000000;
    location / {{ proxy_pass http://origins; proxy_http_version 1.1; proxy_set_header Connection keep-alive; }} }}"""

HAPROXY_PROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 60s
    timeout client 600s
    timeout server 600s
    option http-server-close
    option redispatch 1
    http-reuse never
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    balance roundrobin
    {servers}
"""

# Takes all ports towards one origin in half a minute, asks for more until 45 s are over, and lets them go.
HOLDER = """
import errno, json, socket, struct, sys, time
ports, origin = int(sys.argv[1]), int(sys.argv[2])
begun, held, refused = time.monotonic(), [], 0
while (now := time.monotonic() - begun) < 45:
    wanted = ports * now / 30
    while len(held) < wanted and time.monotonic() - begun < 45:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            one.connect(("127.0.0.1", origin))
        except OSError as error:
            assert error.errno == errno.EADDRNOTAVAIL, error
            one.close()
            refused += 1
            break
        held.append(one)
    time.sleep(0.02)
print(json.dumps([len(held), refused]))
"""

WRK = """
function delay() return {delay} end
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format("did %d of %d\\n", summary.requests - errors.status, summary.requests
        + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Proxies:
    """They run from here on; report() waits until the minute is over."""

    def __init__(self, net, directory):
        self.net, self.directory = net, directory
        self.machine = conftest.Machine(net)
        self.machine.options[1] = f"--pin={conftest.BPF_FS}/berth"
        self.daemon, _ = self.machine.start()
        self.steered = [*self.machine.enter, *self.machine.steered, *MANY_FILES]
        net.sysctl("ipv4.ip_local_port_range", f"{PORTS[0]} {PORTS[-1]}")
        net.sysctl("ipv4.tcp_timestamps", 0)
        servers = "".join(ORIGIN.format(port=port, folder=directory) for port in (*NGINX_ORIGINS, *HAPROXY_ORIGINS))
        self.origins = nginx(net, directory, MANY_FILES, servers, "origins", connections=20000)
        self.proxies = [self.start_nginx(), self.start_haproxy()]
        for port in HAPROXY_ORIGINS[-1], NGINX, HAPROXY:
            conftest.wait_for(lambda port=port: listening(net, port), f"who is to listen on {port}")
        self.wrk = {port: self.start_wrk(port) for port in PACE}
        command = [*self.steered, "/usr/bin/python3", "-c", HOLDER, len(PORTS), HAPROXY_ORIGINS[0]]
        self.holder = net.popen(command, stdout=subprocess.PIPE)

    def start_nginx(self):
        others = "".join(f"server 127.0.0.1:{port} max_fails=0 backup; " for port in NGINX_ORIGINS[1:])
        body = NGINX_PROXY.format(first=NGINX_ORIGINS[0], others=others, port=NGINX)
        return nginx(self.net, self.directory, self.steered, body, "proxy")

    def start_haproxy(self):
        config = self.directory / "haproxy.cfg"
        servers = "\n    ".join(f"server s{port} 127.0.0.1:{port}" for port in HAPROXY_ORIGINS)
        config.write_text(HAPROXY_PROXY.format(port=HAPROXY, servers=servers))
        return self.net.popen([*self.steered, conftest.need("haproxy"), "-q", "-db", "-f", config])

    def start_wrk(self, port):
        connections, delay = PACE[port]
        script = self.directory / f"{port}.lua"
        script.write_text(WRK.format(delay=delay))
        # a slow answer is none that failed
        options = ["-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "60s", "-s", script]
        return self.net.popen([conftest.need("wrk"), *options, f"http://127.0.0.1:{port}/"], stdout=subprocess.PIPE)

    def report(self):
        """(good answers, requests and errors) by proxy; answers by origin; what the holder says; nginx's log; the daemon's status."""
        done = {}
        for port, process in self.wrk.items():
            out = process.communicate(timeout=conftest.TEST_SECONDS)[0]
            (line,) = [line for line in out.splitlines() if line.startswith("did ")]
            done[port] = tuple(map(int, line.split()[1::2]))
        held = json.loads(self.holder.communicate(timeout=conftest.TEST_SECONDS)[0])
        answers = collections.Counter()
        for port in (*NGINX_ORIGINS, *HAPROXY_ORIGINS):
            answers[port] = len((self.directory / f"{port}.log").read_text().splitlines())
        status = self.machine.json([conftest.BERTH, "status", "--json"])["kernel_mode"]
        return done, answers, held, (self.directory / "proxy/error.log").read_text(), status

    def close(self):
        for process in (*self.wrk.values(), self.holder, *self.proxies, self.origins):
            process.terminate()
            process.wait(60)
        self.machine.end(self.daemon)
        self.machine.run([conftest.BERTH, "detach", self.machine.options[1]])
        self.machine.holder.stdin.close()
        self.machine.close()
