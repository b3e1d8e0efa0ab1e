# SPDX-License-Identifier: MIT
"""berth doctor: what it says where something is there, is hidden, or is set badly."""

import json
import re
import signal
import subprocess

import pytest
from conftest import BERTH, BPF_FS, SINK_PORT, tool, with_mounts

DOCTOR = [str(BERTH), "doctor"]
NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]


def examine(net, *options, prefix=()):
    """(exit status, verdicts by name, the whole report)"""
    done = net.run([*prefix, *DOCTOR, "--json", *options])
    assert not done.stderr, done.stderr
    report = json.loads(done.stdout)
    return done.returncode, {check["name"]: check["verdict"] for check in report["checks"]}, report


def setting(net, name):
    """(verdict, text) of one setting, and how many traps there are"""
    _, _, report = examine(net, "--mode=supervise")
    check = next(check for check in report["checks"] if check["name"] == name)
    assert check["group"] == "settings"
    assert report["traps"] == sum(check["verdict"] == "trap" for check in report["checks"])
    return check["verdict"], check["text"]


def test_all_is_well(net):
    """As root on a kernel that has everything: nothing is missing, no setting of a new namespace is a trap."""
    status, verdicts, report = examine(net)
    assert status == 0 and report["modes"] == {"supervise": True, "kernel": True} and report["traps"] == 0, report
    assert verdicts["cgroup/connect4"] == verdicts["tp_btf/inet_sock_set_state"] == verdicts["TCP_BOUND_INACTIVE"] == "yes"
    assert set(verdicts.values()) <= {"yes", "less", "ok"}
    assert verdicts["foreign programs"] == "yes"


def test_one_mode(net):
    _, verdicts, report = examine(net, "--mode=supervise")
    assert "seccomp notification" in verdicts and "BTF" not in verdicts and report["modes"] == {"supervise": True}
    text = net.output([*DOCTOR, "--mode=supervise"])
    assert text.endswith("\nsupervise mode: yes. traps: 0.\n")
    for check in report["checks"]:
        assert f"  {check['verdict']:4}  {check['name']:28}  {check['text']}\n" in text
    _, verdicts, report = examine(net, "--mode=kernel")
    assert "seccomp notification" not in verdicts and "BTF" in verdicts and report["modes"] == {"kernel": True}


def test_a_user(net):
    """Supervise mode is for everybody, kernel mode is not; the status says so to scripts."""
    status, verdicts, report = examine(net, prefix=NOBODY)
    assert status == 1 and report["modes"] == {"supervise": True, "kernel": False}
    assert verdicts["CAP_BPF"] == verdicts["CAP_NET_ADMIN"] == verdicts["CAP_PERFMON"] == "no"
    assert verdicts["SOCK_DESTROY"] == verdicts["foreign programs"] == "less"
    assert examine(net, "--mode=supervise", prefix=NOBODY)[0] == 0
    assert examine(net, "--mode=kernel", prefix=NOBODY)[0] == 1


@pytest.mark.parametrize(
    "hide, name",
    [
        ("mount -t tmpfs none /sys/kernel/btf", "BTF"),
        ("umount -l -a -t cgroup2", "cgroup v2"),
        (f"mount -t tmpfs none {BPF_FS}", "bpf filesystem"),
    ],
)
def test_hidden(net, hide, name):
    status, verdicts, report = examine(net, "--mode=kernel", prefix=with_mounts(hide))
    if name == "bpf filesystem":  # the daemon can mount it
        assert verdicts[name] == "less" and status == 0
    else:
        assert verdicts[name] == "no" and status == 1 and report["modes"] == {"kernel": False}


@pytest.mark.parametrize(
    "what, errno, name, verdict",
    [
        ("port-range", "ENOPROTOOPT", "IP_LOCAL_PORT_RANGE", "less"),
        ("wait-killable", "EINVAL", "WAIT_KILLABLE_RECV", "less"),
        ("listener", "EINVAL", "seccomp notification", "no"),
        ("pidfd-getfd", "EPERM", "pidfd_getfd", "no"),
        ("sock-diag", "EPROTONOSUPPORT", "sock_diag", "less"),
    ],
)
def test_a_poorer_kernel(net, what, errno, name, verdict):
    status, verdicts, report = examine(net, "--mode=supervise", prefix=[tool("deny"), what, errno])
    assert verdicts[name] == verdict, report
    assert status == (verdict == "no") and report["modes"]["supervise"] == (verdict != "no")


AFTER = "somebody runs after Berth's: where it rewrites the destination, the port was chosen for another one"


def checked(machine, *where):
    """(name, verdict, text) of each check of kernel mode, but for the numbers of programs."""
    report = json.loads(machine.run([*where, *DOCTOR, "--mode=kernel", "--json"]).stdout)
    return [(check["name"], check["verdict"], re.sub(r" \(id \d+\)", "", check["text"])) for check in report["checks"]]


