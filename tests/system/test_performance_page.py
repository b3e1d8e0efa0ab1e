# SPDX-License-Identifier: MIT
"""bench/page.py: what it says is held follows from the numbers, what was not measured is said, and the page that is kept is that of
the results that are kept.
"""

import json
import subprocess
import xml.etree.ElementTree

import pytest
from conftest import ROOT

KEPT = ROOT / "docs/performance"


def row(name, side, median, unit, fill=None, count=None, note=None):
    return {"name": name, "side": side, "fill": fill, "count": count, "of": "things" if count else None, "median": median,
            "min": median, "max": None if median is None else median * 1.5, "unit": unit, "note": note}


def results(*rows, bench="core"):
    return {"bench": bench, "date": "2026-01-02", "effort": "full", "kernel": "6.99", "rows": list(rows),
            "machine": {"cpu": "a <processor>", "cpus": 3, "memory_mib": 2048}}


def make(folder, *measured):
    """Gives the finished process and the page."""
    for found in measured:
        (folder / f"{found['bench']}.json").write_text(json.dumps(found))
    page = folder / "out.md"
    done = subprocess.run([str(ROOT / "bench/page.py"), str(folder), str(page)], capture_output=True, text=True, timeout=60)
    return done, page.read_text() if page.exists() else ""


def line(page, words):
    found = [text for text in page.splitlines() if words in text]
    assert len(found) == 1, (words, found)
    return found[0]


def test_judged_by_the_numbers(tmp_path):
    """Held, not held, not measured; the machine and the kernel; a chart with a point for each fill."""
    picks = [row("pick, fresh", "libberth", 9 + fill / 10, "ns", fill=fill) for fill in (0, 50, 60, 75, 90, 99, 99.9)]
    picks += [row("pick, fresh", "other", None, "ns", fill=0, note="not to be had")]
    done, page = make(tmp_path, results(*picks, row("TIME_WAIT: enter", "libberth", 100, "ns", count=10_000_000),
                                        row("TIME_WAIT: leave", "libberth", 100.5, "ns", count=10_000_000)))
    assert done.returncode == 0, done.stderr
    assert line(page, "0 % to 99.9 % full").endswith("| 9.0 to 19.0 ns, x 2.11 | **no** |")
    assert line(page, "in TIME_WAIT: enter").endswith("| 100 ns | yes |")
    assert line(page, "the same: leave |").endswith("| **no** |")
    assert line(page, "memory of the maps").endswith("| not measured | - |")
    assert "In kernel mode, `connect()` on an empty range: (not measured)" in page
    assert "| 6.99 | a <processor> | 3 | 2 GiB | full |" in page and "other, 0 %: not to be had." in page
    assert "| 50 % | 14 ns <sub>14 ns to 21 ns</sub> |  |" in page
    chart = xml.etree.ElementTree.parse(tmp_path / "out/pick.svg").getroot()
    assert len(chart.findall("{http://www.w3.org/2000/svg}circle")) == 7
    assert "Not all of this is from a full run" not in page
    assert "(out/pick.svg)" in page and not (tmp_path / "out/connect.svg").exists()


BROKEN = {
    "no JSON": "{",
    'no "rows"': json.dumps({"bench": "x"} | {key: 0 for key in ("date", "effort", "machine", "kernel")}),
    "no unit": json.dumps(results({key: value for key, value in row("a", "b", 1, "ns").items() if key != "unit"})),
    "does not say why": json.dumps(results(row("a", "b", None, "ns"))),
    "not between": json.dumps(results(row("a", "b", 1, "ns") | {"min": 2})),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken(tmp_path, what):
    """Results that cannot be are refused, in one line that names the file."""
    (tmp_path / "x.json").write_text(BROKEN[what])
    done, page = make(tmp_path)
    assert (done.returncode, page, done.stderr.count("\n")) == (1, "", 1)
    assert what in done.stderr and str(tmp_path / "x.json") in done.stderr


def test_kept_page(tmp_path):
    """The page and the charts in docs/ are those of the results beside them."""
    done = subprocess.run([str(ROOT / "bench/page.py"), str(KEPT), str(tmp_path / "performance.md")], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "performance.md").read_text() == KEPT.with_suffix(".md").read_text()
    kept = {path.name: path.read_text() for path in KEPT.iterdir()}
    assert kept and kept == {path.name: path.read_text() for path in (tmp_path / "performance").iterdir()}
