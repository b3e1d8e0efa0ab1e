# SPDX-License-Identifier: MIT
"""What all commands have in common: the command line, and output that cannot be written."""

import re

import pytest
from conftest import BERTH

PRINT = {
    "config": ["--json", "/dev/null"],
    "explain": ["--interval=0", "127.0.0.1:1"],
    "map": ["--json"],
    "sim": ["--list"],
    "status": ["--json"],
}


def commands(net):
    return re.findall(r"^  berth (\w+) ", net.output([BERTH, "--help"]), re.M)


def test_help(net):
    for command in commands(net):
        for option in "--help", "-h":
            assert net.output([BERTH, command, option]).startswith(f"Usage: berth {command} ")


def test_wrong_option(net):
    for command in commands(net):
        done = net.run([BERTH, command, "--nonsense"])
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"berth {command}: no option '--nonsense'; 'berth {command} --help' lists them\n"


@pytest.mark.parametrize("command, option", [("run", "--config"), ("explain", "--from"), ("sim", "--rate"), ("top", "-i")])
def test_missing_value(net, command, option):
    done = net.run([BERTH, command, option])
    assert done.returncode == 2
    assert done.stderr == f"berth {command}: {option} needs a value; 'berth {command} --help' lists the options\n"


@pytest.mark.parametrize("command", PRINT)
def test_output_that_cannot_be_written(net, command):
    arguments = [BERTH, command, *PRINT[command]]
    assert net.run(arguments).returncode == 0
    done = net.run(["sh", "-c", 'exec "$@" >/dev/full', "sh", *arguments])
    assert (done.returncode, done.stderr) == (1, f"berth {command}: standard output cannot be written\n")
