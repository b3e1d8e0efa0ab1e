# SPDX-License-Identifier: MIT
"""System tests: real programs on the real kernel, each test in a network namespace of its own.

    make tests && /usr/bin/python3 -m pytest tests/system

BERTH names another binary than build/berth; its tools are looked for beside it. Everything a test starts in its
namespace must be gone when the test ends: the fixture `net` fails the test that leaves something behind.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import long_wait
import pytest

ROOT = Path(__file__).resolve().parents[2]
BERTH = Path(os.environ.get("BERTH", ROOT / "build/berth")).resolve()
TOOLS = BERTH.parent / "tests/system"
SUPERVISE = [str(BERTH), "run", "--mode=supervise", "--"]
KERNEL = [str(BERTH), "run", "--mode=kernel", "--"]
SINK_PORT = 7001
BPF_FS = "/sys/fs/bpf"
TEST_SECONDS = int(os.environ.get("BERTH_TEST_SECONDS", "120"))


def pytest_sessionstart(session):
    if not BERTH.exists() or not (TOOLS / "sink").exists():
        pytest.exit(f"{BERTH} or {TOOLS}/sink is missing: run 'make all tests' first", 2)


def tool(name):
    return str(TOOLS / name)


def need(program):
    """A missing program fails the test: a skip would hide what was not proven."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        pytest.fail(f"{program} is not installed; 'tools/setup' lists the packages")
    return path


def wait_for(condition, what, seconds=30):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    pytest.fail(f"waited {seconds} s for {what}")


def status_fields(pid):
    """(command name, parent, state) of a process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    state, parent = text[text.rindex(")") + 2 :].split()[:2]
    return name, int(parent), state


def is_alive(pid):
    """False once it has ended, whether or not its parent has taken note of that."""
    fields = status_fields(pid)
    return fields is not None and fields[2] != "Z"


def descendants(pid):
    """Command names of all that descend from pid, by their pid."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := status_fields(entry)):
            table[int(entry)] = fields
    found, grew = {}, True
    while grew:
        grew = False
        for child, (name, parent, state) in table.items():
            if child not in found and (parent == pid or parent in found) and state != "Z":
                found[child] = name
                grew = True
    return found


def part_of_berth(front, name):
    """The pid of berth-super or berth-guard below the process that the shell started, while that lives."""

    def found():
        assert front.poll() is None, f"ended with {front.returncode}: {front.stdout and front.stdout.read()}"
        return next((p for p, n in descendants(front.pid).items() if n == name), None)

    return wait_for(found, name)


def wait_until_empty(cgroup):
    wait_for(lambda: "populated 0" in (cgroup / "cgroup.events").read_text(), f"{cgroup} to be empty")


