# SPDX-License-Identifier: MIT
"""berth daemon and berth detach: hooks that outlive the process that attached them. Needs root; nothing is skipped
without it.

BERTH_DAEMON_KILLS is the number of times the daemon is killed under load (100).
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import pytest
from conftest import BERTH, BPF_FS, ROOT, sum_ways, tool, wait_for, with_mounts

KILLS = int(os.environ.get("BERTH_DAEMON_KILLS", "100"))
NEXT_PROGRAM, NEXT_LAYOUT = (BERTH.parent / name / "berth" for name in ("next-program", "next-layout"))
STATUS = 41
UNIT = ROOT / "packaging/berth.service"


def finish(process):
    """Ends the load `steered`."""
    out, _ = process.communicate(timeout=30)
    return json.loads(out)


def finish_load(process):
    """Ends the load `load`, in which no call may fail."""
    out, _ = process.communicate("stop\n", timeout=30)
    assert process.returncode == STATUS, out


# ---- the life of a daemon ----


def test_attaches_and_detaches(machine):
    """From nothing to nothing, and what is said on the way."""
    assert machine.detach()["cgroup"] is None
    check = [BERTH, "daemon", "--check", *machine.options]
    assert machine.run(check).stdout == f"would attach: {machine.cgroup}, pinned in {machine.pin}\n"
    assert not machine.pinned.exists() and machine.hooks() == {}
    daemon, said = machine.start()
    assert said == f"berth daemon: attached; steers {machine.cgroup}, pinned in {machine.pin}\n"
    assert os.readlink(machine.pinned / "cgroup") == str(machine.cgroup)
    assert machine.run(check).stdout == f"is attached already: {machine.cgroup}, pinned in {machine.pin}\n"
    hooks = machine.hooks()
    assert {"connect4", "connect6"} <= set(hooks)
    assert machine.end(daemon) == "berth daemon: ends; the hooks stay ('berth detach' removes them)\n"
    assert machine.hooks() == hooks
    report = machine.detach()
    assert report["cgroup"] == str(machine.cgroup) and set(hooks) <= set(report["hooks"]), report
    assert machine.hooks() == {} and not machine.pinned.exists()


def test_says_what_it_removed(machine):
    daemon, _ = machine.start()
    machine.end(daemon)
    result = finish(machine.load(tool("steered")))  # nobody listens: refused, and steered all the same
    done = machine.run([BERTH, "detach", f"--pin={machine.pin}"])
    removed, counted = done.stdout.splitlines()
    pattern = rf"removed from {machine.cgroup}: \d+ hooks \(.*\bconnect4\b.*\), \d+ maps \(.*\), and {machine.pin}"
    assert re.fullmatch(pattern, removed), removed
    # and the one before; where others are in a port's slot of the bind table, looks as well
    assert f"{counted} ".startswith(f"calls were answered: fresh {result['failed'] + 1} "), counted


def test_one_at_a_time(machine):
    daemon, _ = machine.start()
    done = machine.run([BERTH, "daemon", *machine.options])
    assert done.returncode == 1
    assert done.stderr == f"berth daemon: {machine.pin}: another berth daemon is running\n"
    daemon.kill()
    daemon.wait()
    daemon, said = machine.start()
    assert "left as it is" in said
    machine.end(daemon)


def test_service_manager(machine, tmp_path):
    """READY=1 comes when the hooks are there, STOPPING=1 before the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        daemon = machine.popen([BERTH, "daemon", *machine.options], stderr=subprocess.PIPE, env=environment)
        assert manager.recv(100) == b"READY=1"
        assert "connect4" in machine.hooks()
        machine.end(daemon)
        assert manager.recv(100) == b"STOPPING=1"


# ---- under load ----


def assert_no_gap(result, new_maps=0):
    """Every call succeeded, and met a hook. In the first moments of new maps another processor may be reading the ports, and a
    call be left to the kernel."""
    assert result["failed"] == 0 and result["connected"] > 200, result
    assert result["unsteered"] <= new_maps * os.cpu_count(), result