def foreign(checks):
    return [check for check in checks if check[0].startswith("foreign ")]


def test_in_force(machine):
    """A daemon's hooks, seen from inside and from outside of its cgroup; and programs of others, alone, before and behind them."""
    pin = f"--pin={BPF_FS}/berth"

    def attach(hook):
        process = machine.popen([tool("foreign_hook"), machine.cgroup, hook], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "attached\n"
        return process

    others = [attach("connect4")]
    ((name, verdict, text),) = foreign(checked(machine, *machine.steered))
    assert (name, verdict) == ("foreign cgroup/connect4", "less") and text.startswith("somebody may run after Berth's: where")
    daemon = machine.popen([BERTH, "daemon", machine.options[0], pin], stderr=subprocess.PIPE)
    assert "attached" in daemon.stderr.readline()
    others += [attach("connect4"), attach("connect6"), attach("bind4")]
    for where, steered in ((machine.steered, "is steered"), ([], "is not steered")):
        checks = checked(machine, *where)
        in_force = next(text for name, _, text in checks if name == "in force")
        assert in_force.endswith(f"hooks to {machine.cgroup}; this program {steered}"), in_force
        assert foreign(checks) == [
            ("foreign cgroup/connect4", "yes", "somebody runs before Berth's, which sees the destination that it leaves"),
            ("foreign cgroup/connect4", "less", AFTER),
            ("foreign cgroup/connect6", "less", AFTER),
            ("foreign cgroup/bind4", "yes", "somebody is at bind(): a port that it names stands"),
        ]
    machine.end(daemon)
    machine.run([BERTH, "detach", pin])
    for other in others:
        other.communicate(timeout=60)


def test_a_recorder_is_nobody(net, tmp_path):
    """berth record is at the hooks of the whole machine, and changes nothing there."""
    recorder = net.popen([BERTH, "record", tmp_path / "a.rec"], stderr=subprocess.PIPE)
    assert any("recording into" in line for line in recorder.stderr)
    _, verdicts, report = examine(net, "--mode=kernel")
    assert verdicts["foreign programs"] == "yes" and not [name for name in verdicts if name.startswith("foreign cgroup")], report
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=20)
    assert recorder.returncode == 0


# ---- settings ----


@pytest.mark.parametrize(
    "sysctl, value, name, word",
    [
        ("ip_autobind_reuse", "1", "ip_autobind_reuse", "EADDRNOTAVAIL"),
        ("tcp_timestamps", "0", "tcp_timestamps", "off"),
        ("ip_local_port_range", "40000 40099", "ip_local_port_range", "100 ports"),
        ("ip_local_reserved_ports", "32768-55000", "ip_local_reserved_ports", "22233"),
        ("ip_local_port_range", f"{SINK_PORT} 60999", "servers in the range", f": {SINK_PORT} {SINK_PORT + 1}."),
    ],
)
def test_trap(net, sysctl, value, name, word):
    net.sink(2)
    assert setting(net, name)[0] == "ok"
    net.sysctl(f"ipv4.{sysctl}", value)
    verdict, text = setting(net, name)
    assert verdict == "trap" and word in text, text


def test_reserved_servers_are_no_trap(net):
    net.sink(9)
    net.sysctl("ipv4.ip_local_port_range", f"{SINK_PORT} 60999")
    verdict, text = setting(net, "servers in the range")
    assert verdict == "trap" and "and 4 more" in text, text
    net.sysctl("ipv4.ip_local_reserved_ports", f"{SINK_PORT}-{SINK_PORT + 8}")
    assert setting(net, "servers in the range")[0] == "ok"


def test_time_wait_buckets(net):
    """The limit is reached, and the kernel has refused a TIME_WAIT."""
    net.sink(1)
    net.output([tool("capacity"), "--bind=no", "--destinations=1", "--count=3"])
    assert len(net.time_wait_ports()) == 3  # which the far end may have had still to close
    verdict, text = setting(net, "tcp_max_tw_buckets")
    assert verdict == "ok" and text.startswith("3 of "), text
    net.sysctl("ipv4.tcp_max_tw_buckets", "3")
    assert setting(net, "tcp_max_tw_buckets")[0] == "trap"
    net.output([tool("capacity"), "--bind=no", "--destinations=1", "--count=2"])
    assert len(net.time_wait_ports()) == 3
    verdict, text = setting(net, "tcp_max_tw_buckets")
    assert verdict == "trap" and "3 of 3 in TIME_WAIT, 2 refused" in text, text


def test_tw_reuse_is_explained(net):
    said = set()
    for value in "012":
        net.sysctl("ipv4.tcp_tw_reuse", value)
        verdict, text = setting(net, "tcp_tw_reuse")
        assert verdict == "ok" and text.startswith(f"{value}: ")
        said.add(text)
    assert len(said) == 3


def test_command_line(net):
    for words in (["--mode=auto"], ["--mode"], ["--no"], ["word"]):
        done = net.run([*DOCTOR, *words])
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, done
