# SPDX-License-Identifier: MIT
"""berth top, driven in tmux: its numbers, its keys, every size, and a terminal that is as it was, whatever ends it."""

import json
import os
import re
import signal

import pytest
from conftest import BERTH, SINK_PORT, descendants, is_alive, need, status_fields, wait_for
from view_world import berth, make, refused

FIRST, LAST = 40000, 40499
PROMPT = "prompt:"


class Terminal:
    """A shell in tmux in the test's namespace."""

    def __init__(self, net, folder, columns=80, lines=24, locale="C.UTF-8"):
        self.net = net
        self.tmux = [need("tmux"), "-S", str(folder / "tmux"), "-f", "/dev/null"]
        shell = f"env LC_ALL={locale} PS1={PROMPT} bash --norc --noprofile"
        net.output([*self.tmux, "new-session", "-d", "-x", columns, "-y", lines, shell])
        self.pane = int(self.ask("#{pane_pid}"))
        wait_for(lambda: PROMPT in self.text(), "the shell")
        self.modes = self.run("stty -g")

    def ask(self, what):
        return self.net.output([*self.tmux, "display", "-p", what]).strip()

    def keys(self, *keys):
        self.net.output([*self.tmux, "send-keys", *keys])

    def resize(self, columns, lines):
        self.net.output([*self.tmux, "resize-window", "-x", columns, "-y", lines])

    def text(self):
        return self.net.output([*self.tmux, "capture-pane", "-p"])

    def lines(self):
        return self.text().splitlines()

    def until(self, *patterns, listed=lambda found: True):
        """The text of the screen once all of it is as wanted: the patterns are on it, and so are the destinations. Not one after
        the other, as a frame comes in pieces, the top line first, and may be half there."""

        def is_there():
            text = self.text()
            return all(re.search(pattern, text, re.M) for pattern in patterns) and listed(names(text.splitlines())) and text

        return wait_for(is_there, " and ".join(patterns) or "the list")

    def run(self, command):
        """What a command prints on one line, run by the shell."""
        self.keys(f"clear; {command}; echo done=$?", "Enter")
        text = self.until(r"^done=\d")
        return text[: text.index("\ndone=")].split()

    def start(self, arguments="-i 0.2", command=BERTH):
        # A sanitizer is to leave alone the signals that a test sends.
        environment = "ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0:handle_abort=0"
        self.keys(f"clear; {environment} {command} top {arguments}; echo status=$?", "Enter")
        self.until("^berth top ")
        return self.processes()

    def processes(self):
        """(keeper, screen)"""

        def both():
            found = [pid for pid, name in descendants(self.pane).items() if name == "berth"]
            screen = next((pid for pid in found if status_fields(pid) and status_fields(pid)[1] in found), None)
            return screen and (status_fields(screen)[1], screen)

        return wait_for(both, "the two processes of berth top")

    def ended(self):
        """Waits for the end; the exit status as the shell has it and the lines on the screen. The terminal is as it was."""
        text = self.until(r"^status=\d+")
        wait_for(lambda: "berth" not in descendants(self.pane).values(), "the end of both processes")
        assert self.ask("#{alternate_on} #{cursor_flag} #{keypad_flag} #{keypad_cursor_flag}") == "0 1 0 0"
        assert self.run("stty -g") == self.modes
        return int(re.search(r"^status=(\d+)", text, re.M)[1]), text

    def close(self):
        self.net.run([*self.tmux, "kill-server"])  # which is gone where its last window is


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sink()
    make(net, ("127.0.0.1", SINK_PORT, 260, "keep"), ("127.0.0.1", SINK_PORT + 1, 40, "close"), ("::1", SINK_PORT, 30, "keep"))
    return net


@pytest.fixture
def terminal(world, tmp_path):
    opened = Terminal(world, tmp_path)
    yield opened
    opened.close()


def names(lines):
    """The destinations listed, in order."""
    return [line.split()[0] for line in lines[4:-1] if line]


def test_numbers_on_80x24(terminal):
    terminal.start()
    lines = terminal.until(r"^\[::1\]", "^q quit").splitlines()
    assert len(lines) == 24 and max(map(len, lines)) <= 80
    assert "500 ports of 40000-40499 usable" in lines[1] and "40 in TIME_WAIT" in lines[1]
    assert re.match(rf"127\.0\.0\.1:{SINK_PORT} from .* 260 +0 +240 +52% ", lines[4])
    assert names(lines) == [f"127.0.0.1:{SINK_PORT}", f"[::1]:{SINK_PORT}", f"127.0.0.1:{SINK_PORT + 1}"]
    assert lines[4].endswith("\u2585") and lines[6].endswith("\u2581")  # 52 % and 8 % of eight eighths
    assert lines[23].startswith("q quit")


