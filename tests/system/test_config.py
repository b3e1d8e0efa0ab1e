# SPDX-License-Identifier: MIT
"""Settings from a file: what `berth config` says of them, and what `berth run` makes of them."""

import re

import pytest
from conftest import BERTH, ROOT, tool

PARAMETERS = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"

EXPORTED = f"""Windows Registry Editor Version 5.00

[{PARAMETERS}]
"TcpTimedWaitDelay"=dword:0000001e
"MaxUserPort"=dword:0000fffe
"ReservedPorts"=hex(7):31,00,34,00,33,00,33,00,2d,00,31,00,34,00,33,00,34,00,\\
  00,00,34,00,30,00,30,00,30,00,2d,00,34,00,30,00,30,00,30,00,00,00,00,00
"TcpNumConnections"=dword:00fffffe
"""

MEANS = """[Parameters]
TcpTimedWaitDelay = 30
MaxUserPort = 65534
ReservedPorts = 1433-1434, 4000-4000
"""


def config(net, *arguments):
    return net.run([BERTH, "config", *arguments])


@pytest.fixture
def written(tmp_path):
    def write(text, name="berth.conf"):
        path = tmp_path / name
        path.write_bytes(text.replace("\n", "\r\n").encode("utf-16") if name.endswith(".reg") else text.encode())
        return path

    return write


# ---- berth config ----


def test_exported_registry(net, written):
    path = written(EXPORTED, "exported.reg")
    done = config(net, path)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(MEANS)
    assert re.findall("^# line .*", done.stdout, re.M) == [
        "# line 8: TcpNumConnections: has no counterpart: Linux has no such limit"
    ]
    result = net.json([BERTH, "config", "--json", path])
    assert result["not_taken_over"] == [
        {"line": 8, "name": "TcpNumConnections", "reason": "has no counterpart: Linux has no such limit"}
    ]
    assert result["Parameters"]["ReservedPorts"] == [{"first": 1433, "last": 1434}, {"first": 4000, "last": 4000}]


def test_what_is_printed_is_a_berth_conf(net, written):
    """The output of berth config, comments and all, is read back as the same settings."""
    exported = written(EXPORTED, "exported.reg")
    again = written(net.output([BERTH, "config", exported]))
    assert net.output([BERTH, "config", again]) == MEANS
    first, second = (net.json([BERTH, "config", "--json", path]) for path in (exported, again))
    assert first.pop("not_taken_over") and first == second


def test_sample_is_the_default(net, written):
    """The file that make install brings sets nothing, names every setting, and is right where it is uncommented."""
    sample = ROOT / "packaging/berth.conf"
    assert net.output([BERTH, "config", sample]) == "# Every setting has its default.\n"
    settings = net.json([BERTH, "config", "--json", sample])
    manual = (ROOT / "man/berth.conf.5").read_text()
    uncommented = re.sub(r"^#(\S+ =)", r"\1", sample.read_text(), flags=re.M)
    for name in [*settings["Parameters"], *settings["Berth"]]:
        assert re.search(rf"^{name} = ", uncommented, re.M), name
        assert re.search(rf"^\.It Ic {name} =", manual, re.M), name
    assert settings != net.json([BERTH, "config", "--json", written(uncommented)])


def test_bad_file(net, written):
    path = written("[Parameters]\n# a comment\nMaxUserPort = 80\n")
    done = config(net, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"berth config: {path}:3: MaxUserPort = 80: port, 5000 to 65534, or 0 for the kernel's range\n"
    )


@pytest.mark.parametrize("arguments, status, words", [
    ([], 2, "one FILE"),
    (["a", "b"], 2, "one FILE"),
    (["--nonsense", "a"], 2, "--nonsense"),
    (["/nonexistent"], 1, "/nonexistent: cannot be read: No such file"),
    (["/tmp"], 1, "Is a directory"),
    (["/dev/zero"], 1, "larger than"),
])
def test_bad_request(net, arguments, status, words):
    done = config(net, *arguments)
    assert done.returncode == status and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


# ---- berth run ----

FIRST, LAST = 40000, 40099
NARROWED = "[Parameters]\nMaxUserPort = 40079\nReservedPorts = 40010-40019, 40050-40059\n"
WITHHELD = {*range(40010, 40020), *range(40050, 40060), *range(40080, 40100)}
USABLE = {*range(FIRST, LAST + 1)} - WITHHELD

CONNECT = """
import json, socket, sys
family, how, count, to = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
host = "127.0.0.1" if family == "4" else "::1"
ports, errors, kept = [], [], []
for i in range(count):
    client = socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6)
    client.setblocking(how != "nonblocking")
    kept.append(client)
    try:
        if how in ("bind", "ask", "listen"):
            client.bind((host, 0))
        if how == "listen":
            client.listen(1)
        if how == "ask":
            client.getsockname()
        if how != "listen":
            client.connect((host, to))
    except BlockingIOError:
        pass
    except OSError as error:
        errors.append(error.errno)
        continue
    ports.append(client.getsockname()[1])
print(json.dumps([ports, sorted(set(errors))]))
"""
EADDRINUSE, EADDRNOTAVAIL = 98, 99


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sink()
    return net


