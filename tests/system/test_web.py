# SPDX-License-Identifier: MIT
"""What berth daemon serves: /metrics, /api/v1/, /healthz, the page. A real daemon under load; its numbers are those of ss.
Needs root; nothing is skipped without it."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BERTH, ROOT, SINK_PORT, Machine, Namespace, descendants, is_alive, need, tool, wait_for
from view_world import by_destination, make, ss

FIRST, LAST = 40000, 40499
PORT = 4227
TOKEN = "correct-horse-battery-staple"
ASKING = ["--local-port", "20000-20999"]  # outside the range: who asks is not in the numbers

# Sends what is on standard input to the server, byte for byte, and prints what comes back until it closes.
RAW = """
import socket, sys
data = sys.stdin.buffer.read()
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as link:
    try:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        while piece := link.recv(65536):
            sys.stdout.buffer.write(piece)
    except ConnectionError:
        pass
"""


class Web:
    def __init__(self, machine, path):
        self.machine, self.net, self.path = machine, machine.net, path
        self.options = [f"--config={path}", *machine.options]

    def start(self, settings="", berth=BERTH):
        self.path.write_text(settings)
        self.daemon = self.machine.popen([berth, "daemon", *self.options], stderr=subprocess.PIPE)
        assert "attached" in self.daemon.stderr.readline()
        return wait_for(self.pid, "the web process")

    def pid(self):
        return next((pid for pid, name in descendants(self.daemon.pid).items() if name == "berth-web"), None)

    def curl(self, path, *options, port=PORT, host="127.0.0.1"):
        """(status, headers, body)"""
        out = self.net.output(["curl", "-sS", "-i", "--max-time", "20", *ASKING, *options, f"http://{host}:{port}{path}"])
        head, _, body = out.partition("\n\n")  # text mode made \r\n to \n
        lines = head.splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers, body

    def json(self, path, **kwargs):
        status, headers, body = self.curl(path, **kwargs)
        assert status == 200 and headers["content-type"] == "application/json", body
        return json.loads(body)

    def metrics(self):
        status, headers, body = self.curl("/metrics")
        assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
        return body

    def raw(self, data):
        process = self.net.popen(["/usr/bin/python3", "-c", RAW, PORT], text=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = process.communicate(data, timeout=60)
        return out


def served(net, path):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    machine = Machine(net)
    made = Web(machine, path / "berth.conf")
    yield made
    made.daemon.terminate()
    assert made.daemon.wait(60) == 0
    machine.detach()
    machine.holder.stdin.close()
    machine.close()


@pytest.fixture
def own(net, tmp_path):
    """A daemon to be started by the test."""
    yield from served(net, tmp_path)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A daemon that runs, for the tests that leave it as it is."""
    net = Namespace()
    net.sink()
    for made in served(net, tmp_path_factory.mktemp("web")):
        made.start()
        yield made
    assert not net.close()