def test_kill_daemon_under_load(machine):
    """kill -9 at any moment, also while it replaces another build's hooks, and started again: no call fails, none is without a
    hook, and in the end all is in its place. The load is nice, as to read a program takes the kernel time."""
    machine.net.sink()
    daemon, _ = machine.start()
    steered, load = machine.load(tool("steered")), machine.load(tool("load"), STATUS)
    build = machine.build()
    random.seed(1)
    for i in range(KILLS):
        daemon.kill()
        daemon.wait()
        # The first of a build is killed while it exchanges the hooks; then comes the one before, at any time; then the new one.
        new, old = (NEXT_PROGRAM, BERTH) if i // 20 % 2 == 0 else (BERTH, NEXT_PROGRAM)
        berth = old if i % 20 == 1 else new
        # The first is sure to be half-way then: where it is to attach a hook that the build before does not have.
        around = [tool("deny"), "bpf-attach", "KILL"] if i == 0 else []
        daemon = machine.popen([*around, berth, "daemon", *machine.options], stderr=subprocess.PIPE)
        if i == 0:
            assert daemon.wait(60) == -signal.SIGSYS and machine.build() is None
        elif i % 20 == 0:
            while machine.build() == build and daemon.poll() is None:
                pass
            time.sleep(random.random() * 0.001)
        elif i % 20 == 1:
            time.sleep(random.random() * 0.25)
        else:
            assert "pinned in" in daemon.stderr.readline()
            build = machine.build()
    daemon.kill()
    daemon.wait()
    daemon, said = machine.start()
    assert "pinned in" in said
    result = finish(steered)
    finish_load(load)
    assert_no_gap(result)
    report = machine.detach()
    assert "next_hook" not in report["hooks"] and len(report["hooks"]) == len(set(report["hooks"])), report
    assert daemon.wait(60) == 0


def test_upgrade_daemon_under_load(machine):
    """The next build takes over in place; where the maps look the same it goes on with them."""
    machine.net.sink()
    daemon, _ = machine.start()
    steered, load = machine.load(tool("steered")), machine.load(tool("load"), STATUS)
    before = machine.hooks()
    for berth, same_maps in ((NEXT_PROGRAM, True), (BERTH, True), (NEXT_LAYOUT, False)):
        maps = os.readlink(machine.pinned / "layout")
        machine.end(daemon)
        daemon, said = machine.start(berth)
        assert said.startswith("berth daemon: replaced what was attached before; "), said
        assert (os.readlink(machine.pinned / "layout") == maps) == same_maps
        assert ("next_hook" in machine.hooks()) == (berth != BERTH)
        assert machine.hooks()["connect4"] != before["connect4"]
    result = finish(steered)
    finish_load(load)
    assert_no_gap(result, new_maps=1)
    machine.end(daemon)
    assert machine.detach()["ways"] is None  # this build cannot read what the next one counted
    assert machine.hooks() == {}


def test_counts_survive_an_upgrade(machine):
    machine.net.sink()
    daemon, _ = machine.start()
    first = finish(machine.load(tool("steered")))
    machine.end(daemon)
    daemon, _ = machine.start(NEXT_PROGRAM)
    second = finish(machine.load(tool("steered")))
    machine.end(daemon)
    ways = sum_ways(machine.detach(NEXT_PROGRAM)["ways"])
    given = sum(ways[way] for way in ("fresh", "shared", "waiting"))
    assert given == first["connected"] + second["connected"] + 2, (ways, first, second)  # and the two before


def test_detach_daemon_under_load(machine):
    """At once, with the daemon running: it ends. Calls go on as on stock Linux."""
    machine.net.sink()
    for _ in range(2):
        daemon, _ = machine.start()
        steered, load = machine.load(tool("steered")), machine.load(tool("load"), STATUS)
        machine.detach()
        assert machine.hooks() == {}
        assert daemon.wait(60) == 0 and "the hooks were detached" in daemon.stderr.read()
        result = finish(steered)
        finish_load(load)
        assert result["failed"] == 0 and result["unsteered"] > 0, result


# ---- what it refuses ----


def refused(machine, *words, prefix=(), options=None):
    """One line on stderr, status 1, and nothing attached."""
    done = machine.run([*prefix, BERTH, "daemon", *(options or machine.options)])
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and not done.stdout, done
    for word in words:
        assert word in done.stderr, done.stderr


def test_refuses_what_is_anothers(machine):
    daemon, _ = machine.start()
    machine.end(daemon)
    hooks = machine.hooks()
    inner = machine.cgroup / "inner"
    inner.mkdir()
    refused(machine, f"steers another cgroup, {machine.cgroup}", "berth detach", options=[f"--cgroup={inner}", machine.options[1]])
    (machine.pinned / "format").unlink()
    (machine.pinned / "format").symlink_to("2")
    (machine.pinned / "version").unlink()
    (machine.pinned / "version").symlink_to("9.9.9")
    refused(machine, "pinned by a newer berth (9.9.9)", "berth detach")
    assert machine.hooks() == hooks
    inner.rmdir()
    machine.detach()


def started(machine):
    """A daemon and what it said, or None if it refused."""
    daemon, said = machine.start()
    return (daemon, said) if "pinned in" in said else None


