# SPDX-License-Identifier: MIT
"""Signals and the terminal under `berth run`: job control is the program's own. Each test runs both ways, so that what is
wanted of Berth is measured on stock Linux first."""

import os
import pty
import select
import signal
import subprocess
import time

import pytest

# Nothing stands between the shell and a program in kernel mode (test_kernel_mode.py).
pytestmark = pytest.mark.parametrize("prefix", ["stock", "supervise"], indirect=True)

CATCH = """
import os, signal, sys, time
def caught(number, frame):
    os.write(1, f"caught {signal.Signals(number).name}\\n".encode())
    if number == signal.SIGTERM:
        sys.exit(17)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), caught)
os.write(1, b"ready\\n")
while True:
    time.sleep(60)
"""


def test_signals_to_the_front(net, prefix):
    names = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGCONT", "SIGPIPE", "SIGTERM"]
    process = net.popen([*prefix, "/usr/bin/python3", "-c", CATCH, *names], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    for name in names:
        process.send_signal(getattr(signal, name))
        assert process.stdout.readline() == f"caught {name}\n"
    assert process.wait(20) == 17


def test_signal_kills(net, prefix):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        process = net.popen([*prefix, "sh", "-c", "ulimit -c 0; echo ready; exec sleep 60"], stdout=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(20) == -number


def test_stop_and_continue(net, prefix):
    """A stopped process group is reported to its parent and goes on when it is told to."""
    script = "print('ready', flush=True); input(); raise SystemExit(5)"
    command = [*prefix, "/usr/bin/python3", "-c", script]
    process = net.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate("\n", timeout=60)
    assert process.returncode == 5


class Terminal:
    """An interactive bash on a terminal of its own."""

    def __init__(self, net, prefix):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "BERTH": " ".join(prefix), "PS1": "PROMPT ", "TERM": "dumb", "HISTFILE": ""}
            command = [*net.enter, "bash", "--norc", "--noediting", "-i"]
            os.execvpe(command[0], command, environment)
        self.seen = ""
        self.expect("PROMPT ")

    def expect(self, text):
        """Reads until text has come; returns what came before it."""
        deadline = time.monotonic() + 10
        while text not in self.seen:
            if not select.select([self.fd], [], [], max(deadline - time.monotonic(), 0))[0]:
                pytest.fail(f"no {text!r} on the terminal but {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 4096).decode()
            except OSError:
                pytest.fail(f"no {text!r} on the terminal before its end but {self.seen!r}")
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def status(self):
        self.type("echo status=$?.\n")
        self.expect("\nstatus=")
        status = self.expect(".")
        self.expect("PROMPT ")
        return int(status)

    def close(self):
        """Ends the shell; whether it ended by itself."""
        self.type("exit\n")
        deadline = time.monotonic() + 20
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        os.close(self.fd)
        return True


@pytest.fixture
def terminal(net, prefix):
    opened = Terminal(net, prefix)
    yield opened
    if not opened.close():
        net.kill_all()
        os.waitpid(opened.pid, 0)
        pytest.fail("the shell did not end")


def test_ctrl_c(terminal):
    terminal.type("$BERTH sh -c 'echo be''gun; exec sleep 60'\n")
    terminal.expect("begun")
    terminal.type("\x03")
    terminal.expect("PROMPT ")
    assert terminal.status() == 130


def test_ctrl_c_caught(terminal):
    """A program that handles Ctrl-C gets it once and ends in its own way."""
    terminal.type("""$BERTH sh -c 'trap "echo cau""ght; exit 9" INT; echo be''gun; while :; do sleep 0.1; done'\n""")
    terminal.expect("begun")
    terminal.type("\x03")
    assert terminal.expect("PROMPT ").count("caught") == 1
    assert terminal.status() == 9


def test_ctrl_backslash(terminal):
    terminal.type("ulimit -c 0\n")
    terminal.expect("PROMPT ")
    terminal.type("$BERTH sh -c 'echo be''gun; exec sleep 60'\n")
    terminal.expect("begun")
    terminal.type("\x1c")
    terminal.expect("PROMPT ")
    assert terminal.status() == 131


def test_ctrl_z_and_fg(terminal):
    terminal.type("$BERTH sh -c 'echo be''gun; read line; echo re''ad $line; exit 6'\n")
    terminal.expect("begun")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.expect("PROMPT ")
    assert terminal.status() == 148
    # in the background it reads the terminal, which stops it once more
    terminal.type("bg; until jobs | grep Stopped; do sleep 0.02; done\n")
    terminal.expect("Stopped  ")
    terminal.expect("PROMPT ")
    terminal.type("fg\n")
    time.sleep(0.3)
    terminal.type("a line\n")
    terminal.expect("read a line")
    terminal.expect("PROMPT ")
    assert terminal.status() == 6


def test_reads_the_terminal_after_another_job(terminal):
    """In the background it is stopped when it reads, as any job is."""
    terminal.type("$BERTH cat &\n")
    terminal.expect("PROMPT ")
    terminal.type("until jobs | grep Stopped; do sleep 0.02; done\n")
    terminal.expect("Stopped  ")
    terminal.type("kill -KILL %1; kill -CONT %1; wait %1\n")
    terminal.expect("Killed")
    terminal.expect("PROMPT ")


def test_window_size(terminal):
    terminal.type("stty rows 33 cols 77; $BERTH stty size\n")
    terminal.expect("\n33 77\r\n")  # and not what was typed, which comes back as well
    terminal.expect("PROMPT ")
