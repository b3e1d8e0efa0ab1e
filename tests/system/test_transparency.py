# SPDX-License-Identifier: MIT
"""Under `berth run` a program is itself: status, signals, files, environment. Most tests run both ways, so that what is
wanted of Berth is measured on stock Linux first."""

import os
import signal
import subprocess

import pytest
from conftest import BERTH, SUPERVISE, part_of_berth, status_fields, tool, wait_for

SMALL_RANGE = "40000 40199"


# Nothing stands between the shell and a program in kernel mode (test_kernel_mode.py).
@pytest.fixture(params=["stock", "supervise"])
def prefix(request):
    return [] if request.param == "stock" else list(SUPERVISE)


@pytest.fixture
def berth(supervise):
    return supervise


def in_bash(net, script, prefix, **kwargs):
    """Runs a bash script in which $BERTH is the prefix."""
    done = net.run(["env", "BERTH=" + " ".join(prefix), "bash", "-c", script], **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_exit_status(net, prefix):
    out = in_bash(net, 'for i in {0..255}; do $BERTH sh -c "exit $i"; echo $?; done', prefix, timeout=110)
    assert out.split() == [str(i) for i in range(256)]


FATAL = [s for s in signal.Signals if s not in (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)]
FATAL = [s for s in FATAL if s not in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)]


def test_death_by_signal(net, prefix):
    """The parent sees a death by that signal, not an exit with 128 + number."""
    for number in FATAL:
        done = net.run([*prefix, "/usr/bin/python3", "-c", KILL_SELF, int(number)])
        assert done.returncode == -number, f"{number.name}: {done}"


KILL_SELF = """
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
number = int(sys.argv[1])
if number not in (signal.SIGKILL,):
    signal.signal(number, signal.SIG_DFL)
os.kill(os.getpid(), number)
"""


def test_shell_sees_death_by_signal(net, prefix):
    out = in_bash(net, "$BERTH sh -c 'kill -TERM $$'; echo $?; $BERTH sh -c 'kill -KILL $$'; echo $?", prefix)
    assert out.split() == ["143", "137"]


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["run", "--mode=supervise", "--", "/no/such/program"], 127, "/no/such/program"),
        (["run", "--mode=supervise", "--", "no-such-program-in-path"], 127, "no-such-program-in-path"),
        (["run", "--mode=supervise", "--", "/etc/passwd"], 126, "/etc/passwd"),
        (["run", "--mode=supervise", "--", "/etc"], 126, "/etc"),
        (["run", "--mode=supervise", "--", ""], 127, ""),
        (["run", "--mode=supervise", "--"], 2, "PROGRAM"),
        (["run"], 2, "PROGRAM"),
        (["run", "--mode=nonsense", "--", "true"], 2, "nonsense"),
        (["run", "--nonsense", "true"], 2, "nonsense"),
        (["run", "--policy=nonsense", "true"], 2, "nonsense"),
        (["nonsense"], 2, "nonsense"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_errors_before_the_program(net, arguments, status, words):
    done = net.run([BERTH, *arguments])
    assert done.returncode == status, done.stderr
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr, done.stderr


def test_finds_programs_as_a_shell_does(net, prefix, tmp_path):
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "ran $0 $*"\n')
    script.chmod(0o755)
    assert net.output([*prefix, "./script", "a b", ""], cwd=tmp_path) == "ran ./script a b \n"
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert net.output([*prefix, "script", "--mode=x"], env=path) == f"ran {script} --mode=x\n"


# --- what it is born with ---------------------------------------------------------------------------------------------

LOOK = r"""
import os, resource, signal, sys
print(sorted(os.environ.items()))
print(sys.argv, os.getcwd(), os.nice(0))
for fd in range(64):
    try:
        print(fd, os.readlink(f"/proc/self/fd/{fd}").split(":")[0], os.get_inheritable(fd))
    except OSError:
        pass
for line in open("/proc/self/status"):
    if line.startswith(("Name", "Umask", "Uid", "Gid", "Groups", "Sig", "Shd", "Cap", "Threads", "CoreDump")):
        print(line.strip())
print([resource.getrlimit(which) for which in range(16)])
print(os.getsid(0) == os.getppid(), os.sched_getaffinity(0), os.sched_getscheduler(0))
print(open("/proc/self/oom_score_adj").read(), open("/proc/self/timerslack_ns").read())
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def look(net, prefix, **kwargs):
    lines = net.output([*prefix, "/usr/bin/python3", "-c", LOOK, "argument"], **kwargs).splitlines()
    return [line for line in lines if not line.startswith("SigQ")]


def test_born_the_same(net, berth):
    """Environment, arguments, descriptors, signal masks, limits, identity: line by line as on stock Linux."""
    assert look(net, berth) == look(net, [])


def test_exit_status_with_sigchld_ignored(net, prefix):
    """A caller that ignores SIGCHLD hands that on; nobody's wait may then come back empty."""
    script = f"""
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
command = {[*prefix, "sh", "-c", "exit 5"]!r}
os.execvp(command[0], command)
"""
    assert net.run(["/usr/bin/python3", "-c", script]).returncode == 5


def test_inherits_ignored_and_blocked_signals(net, berth):
    def change():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])

    assert look(net, berth, preexec_fn=change) == look(net, [], preexec_fn=change)