def samples(text):
    """(name, labels) -> value, of metrics in text form."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = frozenset(re.findall(r'([a-z]+)="([^"]*)"', labels or ""))
            assert (name, pairs) not in found, line
            found[name, pairs] = float(value)
    return found


def value(found, name, **labels):
    return found[name, frozenset(labels.items())]


def wait_for_refresh(web, path="/api/v1/status"):
    """What was looked at before now is not what is shown any more: a look is a second old at most, or where it is dear fifty
    times what it cost."""
    start = time.monotonic()

    def is_new():
        asked = time.monotonic()  # and no later: its age is that as of the answer, and curl has still to end then
        return web.json(path)["look"]["age_s"] < asked - start

    wait_for(is_new, "a new look", 20)


# ---- numbers ----


def end(process):
    process.stdin.close()
    process.wait(60)


def test_numbers_are_those_of_ss(web):
    load = make(web.net, ("127.0.0.1", SINK_PORT, 60, "keep"), ("127.0.0.1", SINK_PORT + 1, 40, "close"), ("::1", SINK_PORT, 30, "keep"))
    wait_for_refresh(web)
    status, found = web.json("/api/v1/status?destinations=256"), samples(web.metrics())
    wanted = by_destination(ss(web.net), FIRST, LAST)
    end(load)
    assert {("127.0.0.1:7001", "127.0.0.1"), ("[::1]:7001", "::1")} <= set(wanted)
    usable = LAST - FIRST + 1
    assert {(one["remote"], one["local"]): (one["used"], one["waiting"], one["free"]) for one in status["destinations"]} == {
        pair: (count["used"], count["waiting"], usable - count["used"] - count["waiting"]) for pair, count in wanted.items()
    }
    for (remote, local), count in wanted.items():
        for state in "used", "waiting":
            assert value(found, "berth_destination_ports", remote=remote, local=local, state=state) == count[state]
    assert value(found, "berth_usable_ports") == usable
    assert value(found, "berth_destinations") == len(wanted)
    for program, ways in status["kernel_mode"]["ways"].items():
        assert value(found, "berth_calls_total", program=program, answer="fresh") == ways["fresh"]
        assert value(found, "berth_looks_total", program=program) == ways["looks"]
    assert status["kernel_mode"]["cgroup"] == str(web.machine.cgroup)


def test_map_is_that_of_ss(web):
    load = make(web.net, ("127.0.0.1", SINK_PORT, 60, "keep"), ("127.0.0.1", SINK_PORT + 1, 40, "close"))
    wait_for_refresh(web, "/api/v1/map")
    world = web.json("/api/v1/map")
    one = web.json(f"/api/v1/map?remote=127.0.0.1:{SINK_PORT}&local=127.0.0.1")
    sockets = ss(web.net)
    end(load)
    use = {use["letter"]: use["use"] for use in world["uses"]}
    assert len(world["ports"]) == len(one["ports"]) == 65536
    assert {use["letter"]: use["ports"] for use in world["uses"]} == {letter: world["ports"].count(letter) for letter in use}

    def ports(document, *uses):
        return {port for port in range(FIRST, LAST + 1) if use[document["ports"][port]].startswith(uses)}

    held = {one.port for one in sockets if one.state == "LISTEN"}
    ours = {(one.port, one.state, one.peer) for one in sockets if FIRST <= one.port <= LAST}
    waiting = {port for port, state, _ in ours if state == "TIME-WAIT"}
    connected = {port for port, state, _ in ours if state != "TIME-WAIT"}
    to_it = {port for port, state, peer in ours if state == "ESTAB" and peer == f"127.0.0.1:{SINK_PORT}"}
    assert len(to_it) == 60 and len(waiting) >= 40
    assert {port for port, letter in enumerate(world["ports"]) if use[letter] == "held"} == held
    assert ports(world, "waiting") == waiting - connected and ports(world, "connected") == connected
    assert ports(one, "connected") == to_it
    assert ports(world, "free") == {*range(FIRST, LAST + 1)} - waiting - connected


def test_counts_calls(web):
    """What the hooks answer to programs in the cgroup, and for whom ports ran out."""
    before = web.json("/api/v1/status")["kernel_mode"]["ways"]["connect4"]
    connect = "import socket\nfor i in range(7): socket.socket().connect(('127.0.0.1', 7001))"
    web.machine.run([*web.machine.steered, "/usr/bin/python3", "-c", connect])
    found, after = samples(web.metrics()), web.json("/api/v1/status")["kernel_mode"]
    assert after["ways"]["connect4"]["fresh"] - before["fresh"] == 7
    assert value(found, "berth_calls_total", program="connect4", answer="fresh") == after["ways"]["connect4"]["fresh"]
    assert after["ports_exhausted"] == []
    # In a range without the TIME_WAIT of others, where the kernel might find a port that the hooks cannot give.
    web.net.sysctl("ipv4.ip_local_port_range", f"{LAST + 1} {LAST + 500}")
    time.sleep(0.5)
    keep = "import socket\nkept = [socket.socket() for i in range(510)]\nfor one in kept: print(one.connect_ex(('127.0.0.1', 7001)))"
    errors = web.net.output([*web.machine.enter, *web.machine.steered, "/usr/bin/python3", "-c", keep]).split()
    web.net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    refused = len(errors) - errors.count("0")
    exhausted = web.json("/api/v1/status")["kernel_mode"]["ports_exhausted"]
    counted = value(samples(web.metrics()), "berth_calls_total", program="connect4", answer="exhausted")
    assert [(one["remote"], one["count"]) for one in exhausted] == [("127.0.0.1:7001", counted)]
    assert refused >= 10 and 0 < counted <= refused  # where the hooks are unsure, the kernel says so


def test_promtool_and_bounded_labels(web):
    """A thousand destinations: the fullest twenty have samples, the rest is in the sum."""
    web.net.sysctl("ipv4.ip_local_port_range", "30000 60000")
    sink = web.net.sink(1000, first=9001)
    load = make(web.net, *[("127.0.0.1", 9001 + i, 1 + (i < 30), "keep") for i in range(1000)])
    wait_for_refresh(web)
    text = web.metrics()
    wanted = by_destination(ss(web.net), 30000, 60000)
    status = web.json("/api/v1/status?destinations=256")
    end(load)
    end(sink)
    web.net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    found = samples(text)
    checked = web.net.run([need("promtool"), "check", "metrics"], input=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    shown = {labels for name, labels in found if name == "berth_destination_ports"}
    assert len(shown) == 20 * 3
    assert value(found, "berth_destinations") == len(wanted) >= 1000
    for state in "used", "waiting":
        own = sum(number for (name, labels), number in found.items() if name == "berth_destination_ports" and ("state", state) in labels)
        assert own + value(found, "berth_other_destinations_connections", state=state) == sum(count[state] for count in wanted.values())
    assert len(text) < 24000
    assert len(status["destinations"]) == 256 and status["destination_count"] == len(wanted)


def test_page(web):
    """Small, complete, nothing from elsewhere; what it asks the API for is there."""
    _, headers, html = web.curl("/")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ") and "unsafe" not in policy and "*" not in policy
    files = re.findall(r'(?:src|href)="([a-z.]+\.(?:js|css|svg))"', html)
    assert len(files) == 3
    total = len(html)
    for name in files:
        status, headers, body = web.curl(f"/{name}")
        assert status == 200 and headers["x-content-type-options"] == "nosniff"
        assert body == (ROOT / "web" / name).read_text()
        total += len(body)
        for url in re.findall(r"https?://[^\s\"']+", body):
            assert url.startswith("http://www.w3.org/"), url  # the name of SVG, which nobody fetches
    assert total < 100_000
    assert not re.search(r"<script>| on[a-z]+=|style=|https?:", html)


# ---- who may ask, and what ----

HOSTS = {
    200: ["127.0.0.1:4227", "localhost", "LOCALHOST:1", "[::1]:4227", "192.0.2.1:80"],
    421: ["evil.example", "evil.example:4227", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1:4227@evil.example",
          "[::1", "[::1]x", "[127.0.0.1]", "::1", "127.0.0.1:", "127.0.0.1:99999x", "x" * 300],
}
REQUESTS = {
    b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n": 404,
    b"GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n": 404,
    b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n": 404,
    b"POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello": 405,
    b"DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n": 405,
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n": 413,
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n": 413,
    b"GET /metrics HTTP/1.1\r\n\r\n": 400,
    b"GET /metrics HTTP/1.0\r\n\r\n": 400,
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n": 400,
    b"GET /api/v1/status?destinations=257 HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /api/v1/status?destinations=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /api/v1/status?destinations HTTP/1.1\r\nHost: localhost\r\n\r\n": 200,
    b"GET /api/v1/map?remote=1.2.3.4:5 HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /api/v1/map?remote=name:5&local=::1 HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /api/v1/map?remote=%5b::1%5d:5&local=::1 HTTP/1.1\r\nHost: localhost\r\n\r\n": 200,
}


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else None


def test_hostile_requests(web):
    """Each is answered as it deserves, by a process that lives on; garbage, too."""
    pid = web.pid()
    for status, hosts in HOSTS.items():
        for host in hosts:
            answer = web.raw(f"GET /api/v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert status_of(answer) == status, (host, answer)
    for request, status in REQUESTS.items():
        assert status_of(web.raw(request)) == status, request
    long = web.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
    assert status_of(long) in (413, 431, None)  # None: the answer was lost, as the connection ended with bytes unread
    assert web.curl("/metrics", "-I")[0] == 200
    assert web.pid() == pid


FUZZ = r"""
import random, re, socket, sys
seed, count, port = map(int, sys.argv[1:])
random.seed(seed)
words = [b"GET", b"HEAD", b"POST", b" ", b"  ", b"/api/v1/status", b"/api/v1/map", b"/metrics", b"/", b"?", b"&", b"=", b"destinations", b"remote",
         b"local", b"127.0.0.1:80", b"[::1]:1", b"%00", b"%", b"%zz", b"256", b"99999999999999999999", b"HTTP/1.1", b"HTTP/9", b"\r\n", b"\n", b"\r",
         b"\0", b"\xff" * 9, b"Host:", b"Host: localhost", b"Authorization: Bearer ", b"Content-Length: ", b"Transfer-Encoding: chunked", b"a" * 5000]
