#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes docs/performance.md of what the programs of bench/ have measured; its charts, and the results that it is made of, go to
docs/performance/.

usage: bench/page.py RESULTS PAGE       RESULTS: a folder of NAME.json (bench/report.h says what is in them); also the kept one

Every number on the page is from these files; so is whether a target is held. Sentences with numbers are in
page_text.py, each with the rows that it takes them from.
"""
import json
import math
import pathlib
import re
import sys

import chart
import page_text

FIELDS = {"name", "side", "fill", "count", "of", "median", "min", "max", "unit", "note"}


def wrong(path, what):
    sys.exit(f"bench/page.py: {path}: {what}; make it anew with 'make bench'")


def check_row(path, row):
    missing = FIELDS - row.keys()
    if missing:
        wrong(path, f"a row has no {', '.join(sorted(missing))}: {row}")
    numbers = [row["median"], row["min"], row["max"]]
    if None in numbers:
        if not row["note"]:
            wrong(path, f"a row without a number does not say why: {row}")
    elif not row["min"] <= row["median"] <= row["max"]:
        wrong(path, f"a median that is not between the least and the greatest: {row}")


def load(folder):
    """What each program has measured, by its name."""
    results = {}
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        try:
            measured = json.loads(path.read_text())
        except ValueError as error:
            wrong(path, f"it is no JSON: {error}")
        for key in ("bench", "date", "effort", "machine", "kernel", "rows"):
            if not isinstance(measured, dict) or key not in measured:
                wrong(path, f'it has no "{key}"')
        for row in measured["rows"]:
            check_row(path, row)
        results[measured["bench"]] = measured
    if not results:
        sys.exit(f"bench/page.py: {folder}: no results there; 'make bench' makes them")
    return results


def keep(results, folder):
    """The results, a line for each row."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for bench, measured in results.items():
        rows = ",\n".join(json.dumps(row) for row in measured["rows"])
        rest = json.dumps({key: value for key, value in measured.items() if key != "rows"}, indent=1)
        (folder / f"{bench}.json").write_text(f'{rest[:-2]},\n "rows": [\n{rows}\n ]\n}}\n')


def find(results, bench, name, side, fill=None, count=None):
    """The one row, or None if it was not measured."""
    for row in results.get(bench, {"rows": []})["rows"]:
        if (row["name"], row["side"], row["fill"], row["count"]) == (name, side, fill, count):
            return row if row["median"] is not None else None
    return None


# ---- tables ----


def place_of(row):
    """The line of a table that a row is in."""
    return row["fill"], row["count"]


def label_of(row):
    if row["fill"] is not None:
        return f"{row['fill']:g} %"
    return "" if row["count"] is None else f"{row['count']:,.0f} {row['of'] or ''}".strip()


def cell(row):
    if row is None:
        return ""
    if row["median"] is None:
        return "-"
    middle, least, most = (chart.pretty(row[key], row["unit"]) for key in ("median", "min", "max"))
    return middle if least == most else f"{middle} <sub>{least} to {most}</sub>"


def ordered(items):
    """Each once, in the order of its first coming."""
    return list(dict.fromkeys(items))


def places(rows):
    """The places of a table or chart in order, with their labels. Where no port is left comes last."""
    known = {place_of(row): label_of(row) for row in rows}
    return dict(sorted(known.items(), key=lambda item: [math.inf if value is None else value for value in item[0]]))


def short_label(fill, count):
    if fill is not None:
        return f"{fill:g}"
    return "none left" if count is None else f"{count:,.0f}"


def table(rows):
    """Sides are columns, unless there are many of them."""
    lines, columns = places(rows), {side: side for side in ordered(row["side"] for row in rows)}
    cells = {(place_of(row), row["side"]): cell(row) for row in rows}
    if len(columns) > 5:
        lines, columns = columns, lines
        cells = {(side, place): text for (place, side), text in cells.items()}
    yield "| | " + " | ".join(columns.values()) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for line, label in lines.items():
        yield f"| {label} | " + " | ".join(cells.get((line, column), "") for column in columns) + " |"
    for row in rows:
        if row["note"]:
            yield f"\n{row['side']}{', ' if label_of(row) else ''}{label_of(row)}: {row['note']}."