class Namespace:
    """A network namespace that lives as long as a process in it, with lo up.

    tcp_rfc1337: otherwise an ACK that comes late draws an RST, which ends a TIME_WAIT that a test counts on.
    """

    def __init__(self):
        user = [] if os.geteuid() == 0 else ["-Ur"]
        self.holder = subprocess.Popen(
            ["unshare", "-n", *user, "sh", "-c", "ip link set lo up && echo 1 >/proc/sys/net/ipv4/tcp_rfc1337 && echo up && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.holder.stdout.readline() != "up\n":
            pytest.exit("cannot make a network namespace: be root, or allow user namespaces", 2)
        self.inode = os.readlink(f"/proc/{self.holder.pid}/ns/net")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        if user:
            self.enter += ["-U", "--preserve-credentials"]
        self.background = []

    def popen(self, command, **kwargs):
        kwargs.setdefault("text", True)
        process = subprocess.Popen([*self.enter, *map(str, command)], **kwargs)
        self.background.append(process)
        return process

    def run(self, command, timeout=60, **kwargs):
        """Runs to the end; the result has returncode, stdout, stderr. Too long is a failed test."""
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        text_input = kwargs.pop("input", None)
        if text_input is not None:
            kwargs["stdin"] = subprocess.PIPE
        process = self.popen(command, **kwargs)
        try:
            out, err = process.communicate(text_input, timeout=timeout)
        except subprocess.TimeoutExpired:
            shown = [*map(str, command)]
            state = descendants(process.pid)
            self.kill_all()
            pytest.fail(f"still running after {timeout} s: {shown}; below it: {state}")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def output(self, command, **kwargs):
        """stdout of a command that must succeed."""
        done = self.run(command, **kwargs)
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, command, **kwargs):
        return json.loads(self.output(command, **kwargs))

    def sysctl(self, name, value):
        path = "/proc/sys/net/" + name.replace(".", "/")
        self.output(["sh", "-c", f"echo '{value}' > {path}"])

    def sink(self, count=4, first=SINK_PORT):
        """The far end: count listening ports from first on. Ends with the test."""
        process = self.popen([tool("sink"), first, count], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        return process

    def time_wait_ports(self):
        """The local ports in TIME_WAIT, once no connection is on its way there: the far end closes in its own time."""
        closing = ["ss", "-Htn", "state", "fin-wait-1", "state", "fin-wait-2"]
        wait_for(lambda: not self.output(closing), "the far end to close", seconds=30)
        lines = self.output(["ss", "-Htn", "state", "time-wait"]).splitlines()
        return [int(line.split()[2].rsplit(":", 1)[1]) for line in lines]

    def processes(self):
        """Names by pid of all that live in this namespace, but for its holder."""
        found = {}
        for entry in os.listdir("/proc"):
            try:
                inside = entry.isdigit() and os.readlink(f"/proc/{entry}/ns/net") == self.inode
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if inside and int(entry) != self.holder.pid and (fields := status_fields(entry)):
                if fields[2] != "Z":
                    found[int(entry)] = fields[0]
        return found

    def berth_processes(self):
        return {pid: name for pid, name in self.processes().items() if name.startswith("berth")}

    def kill_all(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self):
        """Ends the far ends; returns what is left although nothing should be."""
        for process in self.background:
            if process.stdin and process.poll() is None:
                process.stdin.close()
        deadline = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill_all()
        for process in [*self.background, self.holder]:
            if process is self.holder:
                process.stdin.close()
            process.wait(60)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        return left


def with_mounts(script):
    """A command prefix: in mounts that the script has changed."""
    return ["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh"]


class Machine:
    """For a daemon: a network namespace, a mount namespace with a bpf filesystem in it, and a cgroup of its own. What is
    pinned there goes with the mount namespace, whatever happens to the test; other programs of this machine are not steered."""

    def __init__(self, net):
        self.net = net
        mount = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
        self.cgroup = Path(mount) / f"berth-test-{os.getpid()}-{net.holder.pid}"
        self.cgroup.mkdir()
        script = f"mount -t bpf -o mode=700 bpf {BPF_FS} && echo up && exec cat"
        self.holder = net.popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == "up\n"
        self.pin = f"{BPF_FS}/test"
        self.pinned = Path(f"/proc/{self.holder.pid}/root{self.pin}")
        self.options = [f"--cgroup={self.cgroup}", f"--pin={self.pin}"]
        # outside of the cgroup, unless it says so
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-m"]
        self.steered = ["sh", "-c", f'echo $$ >{self.cgroup}/cgroup.procs && exec "$@"', "sh"]

    def popen(self, command, **kwargs):
        return self.net.popen([*self.enter, *command], **kwargs)

    def run(self, command, **kwargs):
        return self.net.run([*self.enter, *command], **kwargs)

    def output(self, command, **kwargs):
        return self.net.output([*self.enter, *command], **kwargs)

    def json(self, command, **kwargs):
        return self.net.json([*self.enter, *command], **kwargs)

    def start(self, berth=BERTH, **kwargs):
        """Starts a daemon; returns when it has attached, with the line that it said. Its stderr is another's to read on."""
        daemon = self.popen([berth, "daemon", *self.options], stderr=subprocess.PIPE, **kwargs)
        return daemon, daemon.stderr.readline()

    def end(self, daemon):
        daemon.terminate()
        assert daemon.wait(60) == 0
        return daemon.stderr.read()

    def detach(self, berth=BERTH):
        return self.json([berth, "detach", f"--pin={self.pin}", "--json"])

    def hooks(self):
        """The programs by name that the kernel has at the cgroup, by the kernel's own account."""
        out = self.net.output(["/usr/sbin/bpftool", "-j", "cgroup", "show", self.cgroup])
        return {hook["name"]: hook["id"] for hook in json.loads(out.strip() or "[]")}

    def build(self):
        """None while it is being changed."""
        try:
            return os.readlink(self.pinned / "build")
        except FileNotFoundError:
            return None

    def load(self, *command):
        """Starts a load in the cgroup."""
        process = self.popen([*self.steered, "nice", "-n19", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "running\n"
        return process

    def close(self):
        wait_until_empty(self.cgroup)
        self.cgroup.rmdir()


@pytest.fixture(autouse=True)
def bounded(request):
    """No test takes longer than this, whatever hangs. A file may have a TEST_SECONDS of its own, for what is given more time."""
    seconds = max(TEST_SECONDS, getattr(request.module, "TEST_SECONDS", 0))

    def too_long(number, frame):
        pytest.fail(f"the test took longer than {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


def sum_ways(ways):
    """Of all programs: `ways` as `berth status --json` has them."""
    return {name: sum(of[name] for of in ways.values()) for name in ways["connect4"]}


def own_cgroup():
    """The cgroup v2 of this process, or None where there is no cgroup v2."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    root = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    own = next((line[4:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "")
    return root / own if root else None


@pytest.fixture(scope="session", autouse=True)
def session_cgroup():
    """A cgroup for these tests, below which kernel mode makes its own: others on the machine make theirs elsewhere."""
    before = own_cgroup()
    if os.geteuid() != 0 or not before:
        yield None
        return
    made = before / f"berth-tests-{os.getpid()}"
    made.mkdir()
    (made / "cgroup.procs").write_text(str(os.getpid()))
    yield made
    (before / "cgroup.procs").write_text(str(os.getpid()))
    wait_until_empty(made)  # who was killed may have to go yet
    made.rmdir()


@pytest.fixture(scope="session")
def kernel_mode(session_cgroup, tmp_path_factory):
    """A command prefix: a script that enters the cgroup of a `berth run --mode=kernel` and becomes the program. The eBPF
    program takes seconds to load; so it is loaded once, and steers every test's own network namespace."""
    assert session_cgroup, "kernel mode needs root and cgroup v2"
    around = session_cgroup / "steered"
    around.mkdir()
    script = tmp_path_factory.mktemp("kernel-mode") / "steered"
    enter = '#!/bin/sh\necho $$ >{}/cgroup.procs && exec "$@"\n'
    script.write_text(enter.format(around))
    script.chmod(0o755)
    holder = subprocess.Popen(
        [script, *KERNEL, "sh", "-c", "echo up; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "up\n"
    script.write_text(enter.format(*around.glob("*/")))
    yield [str(script)]
    holder.communicate(timeout=60)
    wait_until_empty(around)  # the keeper is to end
    assert not list(around.glob("*/")), "the keeper has left its cgroup behind"
    around.rmdir()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "long_wait" in item.fixturenames)


@pytest.fixture(scope="session", autouse=True)
def long_waits(request, session_cgroup, tmp_path_factory):
    """By name, what the tests wait for that say so by their parameter `long_wait`: begun before the first test. What cannot be
    begun is for these to say, and in no other test's way."""
    wanted = [item.callspec.params["long_wait"] for item in request.session.items if "long_wait" in item.fixturenames]
    begun, failed = {}, {}
    for name in wanted:
        try:
            begun[name] = long_wait.begin(name, request, tmp_path_factory.mktemp("long-wait"))
        except (Exception, pytest.fail.Exception) as error:
            failed[name] = error

    def lines(name):
        if name in failed:
            raise failed[name]
        return begun[name].lines()

    yield lines
    for one in begun.values():
        one.close()


@pytest.fixture
def cgroups(session_cgroup):
    """Tells which cgroups a test's `berth run --mode=kernel` have made and not removed yet."""
    return lambda: list(session_cgroup.glob("berth-*/")) if session_cgroup else []


@pytest.fixture
def net(cgroups):
    namespace = Namespace()
    yield namespace
    left = namespace.close()
    assert not left, f"left behind in the namespace: {left}"
    abandoned = cgroups()
    for cgroup in abandoned:
        cgroup.rmdir()
    assert not abandoned, f"left behind of kernel mode: {abandoned}"


@pytest.fixture
def machine(net):
    made = Machine(net)
    yield made
    for process in net.background:
        if process.stdin and process is not made.holder and process.poll() is None:
            process.stdin.close()
    made.close()


def mode(request):
    return request.getfixturevalue("kernel_mode") if request.param == "kernel-mode" else list(SUPERVISE)


@pytest.fixture(params=["supervise", "kernel-mode"])
def berth(request):
    """The command prefix of either mode."""
    return mode(request)


@pytest.fixture
def supervise():
    """The command prefix, for what only supervise mode is about: its processes, the older kernels that it runs on."""
    return list(SUPERVISE)


@pytest.fixture(params=["stock", "supervise", "kernel-mode"])
def prefix(request):
    """Without Berth and with it, for what must be the same."""
    return [] if request.param == "stock" else mode(request)