good = [b"GET ", b"/api/v1/map?remote=", b"[::1]:5", b"&local=", b"::1", b" HTTP/1.1", b"\r\n", b"Host: localhost", b"\r\n", b"Connection: close", b"\r\n\r\n"]
answered = {}
for i in range(count):
    parts = list(good) if i % 2 else random.choices(words, k=random.randrange(1, 20))
    for _ in range(random.randrange(1, 4) if i != 1 else 0):  # one is all right
        parts[random.randrange(len(parts))] = random.choice([random.choice(words), random.randbytes(random.randrange(1, 30))])
    with socket.create_connection(("127.0.0.1", port), 20, (f"127.0.{i // 250}.{2 + i % 250}", 0)) as link:
        try:
            link.sendall(b"".join(parts))
            link.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := link.recv(65536):
                answer += piece
        except OSError:  # ended by the far end, before all was sent
            continue
    status = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert status or not answer, (parts, answer)
    key = status[1].decode() if status else "closed"
    answered[key] = answered.get(key, 0) + 1
    assert key[0] != "5" or key == "505" or key == "501", (parts, answer)
import json
print(json.dumps(answered))
"""


def test_fuzzed(web):
    """Five hundred requests, half of them almost right: the process that answers stays the same one, and small."""
    pid = web.pid()
    seed = random.randrange(2**32)
    print("seed", seed)
    answered = web.net.json(["/usr/bin/python3", "-c", FUZZ, seed, 500, PORT])
    assert {"200", "400"} <= set(answered), answered
    assert web.pid() == pid and web.curl("/healthz")[0] == 200
    memory = int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
    assert memory < 100_000 * (8 if "asan" in str(BERTH) else 1)


# Opens connections, and goes on to send some bytes of a request on each of them until they are ended. Says how many are left.
TRICKLE = r"""
import select, socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20, ("127.0.1.1", 0)) for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.2)[0]:
    for link in list(held):
        try:
            if select.select([link], [], [], 0)[0] and not link.recv(1):
                held.remove(link)
            else:
                link.sendall(b"G")
        except OSError:
            held.remove(link)
    print(len(held), flush=True)