def test_closed_standard_streams(net, prefix):
    """A program started without stdin must not find a file of Berth's there."""
    out = in_bash(net, "$BERTH /bin/ls /proc/self/fd 0<&- 2>&- | cat", prefix)
    # ls opens the folder itself with the lowest free number
    assert out.split() == ["0", "1"]


def test_inherited_descriptor(net, prefix):
    out = in_bash(net, "exec 7<<<hello; $BERTH sh -c 'cat <&7'", prefix)
    assert out == "hello\n"


def test_many_inherited_descriptors(net, prefix):
    """200 of them, so that some have the numbers Berth uses for its own: each must still be the same file."""
    child = "import os, sys; print(all(os.read(int(fd), 9) == fd.encode() for fd in sys.argv[1:]))"
    script = f"""
import os, subprocess
fds = [os.memfd_create("file", 0) for _ in range(200)]
for fd in fds:
    os.write(fd, str(fd).encode()); os.lseek(fd, 0, 0)
command = {[*prefix, "/usr/bin/python3", "-c", child]!r}
subprocess.run([*command, *map(str, fds)], pass_fds=fds)
"""
    assert net.output(["/usr/bin/python3", "-c", script]) == "True\n"


def test_few_descriptors_allowed(net, prefix):
    net.sink()
    out = in_bash(net, f"ulimit -n 16; $BERTH {tool('capacity')} --count=20", prefix)
    assert '"connected": 20' in out


# --- streams and families of processes -------------------------------------------------------------------------------


def test_pipeline(net, prefix):
    out = in_bash(net, "seq 200000 | $BERTH cat | md5sum; seq 200000 | md5sum", prefix).splitlines()
    assert out[0] == out[1]


def test_broken_pipe(net, prefix):
    out = in_bash(net, "$BERTH yes | head -1; echo ${PIPESTATUS[0]}", prefix)
    assert out.split() == ["y", "141"]


def test_timeout(net, prefix):
    out = in_bash(
        net,
        "timeout 0.3 $BERTH sleep 60; echo $?; timeout -s INT 0.3 $BERTH sleep 60; echo $?;"
        " timeout --foreground 0.3 $BERTH sleep 60; echo $?",
        prefix,
    )
    assert out.split() == ["124", "124", "124"]
    wait_for(lambda: not net.processes(), "all to go")


def test_timeout_kill(net, prefix):
    done = net.run(["timeout", "-s", "KILL", "0.3", *prefix, "sleep", "60"])
    assert done.returncode == -9 or done.returncode == 137
    wait_for(lambda: not net.processes(), "all to go")


def test_background_process_is_served(net, berth, tmp_path):
    """It outlives the program, is still steered, and when it ends so does Berth."""
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    out, gate = tmp_path / "out", tmp_path / "gate"
    os.mkfifo(gate)
    script = f"(cat {gate}; {tool('capacity')} --count=800 --keep) > {out} 2>&1 & exit 3"
    done = net.run([*berth, "sh", "-c", script])  # ends, though the gate is shut: the front does not wait for it
    assert done.returncode == 3
    assert net.berth_processes(), "Berth left before the background process"
    gate.write_text("")
    wait_for(lambda: not net.berth_processes(), "Berth to go with the last process")
    assert '"connected": 800' in out.read_text()


def test_session_of_its_own(net, berth, tmp_path):
    """A daemon (setsid, all descriptors closed) is served until it ends."""
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    out = tmp_path / "out"
    script = f"sleep 0.5; {tool('capacity')} --count=800 --keep > {out}"
    assert net.run([*berth, "setsid", "-f", "sh", "-c", script, "0<&-"]).returncode == 0
    wait_for(lambda: not net.berth_processes(), "Berth to go with the last process")
    assert '"connected": 800' in out.read_text()


def test_front_is_the_only_child(net, berth):
    """A program that waits for all its children must not meet a process of Berth's."""
    out = net.output([*berth, "/usr/bin/python3", "-c", "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"])
    assert out == "none\n"


