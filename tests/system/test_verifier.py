# SPDX-License-Identifier: MIT
"""The kernel's verifier takes the eBPF programs from the distribution's clang and from a newer one, each of which arranges them in
its own way.

BERTH_CLANGS names other compilers.
"""

import os
import platform
import subprocess

import pytest
from conftest import ROOT, need, tool

RELEASE = platform.freedesktop_os_release()
# Debian 12 comes with clang 14, and has 19. Ubuntu 24.04 comes with 18.
NEWER = ["clang-19"] if (RELEASE["ID"], RELEASE.get("VERSION_ID")) == ("debian", "12") else []
CLANGS = os.environ.get("BERTH_CLANGS", " ".join(["clang", *NEWER])).split()
ROOM = 1000000  # of the verifier: BPF_COMPLEXITY_LIMIT_INSNS (include/linux/bpf.h)


@pytest.mark.parametrize("clang", CLANGS)
def test_verifies(net, tmp_path, clang):
    """Every program of both objects, with as much room left for the next line of code."""
    objects = [tmp_path / f"bpf/{name}.o" for name in ("berth", "trace")]
    made = subprocess.run(["make", f"BUILD={tmp_path}", f"BPF_CLANG={need(clang)}", *objects], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    for one in objects:
        programs = net.json([tool("verify"), one])
        print(clang, one.name, programs)
        assert len(programs) >= 8 and all(0 < of["verified"] < ROOM / 2 for of in programs.values()), programs
