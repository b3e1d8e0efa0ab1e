# SPDX-License-Identifier: MIT
"""berth demo: its numbers, its verdict, what it prints and what it leaves behind.

Each of its runs takes about ten seconds, so one run of --json for each kind of user serves many checks. The faults are
planted from outside, by a seccomp filter that the demo and all it starts inherit: the demo knows nothing of
being tested.
"""

import ctypes
import errno
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import pytest
from conftest import BERTH, descendants, is_alive, status_fields, wait_for

DEMO_SECONDS = 250  # it gives itself 240, for a slow or busy machine
TEST_SECONDS = DEMO_SECONDS + 20
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
USERS = ["root", "nobody"] if os.geteuid() == 0 else ["self"]

PR_SET_CHILD_SUBREAPER = 36
IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE = 0, 24, 51
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3


class ScmpArgCmp(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h"""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ = 0x7FFF0000, 0x00050000, 4, 7


def refuse(*rules):
    """A preexec_fn: from then on each (system call, conditions...) is refused with EPERM."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(SCMP_ACT_ALLOW))
    for call, *conditions in rules:
        number = library.seccomp_syscall_resolve_name(call.encode())
        array = (ScmpArgCmp * len(conditions))(*conditions)
        done = library.seccomp_rule_add_array(
            context, ctypes.c_uint32(SCMP_ACT_ERRNO | errno.EPERM), number, len(conditions), array
        )
        assert done == 0, f"{call}: {os.strerror(-done)}"

    def load():
        if library.seccomp_load(context) != 0:
            raise OSError("seccomp_load")

    return load


@pytest.fixture(scope="module")
def binary():
    """The program where every user may execute it, wherever the build tree lies."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield shutil.copy(BERTH, folder)


@pytest.fixture(autouse=True)
def nothing_left():
    """Whatever the demo orphans becomes a child of this process and is found."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    before = set(descendants(os.getpid()))
    yield
    left = {pid: name for pid, name in descendants(os.getpid()).items() if pid not in before}
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert not left, f"left behind: {left}"


def demo(binary, *arguments, user=(), **kwargs):
    return subprocess.run(
        [*user, binary, "demo", *arguments], capture_output=True, text=True, timeout=DEMO_SECONDS, **kwargs
    )


@pytest.fixture(scope="module", params=USERS)
def document(request, binary):
    """What --json prints for one kind of user."""
    namespace = os.readlink("/proc/self/ns/net")
    done = demo(binary, "--json", user=NOBODY if request.param == "nobody" else [])
    assert (done.returncode, done.stderr) == (0, "")
    assert os.readlink("/proc/self/ns/net") == namespace
    return json.loads(done.stdout)


def loads(document, **wanted):
    found = [load for load in document["capacity"] if all(load[k] == v for k, v in wanted.items())]
    assert {load["family"] for load in found} == {4, 6}
    return found


def test_every_count_adds_up(document):
    for load in document["capacity"]:
        assert load["room"] == min(load["attempts"], load["ports"] * load["destinations"])
        for side in ("stock", "berth"):
            count = load[side]
            assert count["made"] + count["failed"] == load["attempts"], load
            assert sum(failure["count"] for failure in count["failures"]) == count["failed"], load
            assert count["outside_range"] == 0, load
    lost = {
        side: sum(max(0, load["room"] - load[side]["made"]) for load in document["capacity"])
        for side in ("stock", "berth")
    }
    assert document["room"] == sum(load["room"] for load in document["capacity"])
    assert (document["stock_lost"], document["berth_lost"]) == (lost["stock"], lost["berth"])
    assert document["held"] and document["fault"] is None


def test_stock_meets_step_ten_and_berth_does_not(document):
    walks = document["ten_steps"]
    assert all(walk["first_time_wait"] and walk["other_time_wait"] for walk in walks)
    stock = [walk for walk in walks if walk["side"] == "stock"]
    assert [w["failure"]["error"] for w in stock if not w["autobind_reuse"]] == ["EADDRINUSE"]
    bug = [w for w in stock if w["autobind_reuse"]][-1]
    assert bug["second_port"] == bug["first_port"]
    assert (bug["failure"]["call"], bug["failure"]["error"]) == ("connect", "EADDRNOTAVAIL")
    berth = [walk for walk in walks if walk["side"] == "berth"]
    assert {walk["autobind_reuse"] for walk in berth} == {False, True}
    assert all(w["failure"] is None and w["second_port"] == w["other_port"] for w in berth)


def test_four_destinations_reuse_without_timestamps(document):
    for load in loads(document, destinations=4, attempts=3000, timestamps=False, autobind_reuse=True):
        assert 1000 <= load["stock"]["failed"] <= 1700
        assert load["berth"]["failed"] == 0


def test_four_destinations_every_tuple(document):
    found = loads(document, destinations=4, attempts=4000)
    assert {load["kept_open"] for load in found} == {True, False}
    for load in found:
        if not load["autobind_reuse"]:
            assert load["stock"]["failed"] == 3000
        assert load["berth"]["failed"] <= 10


def test_one_destination_is_exhausted_for_both(document):
    """Nobody can make 2000 connections from 1000 ports, if none of them may be reused in TIME_WAIT."""
    for load in loads(document, destinations=1, timestamps=False) + loads(document, destinations=1, kept_open=True):
        assert load["stock"]["made"] == load["berth"]["made"] == 1000


def on_terminal(binary, **kwargs):
    """What a demo on a terminal prints to it, and its exit status."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [binary, "demo"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        **kwargs,
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 65536):
                output += chunk
        except OSError:  # EIO: the demo has closed its end
            pass
        status = process.wait(DEMO_SECONDS)
    os.close(ours)
    return output.decode().replace("\r", ""), status


def test_table_on_a_terminal_with_few_descriptors(binary):
    """Fewer connections are kept, and it says so; the rest is as always."""
    output, status = on_terminal(binary, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500)))
    plain = re.sub("\033\\[[0-9;]*m", "", output)
    assert status == 0
    assert "\033[32m" in output and "\033[1;31m" in output
    assert max(map(len, plain.split("\n"))) <= 80
    assert "\u2500" in plain
    assert "at most 500 descriptors" in plain
    assert re.search(r"stock Linux failed \d{5}, Berth \d\.\n$", plain), plain


def test_user_notification_refused(binary):
    """Without it the Berth half cannot work, and the demo must not pass off the stock half as its own."""
    fault = refuse(
        ("seccomp", ScmpArgCmp(1, SCMP_CMP_MASKED_EQ, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER))
    )
    done = demo(binary, "--json", preexec_fn=fault)
    assert done.returncode == 1
    assert done.stderr.split("\n")[-2].startswith("berth demo: a run with Berth failed: ")
    verdict = json.loads(done.stdout)
    assert verdict["held"] is False and verdict["fault"].startswith("a run with Berth failed")


def test_a_berth_that_cannot_steer_is_caught(binary):
    """Berth without its socket options steps aside, so its half becomes stock Linux; the numbers must tell."""
    options = (IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE)
    fault = refuse(
        *(
            ("setsockopt", ScmpArgCmp(1, SCMP_CMP_EQ, IPPROTO_IP), ScmpArgCmp(2, SCMP_CMP_EQ, option))
            for option in options
        )
    )
    done = demo(binary, "--json", preexec_fn=fault)
    verdict = json.loads(done.stdout)
    assert done.returncode == 1 and verdict["held"] is False
    assert done.stderr == f"berth demo: {verdict['fault']}\n"
    assert any(walk["side"] == "berth" and walk["failure"] for walk in verdict["ten_steps"])
    for load in loads(verdict, destinations=4, autobind_reuse=False):
        assert load["held"] is False and load["berth"]["made"] < 4000


def test_no_namespaces(binary):
    done = demo(binary, preexec_fn=refuse(("unshare",)))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"berth demo: cannot make a private network namespace .*: run it as root, .*\n", done.stderr)


@pytest.mark.parametrize("argument", ["--jason", "extra", "--worker=nonsense"])
def test_usage(binary, argument):
    done = demo(binary, argument)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and argument.split("=")[-1] in done.stderr


@pytest.mark.parametrize("half", ["stock", "berth"])
def test_killed_demo_takes_everything_along(binary, half):
    process = subprocess.Popen([binary, "demo"], stdout=subprocess.DEVNULL)

    def reached():
        names = descendants(process.pid).values()
        supervised = any(name.startswith("berth-") for name in names)
        return len(names) >= 2 and supervised == (half == "berth")

    wait_for(reached, f"the {half} half")
    process.send_signal(signal.SIGSTOP)  # it starts no more of them, once it has stopped: it may be starting one now
    wait_for(lambda: status_fields(process.pid)[2] == "T", "the demo to stop")
    started = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, started)), "the demo's processes to end")