def test_parent_has_one_child(net, berth):
    """Nor must the one that started berth get a second child to wait for, or a zombie."""
    script = f"""
import os, subprocess, time
child = subprocess.Popen({[*berth, "true"]!r})
print(child.wait())
time.sleep(0.2)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none")
"""
    assert net.output(["/usr/bin/python3", "-c", script]).split("\n")[:2] == ["0", "none"]


def test_nested(net, berth):
    """One line says that the outer one serves, and the program runs under it."""
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    done = net.run([*berth, *berth, tool("capacity"), "--count=800", "--keep"])
    assert done.returncode == 0 and '"connected": 800' in done.stdout, done
    assert len(done.stderr.splitlines()) == 1 and "berth" in done.stderr


# --- kinds of programs ------------------------------------------------------------------------------------------------


def test_static_binary(net, berth, tmp_path):
    binary = tmp_path / "static"
    source = os.path.join(os.path.dirname(__file__), "capacity.c")
    subprocess.run(["gcc", "-static", "-std=gnu11", "-D_GNU_SOURCE", "-o", binary, source], check=True, timeout=60)
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    assert net.json([*berth, binary, "--count=800", "--keep"])["connected"] == 800


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def test_ordinary_user(net, berth):
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    user = NOBODY if os.geteuid() == 0 else []
    assert net.json([*user, *berth, tool("capacity"), "--count=800", "--keep"])["connected"] == 800


def test_first_process_of_a_container(net, prefix):
    """As in `docker run image berth run -- program`: PID 1 of a pid namespace, with the signals that has."""
    # exec, so that it is PID 1 itself; --kill-child, so that a failure does not stay behind
    user = [] if os.geteuid() == 0 else ["-Ur"]
    done = net.run(["unshare", *user, "-pf", "--mount-proc", "--kill-child", *prefix, "sh", "-c", "exit 7"])
    assert done.returncode == 7


def test_ordinary_user_in_a_user_namespace(net, berth):
    """Nothing of root's at all: the namespace itself was made by the user."""
    user = NOBODY if os.geteuid() == 0 else []
    script = (
        f"ip link set lo up; echo {SMALL_RANGE} > /proc/sys/net/ipv4/ip_local_port_range;"
        f" exec 3< <(sleep 60 | {tool('sink')} 7001 4); read ready <&3;"
        f" exec {' '.join(berth)} {tool('capacity')} --count=800 --keep"
    )
    assert net.json([*user, "unshare", "-Urn", "--kill-child", "-pf", "bash", "-c", script])["connected"] == 800


PYTHON_THREADS = """
import socket, threading
failures, kept = [], []
def work(number):
    for i in range(100):
        try:
            client = socket.socket()
            client.bind(("127.0.0.1", 0))
            client.connect(("127.0.0.1", 7001 + (number + i) % 4))
            kept.append(client)
        except OSError as error:
            failures.append(error)
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(kept), len(failures))
"""

PYTHON_ASYNCIO = """
import asyncio
async def one(number):
    await asyncio.open_connection("127.0.0.1", 7001 + number % 4, local_addr=("127.0.0.1", 0))
async def main():
    kept = [asyncio.create_task(one(n)) for n in range(600)]
    done = await asyncio.gather(*kept, return_exceptions=True)
    failures = [d for d in done if isinstance(d, Exception)]
    print(len(done) - len(failures), len(failures))
asyncio.run(main())
"""


@pytest.mark.parametrize("script", [PYTHON_THREADS, PYTHON_ASYNCIO], ids=["threads", "asyncio"])
def test_python(net, prefix, script):
    """600 connections from 200 ports: a third succeeds on stock Linux, all under Berth."""
    net.sysctl("ipv4.ip_local_port_range", SMALL_RANGE)
    net.sink()
    connected, failed = map(int, net.output([*prefix, "/usr/bin/python3", "-c", script]).split())
    assert (connected, failed) == ((600, 0) if prefix else (200, 400))


@pytest.mark.parametrize("how", ["restart", "interrupt"])
def test_signals_during_calls(net, prefix, how):
    net.sink()
    out = net.output([*prefix, tool("signals"), how])
    words = out.split()
    assert words[:2] == ["connections", "3000"], out
    assert int(words[3]) > 10, "too few signals to prove anything"
    # seccomp notification has a moment in which a signal without SA_RESTART ends the call: see signals.c
    assert words[5] == "0" or (prefix and how == "interrupt"), out


def test_nothing_is_left(net, berth):
    process = net.popen([*berth, "cat"], stdin=subprocess.PIPE)
    parts = [part_of_berth(process, name) for name in ("berth-guard", "berth-super")]
    process.stdin.close()
    assert process.wait(20) == 0
    wait_for(lambda: not any(status_fields(pid) for pid in parts), "the parts of Berth to go")