def run(path, *options):
    return [BERTH, "run", f"--config={path}", *options, "--"]


def connect(world, prefix, family, how, count, to=7001):
    """The ports that count sockets got, all kept open, and the errors of the others."""
    return world.json([*prefix, "/usr/bin/python3", "-c", CONNECT, family, how, count, to])


@pytest.mark.parametrize("how, error", [("plain", EADDRNOTAVAIL), ("nonblocking", EADDRNOTAVAIL),
                                        ("bind", EADDRNOTAVAIL), ("ask", EADDRNOTAVAIL), ("listen", EADDRINUSE)])
@pytest.mark.parametrize("family", ["4", "6"])
def test_narrowed(world, written, family, how, error):
    """What may be handed out is handed out to the last port, and nothing else is, not even where nothing is left."""
    ports, errors = connect(world, run(written(NARROWED)), family, how, LAST - FIRST + 1)
    assert sorted(ports) == sorted(USABLE)
    assert errors == [error]


def test_narrowed_like_reserved_by_the_kernel(world, written):
    """A program sees what it sees on stock Linux where the same ports are reserved."""
    narrowed = connect(world, run(written(NARROWED)), "4", "plain", 100)
    world.sysctl("ipv4.ip_local_reserved_ports", "40010-40019,40050-40059,40080-40099")
    ports, errors = connect(world, [], "4", "plain", 100, to=7002)
    assert [sorted(narrowed[0]), narrowed[1]] == [sorted(ports), errors]


@pytest.mark.parametrize("older", [[], ["port-range", "ENOPROTOOPT"]], ids=["this kernel", "before 6.3"])
def test_narrowed_beside_the_kernel(world, written, older):
    """The kernel's own reserved ports hold as well, also where ports can only be bound by number."""
    world.sysctl("ipv4.ip_local_reserved_ports", "40000-40004")
    usable = USABLE - {*range(40000, 40005)}
    prefix = [tool("deny"), *older] if older else []
    ports, errors = connect(world, [*prefix, *run(written(NARROWED))], "4", "bind", len(usable))
    assert sorted(ports) == sorted(usable) and errors == []


EXPLICIT = """
import socket
for port in (40010, 40099):
    client = socket.create_connection(("127.0.0.1", 7001), source_address=("127.0.0.1", port))
    assert client.getsockname()[1] == port
"""


def test_asked_for_by_number(world, written):
    world.output([*run(written(NARROWED)), "/usr/bin/python3", "-c", EXPLICIT])


def test_nothing_left(world, written):
    done = world.run([*run(written("[Parameters]\nMaxUserPort = 5000\n")), "true"])
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "MaxUserPort and ReservedPorts leave no port of net.ipv4.ip_local_port_range" in done.stderr


def test_policy(world, written):
    """The only port is in TIME_WAIT with another destination: shared, but that sp1 is blind to it."""
    connect(world, [], "4", "plain", 5, to=7002)
    port = world.time_wait_ports()[0]
    world.sysctl("ipv4.ip_local_port_range", f"{port} {port}")
    path = written("[Berth]\npolicy = sp1\n")
    program = ["/usr/bin/python3", "-c", CONNECT, "4", "plain", 1]
    assert "waiting 1" in world.run([*run(path, "-v"), *program, 7001]).stderr
    assert "shared 1" in world.run([*run(path, "-v", "--policy=berth"), *program, 7003]).stderr


@pytest.mark.parametrize("excluded, words", [
    ("127.0.0.0/8:7001", "excluded 2"), ("127.0.0.1:7002, ::/0", "fresh 2"), ("::1", "fresh 2"),
])
def test_excluded_destination(world, written, excluded, words):
    path = written(f"[Berth]\nexclude-destination = {excluded}\n")
    done = world.run([*run(path, "-v"), "/usr/bin/python3", "-c", CONNECT, "4", "plain", 2, 7001])
    assert words in done.stderr


def test_bad_settings(world, written):
    path = written("[Berth]\npolicy = best\n")
    done = world.run([*run(path), "true"])
    assert (done.returncode, done.stderr) == (1, f"berth run: {path}:2: policy = best: berth, sp1 or legacy\n")
    assert world.run([*run("/nonexistent"), "true"]).returncode == 1


def test_default_file(world, written, tmp_path):
    """/etc/berth/berth.conf is read if it is there, and only if no other is named."""
    path = written("[Berth]\npolicy = best\n")
    script = f"""
        mount -t tmpfs none /etc && {BERTH} run true || exit 3
        mkdir /etc/berth && cp {path} /etc/berth/ || exit 3
        {BERTH} run --config=/dev/null true || exit 4
        exec {BERTH} run true
    """
    done = world.run(["unshare", "-m", "sh", "-c", script])
    assert done.returncode == 1
    assert done.stderr == "berth run: /etc/berth/berth.conf:2: policy = best: berth, sp1 or legacy\n"