def tables(measured):
    for name in ordered(row["name"] for row in measured["rows"]):
        yield f"\n#### {name[0].upper() + name[1:]}\n"
        yield from table([row for row in measured["rows"] if row["name"] == name])


# ---- charts ----


def rows_for(results, whiches):
    return [row for bench, name, side in whiches for row in results.get(bench, {"rows": []})["rows"]
            if (row["name"], row["side"]) == (name, side) and row["median"] is not None and row["min"] > 0]


def chart_of(results, picture):
    """The chart, or None if less than two of its places were measured."""
    found = [(label, rows_for(results, whiches), dashed) for label, whiches, dashed in picture["lines"]]
    found = [(label, rows, dashed) for label, rows, dashed in found if rows]
    every = [row for _, rows, _ in found for row in rows]
    steps = places(every)
    if len(steps) < 2:
        return None
    numbers = {place: i for i, place in enumerate(steps)}
    lines = [(label, {numbers[place_of(row)]: row for row in rows}, dashed) for label, rows, dashed in found]
    return "\n".join(chart.draw(picture["title"], picture["subtitle"], [short_label(*place) for place in steps],
                                picture["across"], every[0]["unit"], lines)) + "\n"


# ---- the page ----


def targets(results):
    yield "| what | held to | measured | held |"
    yield "|---|---|---|---|"
    for what, bound, judge in page_text.TARGETS:
        values = judge(lambda *which, **where: find(results, *which, **where))
        if values is None:
            yield f"| {what} | {bound} | not measured | - |"
        else:
            text, held = values
            yield f"| {what} | {bound} | {text} | {'yes' if held else '**no**'} |"


def sentences(results, section):
    for text, numbers in section:
        values = numbers(lambda *which, **where: find(results, *which, **where))
        if values is None:
            yield f"- {re.sub('{[^}]*}', '(not measured)', text)}"
        else:
            yield f"- {text.format(*values)}"


def machines(results):
    yield "| measured by | on | Linux | processor | cores | memory | how long |"
    yield "|---|---|---|---|---|---|---|"
    for bench, measured in results.items():
        machine = measured["machine"]
        yield (f"| `bench/{bench}` | {measured['date']} | {measured['kernel']} | {machine['cpu']} | {machine['cpus']} "
               f"| {machine['memory_mib'] / 1024:.0f} GiB | {measured['effort']} |")


def write_page(results, page):
    folder = page.with_suffix("")
    yield page_text.BEGINNING
    yield "## Where\n"
    yield from machines(results)
    if any(measured["effort"] != "full" for measured in results.values()):
        yield page_text.NOT_FULL
    yield page_text.HOW
    yield "## What was to be held\n"
    yield from targets(results)
    yield page_text.SLOWER
    yield from sentences(results, page_text.COSTS)
    yield page_text.WHEN_NOT
    yield from sentences(results, page_text.NOT_FOR)
    yield "\n## Charts\n"
    for name, picture in page_text.CHARTS.items():
        path = folder / f"{name}.svg"
        drawn = chart_of(results, picture)
        if drawn is None:
            path.unlink(missing_ok=True)
            continue
        path.write_text(drawn)
        yield f"![{picture['title']}]({folder.name}/{path.name})\n"
    yield "## All of it"
    for bench, measured in results.items():
        yield f"\n### {page_text.TITLES.get(bench, bench)}\n\n`bench/{bench}`\n\n<details><summary>the tables</summary>"
        yield from tables(measured)
        yield "\n</details>"


def main():
    if len(sys.argv) != 3 or not sys.argv[2].endswith(".md"):
        print("usage: bench/page.py RESULTS PAGE.md", file=sys.stderr)
        return 2
    results, page = load(sys.argv[1]), pathlib.Path(sys.argv[2])
    keep(results, page.with_suffix(""))
    page.write_text("\n".join(write_page(results, page)) + "\n")
    return 0


sys.exit(main())
