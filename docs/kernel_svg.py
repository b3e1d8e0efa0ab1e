#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draws docs/kernel.svg: what connect() costs by how full a destination's ports are, from what bench/kernel measured.

usage: build/bench/kernel --json | docs/kernel_svg.py > docs/kernel.svg
"""
import json
import math
import sys

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 74, 150, 62, 316  # of the plot
LEAST, MOST = 1, 10000  # microseconds

STYLE = """
  .sheet { fill: #ffffff; stroke: #d0d7de } .grid { stroke: #d8dee4 }
  text { fill: #1f2328; font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
  .title { font-weight: 600; font-size: 15px } .dim { fill: #656d76 }
  .line { fill: none; stroke-width: 2 } .stock { stroke: #cf222e } .kernel { stroke: #1a7f37 }
  circle.stock { fill: #cf222e } circle.kernel { fill: #1a7f37 }
  text.stock { fill: #cf222e; stroke: none } text.kernel { fill: #1a7f37; stroke: none }
  .bound { stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) {
    .sheet { fill: #0d1117; stroke: #30363d } .grid { stroke: #30363d }
    text { fill: #e6edf3 } .dim { fill: #8d96a0 }
    .stock { stroke: #ff7b72 } .kernel { stroke: #3fb950 }
    circle.stock { fill: #ff7b72 } circle.kernel { fill: #3fb950 }
    text.stock { fill: #ff7b72 } text.kernel { fill: #3fb950 }
  }
"""


def height_of(microseconds):
    share = math.log(microseconds / LEAST) / math.log(MOST / LEAST)
    return BOTTOM - share * (BOTTOM - TOP)


def medians(rows, side):
    """[label, microseconds] of each fill, and of calls that must fail."""
    return [("100, fails" if row["fails"] else f"{row['filled_percent']:g}", row[f"{side}_us"])
            for row in rows]


def grid(labels, columns):
    for power in range(round(math.log10(MOST)) + 1):
        microseconds = LEAST * 10 ** power
        y = height_of(microseconds)
        name = f"{microseconds} µs" if microseconds < 1000 else f"{microseconds // 1000} ms"
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="dim" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
    for x, label in zip(columns, labels):
        yield f'<text class="dim" x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{label}</text>'


def line(points, columns, side, way, name):
    """A bar shows the least and the greatest of the rounds."""
    spots = [(x, height_of(value["median"])) for x, (_, value) in zip(columns, points)]
    yield (f'<path class="line {side} {way}" d="M'
           + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots) + '"/>')
    for (x, y), (_, value) in zip(spots, points):
        yield (f'<path class="line {side}" d="M{x:.1f} {height_of(value["least"]):.1f}'
               f'V{height_of(value["greatest"]):.1f}"/>')
        yield f'<circle class="{side}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    yield f'<text class="{side}" x="{spots[-1][0] + 12:.1f}" y="{spots[-1][1] + 4:.1f}">{name}</text>'


def draw(measured):
    labels = [label for label, _ in medians(measured["connect"], "stock")]
    step = (WIDTH - RIGHT - LEFT - 40) / (len(labels) - 1)
    columns = [LEFT + 20 + step * i for i in range(len(labels))]
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" role="img">')
    yield "<title>What connect() costs by how full the port range is</title>"
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="sheet" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>'
    yield f'<text class="title" x="{LEFT}" y="26">connect(): p50, by how full the port range is</text>'
    yield (f'<text class="dim" x="{LEFT}" y="45">one destination, 28,232 ports, loopback; '
           f'dashed: with bind(addr, 0) first</text>')
    yield from grid(labels, columns)
    yield (f'<text class="dim" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{BOTTOM + 44}" '
           f'text-anchor="middle">% of the ports taken (steps not to scale)</text>')
    for side, name in (("stock", "stock Linux"), ("kernel", "kernel mode")):
        yield from line(medians(measured["bind_and_connect"], side), columns, side, "bound", "+ bind")
        yield from line(medians(measured["connect"], side), columns, side, "", name)
    yield "</svg>"


def main():
    print("\n".join(draw(json.load(sys.stdin))))


main()