def test_keys(terminal):
    terminal.start()
    terminal.keys("s")
    assert "by rate" in terminal.until("by rate")
    terminal.keys("s", "s")
    terminal.until("by name", listed=lambda found: found[:1] == [f"127.0.0.1:{SINK_PORT}"])
    terminal.keys("/", "[", ":", "x")
    terminal.until(r"only /\[:x_", "^No destination has that")
    terminal.keys("BSpace", "Enter")
    terminal.until(r"only /\[:$", listed=lambda found: found == [f"[::1]:{SINK_PORT}"])
    terminal.keys("/", "Escape")
    terminal.until(rf"^127\.0\.0\.1:{SINK_PORT + 1}")
    terminal.keys("?")
    terminal.until("Up Down PgUp")
    terminal.keys("Escape")
    terminal.until("^Destination")
    terminal.keys("Space")
    paused = terminal.until("PAUSED")
    make(terminal.net, ("127.0.0.1", SINK_PORT, 9, "keep"))
    terminal.keys("Down")
    assert names(terminal.lines()) == names(paused.splitlines()) and " 260 " in terminal.text()
    terminal.keys("Space")
    assert "PAUSED" not in terminal.until(rf"^127\.0\.0\.1:{SINK_PORT} .* 269 ")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_one_destination(terminal):
    terminal.start()
    terminal.until(r"^\[::1\]")
    terminal.keys("Down", "Enter")
    terminal.until("^connect.. gets a port", rf"\[::1\]:{SINK_PORT} from ::1", r"^Processes +python3 \(pid \d+\): 30$")
    terminal.resize(80, 10)
    terminal.keys("End")
    terminal.until("^Outlook|^ *8\\.|Last: end")
    terminal.keys("Escape")
    terminal.until("^Destination")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_every_size(terminal):
    _, screen = terminal.start()
    foot = "q quit  Enter open  s sort  / filter  Space pause  ? help"
    for columns, lines in (200, 50), (40, 10), (20, 5), (3, 2), (300, 6), (80, 24):
        terminal.resize(columns, lines)
        wait_for(lambda: len(text := terminal.lines()) == lines and text[-1] == foot[:columns].rstrip(), f"{columns}x{lines}")
    terminal.resize(1, 1)
    wait_for(lambda: terminal.ask("#{pane_width}") == "1", "1x1")
    terminal.resize(80, 24)
    terminal.until("^Destination")
    assert terminal.processes()[1] == screen
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_size_that_was_another_for_a_moment(terminal, session_cgroup):
    """What the terminal has lost is drawn again by a screen that did not run then, and finds the size that it knows."""
    assert session_cgroup, "to hold a process without a signal needs root and cgroup v2"
    _, screen = terminal.start()
    tty = terminal.ask("#{pane_tty}")
    hold = session_cgroup / "held"
    hold.mkdir()
    (hold / "cgroup.procs").write_text(str(screen))
    (hold / "cgroup.freeze").write_text("1")
    try:
        for columns, lines in (1, 1), (80, 24):
            terminal.resize(columns, lines)
            wait_for(lambda: terminal.net.output(["stty", "-F", tty, "size"]).split() == [str(lines), str(columns)], "the size")
        assert "Destination" not in terminal.text()
    finally:
        (hold / "cgroup.freeze").write_text("0")
        (session_cgroup / "cgroup.procs").write_text(str(screen))
        hold.rmdir()
    terminal.until("^Destination")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_terminal_that_goes_away(terminal):
    """The shell, its terminal and tmux end; so does berth, by itself."""
    keeper, screen = terminal.start()
    terminal.net.output([*terminal.tmux, "kill-window"])
    wait_for(lambda: not is_alive(keeper) and not is_alive(screen), "the end of both")


@pytest.mark.parametrize(
    "whom, number, status",
    [
        ("keeper", signal.SIGTERM, 128 + 15),
        ("keeper", signal.SIGHUP, 128 + 1),
        ("screen", signal.SIGSEGV, 1),
        ("screen", signal.SIGKILL, 1),
        ("screen", signal.SIGABRT, 1),
    ],
)
def test_terminal_is_restored(terminal, whom, number, status):
    pids = dict(zip(("keeper", "screen"), terminal.start()))
    os.kill(pids[whom], number)
    found, text = terminal.ended()
    assert found == status
    assert ("berth top: ended by signal" in text) == (whom == "screen")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_terminal_is_restored_without_the_keeper(terminal, number):
    """After SIGINT bash runs nothing more of its line; after SIGKILL it does so before the screen has ended."""
    keeper, screen = terminal.start()
    if number == signal.SIGINT:
        terminal.keys("C-c")
    else:
        os.kill(keeper, number)
    wait_for(lambda: not is_alive(keeper) and not is_alive(screen), "the end of both")
    terminal.keys("Enter")  # bash may have written its prompt on the screen that is gone
    terminal.until(f"^{PROMPT}")
    assert terminal.ask("#{alternate_on} #{cursor_flag} #{keypad_flag}") == "0 1 0"
    assert terminal.run("stty -g") == terminal.modes


