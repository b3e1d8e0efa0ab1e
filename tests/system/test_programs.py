# SPDX-License-Identifier: MIT
"""Programs as they come from Debian, in all ways: what they do on stock Linux they do under Berth, and where the
small port range is too small for stock Linux that is measured, too.

BERTH_WRK_SECONDS is how long wrk asks (1).
"""

import os
import re
import subprocess

import pytest
from conftest import need, tool, wait_for
from servers import listening, nginx

ORIGINS = range(8001, 8005)
PROXY = 8100
WRK_SECONDS = int(os.environ.get("BERTH_WRK_SECONDS", "1"))


@pytest.fixture
def origins(net, tmp_path):
    """Four web servers outside Berth."""
    server = "".join(f'server {{ listen {port}; location / {{ return 200 "hello\\n"; }} }}\n' for port in ORIGINS)
    process = nginx(net, tmp_path, [], server, "origins")
    wait_for(lambda: listening(net, ORIGINS[-1]), "nginx to listen")
    yield net
    process.terminate()
    process.wait(60)


def curl(net, prefix, *options, connections):
    """The answers of one curl that makes this many connections to the four origins in turn."""
    urls = [f"http://127.0.0.1:{ORIGINS[i % 4]}/" for i in range(connections)]
    done = net.run([*prefix, need("curl"), "-s", "-S", "-H", "Connection: close", *options, *urls])
    return done.stdout.count("hello\n"), done.stderr


@pytest.mark.parametrize("options", [["--interface", "127.0.0.1"], ["--interface", "lo"], ["--local-port", "40100-40199"]], ids=" ".join)
def test_curl(origins, prefix, options):
    answers, errors = curl(origins, prefix, *options, connections=60)
    assert answers == 60, errors


