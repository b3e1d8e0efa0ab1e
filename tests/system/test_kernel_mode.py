# SPDX-License-Identifier: MIT
"""berth run --mode=kernel: the program that it runs, and what is left afterwards. Which ports are given is for
test_kernel_ports.py. Needs root; nothing here is skipped without it."""

import json
import os
import signal
import subprocess

from conftest import KERNEL, own_cgroup, tool, wait_for, wait_until_empty

PYTHON = "/usr/bin/python3"


def hooks(cgroup):
    """How many programs the kernel has at the cgroup."""
    shown = subprocess.run(["/usr/sbin/bpftool", "-j", "cgroup", "show", cgroup], capture_output=True, check=True).stdout
    return len(json.loads(shown.strip() or "[]"))


def test_status_signal_and_children(net):
    assert net.run([*KERNEL, "sh", "-c", "exit 3"]).returncode == 3
    assert net.run([*KERNEL, "sh", "-c", "kill -TERM $$"]).returncode == -signal.SIGTERM
    # the keeper is no child of the program's: there is nobody to wait for
    script = "import os\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print('alone')"
    assert net.output([*KERNEL, PYTHON, "-c", script]) == "alone\n"


def test_closed_standard_streams(net):
    """The program finds no file of Berth's there."""
    script = f"{' '.join(KERNEL)} /bin/ls /proc/self/fd 0<&- 2>&- | cat"
    # ls opens the folder itself with the lowest free number
    assert net.output(["sh", "-c", script]).split() == ["0", "1"]


def test_few_descriptors_allowed(net):
    """By the soft limit, which the keeper lifts for itself."""
    net.sink()
    script = f"ulimit -Sn 16; {' '.join(KERNEL)} {tool('capacity')} --bind=no --count=20"
    assert '"connected": 20' in net.output(["sh", "-c", script])


def test_first_process_of_a_container(net, cgroups):
    """With which its keeper dies: the kernel takes the hooks off, the cgroup stays, and the next one starts all the same."""
    container = ["unshare", "--pid", "--fork", *KERNEL, "sh", "-c", "echo $$"]
    done = [net.run(container) for _ in range(2)]
    for cgroup in cgroups():
        cgroup.rmdir()
    assert [(each.returncode, each.stdout) for each in done] == [(0, "1\n")] * 2, done


def test_children_are_steered_to_the_last(net):
    """The program has ended, and what it left behind still gets its ports: stock Linux has one range of them."""
    net.sysctl("ipv4.ip_local_port_range", "40000 40199")
    net.sink()
    child = f"sleep 0.5; {tool('capacity')} --count=400"
    assert net.json([*KERNEL, "sh", "-c", f"({child}) & exit 0"])["connected"] > 250


def test_keeper_killed(net, cgroups):
    """The hooks go with it, the program runs on; only the cgroup stays, as nobody is left to remove it."""
    process = net.popen([*KERNEL, "sh", "-c", "echo started; exec sleep 60"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "started\n"
    (cgroup,) = cgroups()
    assert hooks(cgroup) > 0
    keeper = wait_for(lambda: [p for p, n in net.berth_processes().items() if n == "berth-keeper"], "the keeper")
    os.kill(keeper[0], signal.SIGKILL)
    wait_for(lambda: hooks(cgroup) == 0, "the hooks to go")
    assert process.poll() is None
    process.kill()
    process.wait()
    wait_until_empty(cgroup)
    cgroup.rmdir()


def test_errors(net):
    done = net.run([*KERNEL, "no-such-program"])
    assert done.returncode == 127 and done.stderr == "berth run: no-such-program: no such program\n"
    done = net.run(["setpriv", "--reuid=65534", "--clear-groups", *KERNEL, "true"])
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "be root" in done.stderr, done.stderr
    done = net.run(["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin", *KERNEL, "true"])
    assert done.returncode == 1 and "not permitted: be root" in done.stderr, done.stderr
    mount = str(own_cgroup()).split("/berth-tests")[0]
    done = net.run(["unshare", "-m", "sh", "-c", f"umount -l {mount}; exec {' '.join(KERNEL)} true"])
    assert done.returncode == 1 and "no cgroup v2" in done.stderr, done.stderr