def test_stop_and_go_on(terminal):
    terminal.start()
    terminal.keys("C-z")
    terminal.until("Stopped")
    assert terminal.ask("#{alternate_on} #{cursor_flag}") == "0 1"
    assert terminal.run("stty -g") == terminal.modes
    terminal.keys("clear; fg; echo status=$?", "Enter")
    terminal.until("^berth top ")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_a_thousand_destinations(terminal):
    terminal.net.sink(1000, first=9001)
    make(terminal.net, *[("127.0.0.1", 9001 + i, 1, "keep") for i in range(1000)])
    terminal.start("-i 0.5")
    terminal.keys("End")
    last = terminal.until(r"^127\.0\.0\.1:9\d\d\d.* 1 +0 ")
    terminal.keys("PageUp", "PageUp")
    wait_for(lambda: terminal.text() != last, "the list to scroll")
    terminal.keys("Home")
    terminal.until(rf"^127\.0\.0\.1:{SINK_PORT} ")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


def test_letters_instead_of_blocks(world, tmp_path):
    terminal = Terminal(world, tmp_path, locale="C")
    terminal.start()
    line = next(line for line in terminal.until(r"^\[::1\]").splitlines() if f"127.0.0.1:{SINK_PORT} " in line)
    assert line.endswith("+") and terminal.text().isascii()
    terminal.close()


def test_ends_after_so_many_looks(terminal):
    terminal.keys(f"clear; {BERTH} top -i 0.1 -n 3; echo status=$?", "Enter")
    assert terminal.ended()[0] == 0


def test_lines_for_programs(world):
    lines = world.output([BERTH, "top", "--json", "-n", "3", "-i", "0.1"]).splitlines()
    reports = [json.loads(line) for line in lines]
    assert len(reports) == 3
    assert all({one["remote"]: one["used"] for one in report["destinations"]}[f"127.0.0.1:{SINK_PORT}"] == 260 for report in reports)
    assert reports[0]["destinations"][0]["taken_per_s"] is None and reports[1]["destinations"][0]["taken_per_s"] == 0


def test_without_a_terminal(world):
    done = berth(world, "top")
    assert (done.returncode, done.stdout) == (1, "") and "needs a terminal" in done.stderr


@pytest.mark.parametrize("name, why", [("no-such", "is not known"), ("dumb", "cannot place the cursor")])
def test_terminal_that_will_not_do(terminal, name, why):
    terminal.keys(f"clear; TERM={name} {BERTH} top; echo status=$?", "Enter")
    status, text = terminal.ended()
    assert status == 1 and f"berth top: the terminal that TERM names {why}" in text


def test_the_chosen_one_stays_in_sight(terminal):
    """Two lines of list: the fullest is seen as long as nothing is chosen, and then what was chosen."""
    terminal.resize(80, 7)
    terminal.start()
    terminal.until(rf"^127\.0\.0\.1:{SINK_PORT} ")
    make(terminal.net, ("127.0.0.1", SINK_PORT + 2, 270, "keep"))
    # a look before all were made may have had it second
    terminal.until(listed=lambda found: found[:1] == [f"127.0.0.1:{SINK_PORT + 2}"])
    terminal.keys("Down", "Down", "Down")
    terminal.until(rf"^127\.0\.0\.1:{SINK_PORT + 1} ")
    make(terminal.net, ("127.0.0.1", SINK_PORT + 3, 60, "keep"), ("127.0.0.1", SINK_PORT, 20, "keep"))
    terminal.keys("s", "s", "s", "s")
    wait_for(lambda: names(terminal.lines())[-1:] == [f"127.0.0.1:{SINK_PORT + 1}"], "the chosen one in the last line")
    terminal.keys("q")
    assert terminal.ended()[0] == 0


@pytest.mark.parametrize("argument", ["--interval=0", "--count=0", "--count=1.5", "--nonsense", "127.0.0.1:1", "-i"])
def test_bad_usage(net, argument):
    refused(net, "top", argument)