def test_a_cgroup_that_went(machine):
    """Its hooks went with it; another cgroup may have the place."""
    inner = machine.cgroup / "inner"
    inner.mkdir()
    daemon = machine.popen([BERTH, "daemon", f"--cgroup={inner}", machine.options[1]], stderr=subprocess.PIPE)
    assert "attached" in daemon.stderr.readline()
    machine.end(daemon)
    inner.rmdir()
    # the kernel takes its time to let the cgroup go
    daemon, said = wait_for(lambda: started(machine), "the cgroup to go")
    assert "connect4" in machine.hooks(), said
    machine.end(daemon)
    machine.detach()


def test_what_is_missing(machine, tmp_path):
    """One clear line each."""
    for capability in ("bpf", "net_admin", "perfmon"):
        without = ["setpriv", f"--bounding-set=-{capability},-sys_admin", f"--inh-caps=-{capability},-sys_admin"]
        refused(machine, "not permitted: be root", f"(CAP_{capability.upper()} is missing)", prefix=without)
    refused(machine, "no BTF", "CONFIG_DEBUG_INFO_BTF", prefix=with_mounts("mount -t tmpfs none /sys/kernel/btf"))
    refused(machine, "no bpf filesystem", "mount -t bpf", options=[machine.options[0], f"--pin={tmp_path}/berth"])
    refused(machine, "not a cgroup of version 2", options=[f"--cgroup={tmp_path}", machine.options[1]])
    refused(machine, "No such file", options=[f"--cgroup={tmp_path}/none", machine.options[1]])
    refused(machine, "no dots in names", options=[machine.options[0], f"--pin={BPF_FS}/a.b"])
    refused(machine, "no cgroup v2 is mounted", prefix=with_mounts("umount -l -a -t cgroup2"), options=[machine.options[1]])
    assert machine.hooks() == {} and not machine.pinned.exists()
    done = machine.run(["setpriv", "--reuid=65534", "--clear-groups", BERTH, "detach"])
    assert done.returncode == 1 and "be root" in done.stderr and done.stderr.count("\n") == 1, done