"""

# One connection, kept open, on which a request is answered for each line of the input.
KEPT = r"""
import http.client, sys
link = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), 20, ("127.0.1.2", 0))
link.auto_open = 0
link.connect()
for line in sys.stdin:
    link.request("GET", "/healthz")
    print(link.getresponse().read().decode().strip(), flush=True)
"""


def test_nobody_keeps_others_out(web):
    """Who opens connections, however many, and is slow on each, loses the oldest of them, and after ten seconds all. Others are
    answered at once: another user, on a connection that was there before and on new ones; and who is the same user, too."""
    pid = web.pid()
    python = ["/usr/bin/python3", "-c"]
    other = web.net.popen([*python, KEPT, PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def is_answered(process):
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline() == "ok\n"

    assert is_answered(other)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    begun = time.monotonic()
    slow = web.net.popen([*as_nobody, *python, TRICKLE, PORT, 150], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert slow.stdout.readline() == "ready\n"
    left = wait_for(lambda: (count := int(slow.stdout.readline())) <= 16 and count, "all but sixteen to be ended")
    assert 0 < left <= 16 and is_answered(other)
    for user in [], as_nobody:
        assert web.net.output([*user, "curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{PORT}/healthz"]) == "ok\n"
    many = [web.net.popen([*python, TRICKLE, PORT, 14], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(5)]
    assert [one.stdout.readline() for one in many] == ["ready\n"] * 5
    assert web.curl("/healthz")[0] == 200
    assert len(os.listdir(f"/proc/{pid}/fd")) < 80
    if time.monotonic() - begun < 8:  # it was not the time
        assert int(slow.stdout.readline()) > 0
    wait_for(lambda: int(slow.stdout.readline()) == 0, "the last to be ended", 20)
    assert time.monotonic() - begun > 9
    for one in slow, *many:
        end(one)
    end(other)
    assert web.pid() == pid


def test_has_nothing_to_lose(web):
    """Nobody, no capabilities, no way to get any, no descriptors of the daemon's."""
    pid = web.pid()
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert fields["Uid"].split() == fields["Gid"].split() == ["65534"] * 4 and fields["Groups"].strip() == ""
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"

    def open_files():
        found = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed since
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] if int(fd) > 2 else None)
        return sorted(filter(None, found))

    # it may not have closed yet what others have asked on
    found = wait_for(lambda: len(files := open_files()) < 9 and files, "the connections of other tests to be closed")
    assert set(found) <= {"socket", "anon_inode", "anon_inode:bpf-map"}, found