def test_curl_in_a_full_range(origins, prefix):
    """50 ports hold connections to one port already. curl binds, asks for its name, then connects."""
    origins.sysctl("ipv4.ip_local_port_range", "40000 40049")
    origins.sink(1)
    holder = origins.popen([*prefix, "/usr/bin/python3", "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == "50\n"
    answers, errors = curl(origins, prefix, "--interface", "127.0.0.1", connections=100)
    if prefix:
        assert answers == 100, errors
    else:
        assert answers == 0 and "curl: (7)" in errors, errors
    holder.communicate("")


HOLD = """
import socket, sys
kept = []
for i in range(50):
    client = socket.socket(); client.bind(("127.0.0.1", 0)); client.connect(("127.0.0.1", 7001)); kept.append(client)
print(len(kept), flush=True)
sys.stdin.read()
"""


def wrk(net, prefix, port, *options):
    """Requests that wrk made, none of which failed."""
    options = ["-t2", "-c40", f"-d{WRK_SECONDS}s", "--timeout", "60s", *options]  # a slow answer is none that failed
    out = net.output([*prefix, need("wrk"), *options, f"http://127.0.0.1:{port}/"], timeout=WRK_SECONDS + 60)
    print(out)
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    return int(re.search(r"(\d+) requests in", out).group(1))


@pytest.fixture
def few_ports(origins):
    """100 ports, which a proxy goes through many times in a second: every request is a connection to an origin."""
    origins.sysctl("ipv4.ip_local_port_range", "40000 40099")
    return origins


@pytest.mark.parametrize("options", [[], ["-H", "Connection: close"]], ids=["keep-alive", "close"])
def test_wrk(origins, prefix, options):
    assert wrk(origins, prefix, ORIGINS[0], *options) > 100


@pytest.mark.parametrize("bind", ["", "proxy_bind 127.0.0.1;"], ids=["no bind", "proxy_bind"])
def test_nginx_proxy(few_ports, prefix, bind, tmp_path):
    """A reverse proxy, which may bind its connections to the origins."""
    upstream = "".join(f"server 127.0.0.1:{port}; " for port in ORIGINS)
    body = (
        f"upstream origins {{ {upstream} }}\n"
        f"server {{ listen {PROXY}; location / {{ proxy_pass http://origins; {bind} }} }}"
    )
    process = nginx(few_ports, tmp_path, prefix, body, "proxy")
    wait_for(lambda: listening(few_ports, PROXY), "nginx to listen")
    assert wrk(few_ports, [], PROXY) > 100
    process.terminate()
    assert process.wait(60) == 0
    assert "[error]" not in (tmp_path / "proxy/error.log").read_text()


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.1:45000-46999"])
def test_haproxy_source(few_ports, prefix, source, tmp_path):
    """The other reverse proxy; with a range it binds explicit ports of its own choice."""
    config = tmp_path / "haproxy.cfg"
    servers = "".join(f" server s{port} 127.0.0.1:{port} source {source}\n" for port in ORIGINS)
    config.write_text(
        "global\n maxconn 2000\ndefaults\n mode http\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n"
        f" option http-server-close\nfrontend f\n bind 127.0.0.1:{PROXY}\n default_backend b\n"
        f"backend b\n balance roundrobin\n{servers}"
    )
    process = few_ports.popen([*prefix, need("haproxy"), "-db", "-f", config])
    wait_for(lambda: listening(few_ports, PROXY), "haproxy to listen")
    assert wrk(few_ports, [], PROXY) > 100
    process.terminate()
    process.wait(60)


@pytest.mark.parametrize("keep", ["1", "0"], ids=["kept", "reconnecting"])
def test_redis_benchmark(net, prefix, keep):
    server = net.popen([need("redis-server"), "--port", "6399", "--save", "", "--daemonize", "no"], stdout=subprocess.DEVNULL)
    wait_for(lambda: listening(net, 6399), "redis-server to listen")
    out = net.output([*prefix, need("redis-benchmark"), "-p", "6399", "-c", "20", "-n", "2000", "-k", keep, "-t", "ping", "--csv"])
    assert len([line for line in out.splitlines() if line.startswith('"PING')]) == 2, out
    server.terminate()
    server.wait(60)


def test_hey(origins, prefix):
    """Compiled Go, with a thread for every blocking call and signals that preempt them."""
    url = f"http://127.0.0.1:{ORIGINS[0]}/"
    out = origins.output([*prefix, need("hey"), "-n", "2000", "-c", "20", "-disable-keepalive", url])
    assert "[200]\t2000 responses" in out and "Error distribution" not in out, out


def test_etcdctl(net, prefix):
    """Go and gRPC: a server that never answers, and one that is not there."""
    net.sink(1)
    command = [*prefix, need("etcdctl"), "--command-timeout=1s", "--dial-timeout=1s"]
    for endpoint, words in ((7001, "context deadline exceeded"), (7099, "context deadline exceeded")):
        done = net.run([*command, f"--endpoints=127.0.0.1:{endpoint}", "get", "key"], env={**os.environ, "ETCDCTL_API": "3"})
        assert done.returncode == 1 and words in done.stderr, done


def test_many_processes(net, prefix):
    """A pipeline in which 400 short-lived processes connect, eight at a time."""
    net.sink()
    script = (
        "seq 400 | xargs -P8 -I{} bash -c 'exec 3<>/dev/tcp/127.0.0.1/$((7001 + {} % 4)) && echo connected' | sort | uniq -c"
    )
    assert net.output([*prefix, "bash", "-c", script]).split() == ["400", "connected"]


def test_server_on_any_port(net, prefix):
    """A server that asks for any port, says which it got, and is reached there by a program outside."""
    command = [*prefix, "/usr/bin/python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    process = net.popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/usr/share/doc")
    port = re.search(r"port (\d+)", process.stdout.readline()).group(1)
    assert "Directory listing" in net.output([need("curl"), "-s", f"http://127.0.0.1:{port}/"])
    process.terminate()
    process.wait(60)


def calls_in(text):
    """strace's lines without what differs from run to run."""
    text = re.sub(r"sin_port=htons\((4\d{4})\)", "sin_port=htons(PORT)", text)
    return re.findall(r"(?:bind|connect|getsockname)\(.*", text)


def test_strace_below(net, berth, tmp_path):
    """What strace shows of a program under Berth is what it shows on stock Linux, calls and results."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40199")
    net.sink()
    traces = []
    for way in ([], berth):
        out = tmp_path / f"trace{len(traces)}"
        net.output([*way, need("strace"), "-f", "-e", "trace=bind,connect,getsockname", "-o", out, tool("capacity"), "--count=20"])
        traces.append(calls_in(out.read_text()))
    assert len(traces[0]) == 60 and traces[0] == traces[1]


def test_strace_above(net, supervise, tmp_path):
    """strace around all of Berth slows it, but breaks nothing."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40199")
    net.sink()
    out = net.output([need("strace"), "-f", "-o", tmp_path / "trace", *supervise, tool("capacity"), "--count=800", "--keep"])
    assert '"connected": 800' in out


SS = """
import os, socket, subprocess
client = socket.socket(); client.bind(("127.0.0.1", 0)); client.connect(("127.0.0.1", 7001))
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
out = subprocess.run(["ss", "-Htanp"], capture_output=True, text=True).stdout
for one, state in ((client, "ESTAB"), (listener, "LISTEN")):
    lines = [l for l in out.splitlines() if l.split()[3] == "127.0.0.1:%d" % one.getsockname()[1]]
    print(state, len(lines), lines[0].split()[0] == state, "pid=%d," % os.getpid() in lines[0], lines[0].count("pid="))
"""


def test_ss(net, prefix):
    """The connection and the listener are listed once, on the port the program was told, as the program's alone."""
    net.sink()
    # a copy that the supervisor holds would be listed as a second owner, and would keep the port after a close
    out = net.output([*prefix, "/usr/bin/python3", "-c", SS])
    assert out == "ESTAB 1 True True 1\nLISTEN 1 True True 1\n"


def test_time_wait_belongs_to_nobody(net, berth):
    """A closed connection goes through its states: nobody of Berth's holds a copy of the socket, which would stay connected."""
    net.sink()
    script = """
import socket, subprocess, time
def states():
    lines = subprocess.run(["ss", "-Htan", "dport", "=", ":7001"], capture_output=True, text=True).stdout.splitlines()
    return [line.split()[0] for line in lines]
for i in range(20):
    client = socket.socket(); client.bind(("127.0.0.1", 0)); client.connect(("127.0.0.1", 7001)); client.close()
end = time.monotonic() + 20
while set(states()) != {"TIME-WAIT"} and time.monotonic() < end:
    time.sleep(0.05)
print(*states())
"""
    assert net.output([*berth, "/usr/bin/python3", "-c", script]).split() == ["TIME-WAIT"] * 20