def test_half_attached(machine):
    """One hook is another's alone: none of ours stays, and nothing is pinned."""
    other = machine.popen([tool("foreign_hook"), machine.cgroup, "bind6", "alone"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == "attached\n"
    refused(machine, "bind6 cannot be attached", "another program there does not allow a second one")
    assert set(machine.hooks()) == {"somebody"} and not machine.pinned.exists()
    other.stdin.close()
    other.wait(60)
    daemon, said = machine.start()
    assert "attached" in said
    machine.end(daemon)
    machine.detach()


def test_half_upgraded_under_load(machine):
    """A later build that cannot put all in its place says so. No hook is lost meanwhile, and the next to start sets it right."""
    machine.net.sink()
    daemon, _ = machine.start()
    machine.end(daemon)
    steered, hooks = machine.load(tool("steered")), machine.hooks()
    # what is in a hook can be exchanged, and nothing more be attached
    done = machine.run([tool("deny"), "bpf-attach", "ENOMEM", NEXT_LAYOUT, "daemon", *machine.options])
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert "Cannot allocate memory" in done.stderr and "; all hooks that were there stay attached\n" in done.stderr, done
    half = machine.hooks()
    assert set(half) == set(hooks) and half["connect4"] != hooks["connect4"] and machine.build() is None
    daemon, said = machine.start()
    assert ": replaced what was attached before; " in said
    assert set(machine.hooks()) == set(hooks)
    result = finish(steered)
    assert_no_gap(result, new_maps=2)
    machine.end(daemon)
    report = machine.detach()
    assert len(report["hooks"]) == len(set(report["hooks"])) and machine.hooks() == {}, report


def test_detach_removes_nothing_of_others(machine, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/world").write_text("")
    done = machine.run([BERTH, "detach", f"--pin={tmp_path}"])
    assert (done.returncode, done.stderr) == (1, f"berth detach: {tmp_path}: not in a bpf filesystem\n")
    assert (tmp_path / "maps/world").exists()


def test_command_line(machine):
    for words in (["daemon", "--pin"], ["daemon", "--no"], ["daemon", "word"], ["detach", "--pin"], ["detach", "--no"], ["detach", "word"]):
        done = machine.run([BERTH, *words])
        assert done.returncode == 2 and done.stderr.count("\n") == 1, (words, done)


# ---- the whole machine ----


def capabilities():
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("CapabilityBoundingSet="))
    return [name.removeprefix("CAP_").lower() for name in line.partition("=")[2].split()]


def test_defaults_with_the_units_capabilities(machine):
    """No options: the root of the hierarchy, which in a cgroup namespace is the test's own cgroup, and the usual place, where
    the filesystem has to be mounted. It has the capabilities of the systemd unit and no others, but for the mount."""
    allowed = ",".join(["-all", *(f"+{name}" for name in capabilities())])
    limited = ["setpriv", f"--bounding-set={allowed}", f"--inh-caps={allowed}"]
    inside = f"umount -l /sys/fs/cgroup/unified /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && umount {BPF_FS} && echo ready && exec cat"
    cell = machine.popen([*machine.steered, "unshare", "-mC", "sh", "-c", inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert cell.stdout.readline() == "ready\n"
    enter = ["nsenter", "-t", str(cell.pid), "-m", "-n", "-C"]
    first = machine.net.popen([*enter, BERTH, "daemon"], stderr=subprocess.PIPE)
    assert first.stderr.readline() == f"berth daemon: mounted a bpf filesystem at {BPF_FS}\n"
    assert first.stderr.readline() == f"berth daemon: attached; steers /sys/fs/cgroup, pinned in {BPF_FS}/berth\n"
    machine.end(first)
    assert "connect4" in machine.hooks()
    again = machine.net.popen([*enter, *limited, BERTH, "daemon"], stderr=subprocess.PIPE)
    assert "left as it is" in again.stderr.readline()
    machine.end(again)
    upgrade = machine.net.popen([*enter, *limited, NEXT_LAYOUT, "daemon"], stderr=subprocess.PIPE)
    assert ": replaced what was attached before; " in upgrade.stderr.readline()
    machine.end(upgrade)
    assert machine.net.json([*enter, *limited, BERTH, "detach", "--json"])["cgroup"] == "/sys/fs/cgroup"
    assert machine.hooks() == {}
    cell.stdin.close()
    cell.wait(60)


# ---- berth run ----


def test_auto(machine):
    """Without a daemon it supervises; under one the program runs as it is, for any user; and in another cgroup it does not."""
    machine.net.sink()
    auto = [BERTH, "run", "-v", "--", "true"]
    supervised = "berth run: auto: supervise\n"
    as_it_is = "berth run: auto: the kernel steers this program already (berth daemon): it runs as it is\n"
    assert machine.run([*machine.steered, *auto]).stderr.startswith(supervised)
    daemon, _ = machine.start()
    nobody = ["setpriv", "--reuid=65534", "--clear-groups"]
    assert machine.run([*machine.steered, *auto]).stderr == as_it_is
    assert machine.run([*machine.steered, *nobody, *auto]).stderr == as_it_is
    assert machine.run(auto).stderr.startswith(supervised)
    assert machine.run([*machine.steered, BERTH, "run", "-v", "--policy=sp1", "true"]).stderr.startswith(supervised)
    done = machine.run([*machine.steered, BERTH, "run", "no-such-program"])
    assert done.returncode == 127 and done.stderr == "berth run: no-such-program: no such program\n"
    machine.end(daemon)
    machine.detach()
    assert machine.run([*machine.steered, *auto]).stderr.startswith(supervised)


# ---- berth status ----


def test_status(machine):
    """What is in force and how often it was used, with the daemon running and without."""
    pin = f"--pin={BPF_FS}/berth"
    status = lambda *prefix: machine.json([*prefix, BERTH, "status", "--json"])["kernel_mode"]
    assert status() == {"attached": False}
    daemon = machine.popen([BERTH, "daemon", machine.options[0], pin], stderr=subprocess.PIPE)
    assert "attached" in daemon.stderr.readline()
    seen = status()
    assert seen["attached"] and seen["cgroup"] == str(machine.cgroup) and seen["hooks"] >= len(machine.hooks())
    assert not any(sum_ways(seen["ways"]).values())
    daemon.kill()
    daemon.wait()
    result = finish(machine.load(tool("steered")))
    assert sum_ways(status()["ways"])["fresh"] == result["failed"] + 1  # nobody listens; and the one before
    assert all(of["fresh"] == 0 for program, of in status()["ways"].items() if program != "connect4")
    text = machine.run([BERTH, "status"]).stdout
    assert f" steers {machine.cgroup}\n" in text and re.search(rf" answered: fresh {result['failed'] + 1}\b", text)
    assert status("setpriv", "--reuid=65534", "--clear-groups") == {"attached": None}
    assert machine.json([NEXT_LAYOUT, "status", "--json"])["kernel_mode"]["ways"] is None
    machine.run([BERTH, "detach", pin])
    assert status() == {"attached": False}