def test_token(own, tmp_path):
    """Whatever says something of this host asks for it; what does not, does not. With it, any name will do."""
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    own.start(f"[Berth]\nlisten = 0.0.0.0:4228\ntoken-file = {token}\n")
    for path in "/metrics", "/api/v1/status", "/api/v1/map":
        for offered in None, "", "x", TOKEN[:-1], TOKEN + "x", "x" * 5000:
            options = [] if offered is None else ["-H", f"Authorization: Bearer {offered}"]
            status, headers, body = own.curl(path, *options, port=4228)
            assert status == 401 and headers["www-authenticate"].startswith("bearer") and "127.0.0.1" not in body
        assert own.curl(path, "-H", f"Authorization: Bearer {TOKEN}", "-H", "Host: berth.example", port=4228)[0] == 200
    for path in "/", "/healthz", "/page.js":
        assert own.curl(path, port=4228)[0] == 200
    # taken anew: another token, another address
    token.write_text("another-" + TOKEN)
    own.path.write_text(f"[Berth]\nlisten = [::1]:4229\ntoken-file = {token}\n")
    own.daemon.send_signal(signal.SIGHUP)
    assert "took the settings anew" in own.daemon.stderr.readline()
    for offered, status in (TOKEN, 401), (f"another-{TOKEN}", 200):
        assert own.curl("/metrics", "-H", f"Authorization: Bearer {offered}", port=4229, host="[::1]")[0] == status
    assert own.net.run(["curl", "-sS", "http://127.0.0.1:4228/healthz"]).returncode == 7  # refused


def test_bad_token_file(own, tmp_path):
    """One line; ports are steered all the same, and nothing is served without the token."""
    token = tmp_path / "token"
    own.path.write_text(f"[Berth]\ntoken-file = {token}\n")
    own.daemon = own.machine.popen([BERTH, "daemon", *own.options], stderr=subprocess.PIPE)
    assert "attached" in own.daemon.stderr.readline()
    for text, words in ("short", "No such file"), ("has blanks in between", "is to be 16 to 127 characters"), (TOKEN, "without blanks"):
        said = own.daemon.stderr.readline()
        assert words in said and said.endswith("; there are no metrics and no page until SIGHUP\n")
        assert own.net.run(["curl", "-sS", f"http://127.0.0.1:{PORT}/healthz"]).returncode == 7
        if text != "short":  # of a later start
            assert "took the settings anew" in own.daemon.stderr.readline()
        token.write_text(text)
        own.daemon.send_signal(signal.SIGHUP)
    assert "took the settings anew" in own.daemon.stderr.readline()
    wait_for(own.pid, "the web process")


def test_a_port_that_is_let_go(own):
    """As when a daemon was killed and its web process has not ended yet: the next one serves as well."""
    with own.net.popen([tool("sink"), PORT, 1], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "ready\n"
        own.path.write_text("")
        own.daemon = own.machine.popen([BERTH, "daemon", *own.options], stderr=subprocess.PIPE)
        assert "attached" in own.daemon.stderr.readline()
        time.sleep(0.5)  # it has met the other
    assert wait_for(lambda: own.net.run(["curl", "-sf", f"http://127.0.0.1:{PORT}/healthz"]).stdout == "ok\n", "an answer")


def test_ends_with_the_daemon(own):
    """However that ends; and the daemon does not end with it."""
    pid = own.start()
    os.kill(pid, signal.SIGKILL)
    assert "no other is started until SIGHUP" in own.daemon.stderr.readline()
    assert own.daemon.poll() is None
    own.daemon.send_signal(signal.SIGHUP)
    again = wait_for(own.pid, "the web process")
    assert wait_for(lambda: own.net.run(["curl", "-sf", f"http://127.0.0.1:{PORT}/healthz"]).stdout == "ok\n", "an answer")
    own.daemon.kill()
    own.daemon.wait()
    wait_for(lambda: not is_alive(again), "its end")
    assert wait_for(own.start, "a new one")


# ---- what goes with it ----


def test_documented(web):
    """The manual page names every field and every metric that is served, and no other."""
    page = (ROOT / "man/berth-http.7").read_text()
    status, ports = web.json("/api/v1/status"), web.json("/api/v1/map")
    served = {*status, *status["look"], *ports, *ports["uses"][0]}
    assert {name for name in served if not re.search(rf"^\.It Va {name}\b", page, re.M)} == set()
    metrics = set(re.findall(r"^# TYPE (\S+)", web.metrics(), re.M))
    assert set(re.findall(r"^\.It Va ((?:berth|process)_\w+)", page, re.M)) == metrics
    # Grafana's panels and the alerts ask for nothing else
    for name in "berth-dashboard.json", "berth-alerts.yml":
        asked = set(re.findall(r"\b(?:berth|process)_\w+", (ROOT / "packaging" / name).read_text()))
        assert asked and asked <= metrics, asked - metrics


def test_alert_rules():
    done = subprocess.run([need("promtool"), "test", "rules", ROOT / "packaging/berth-alerts-test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
