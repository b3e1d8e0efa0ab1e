# SPDX-License-Identifier: MIT
"""Charts as SVG, for light and dark pages: lines over steps, one logarithmic axis, a bar from the least to the greatest."""
import math
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 78, 190, 62, 336  # of the plot
ROW = 17  # the least between two names

COLOURS = [  # light, dark
    ("#cf222e", "#ff7b72"), ("#1a7f37", "#3fb950"), ("#0969da", "#58a6ff"), ("#9a6700", "#d29922"),
    ("#8250df", "#bc8cff"), ("#bf3989", "#f778ba"), ("#57606a", "#8d96a0"), ("#1b7c83", "#39c5cf"),
]

STYLE = """
  .sheet { fill: #ffffff; stroke: #d0d7de } .grid { stroke: #d8dee4 }
  text { fill: #1f2328; font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
  .title { font-weight: 600; font-size: 15px } .dim { fill: #656d76 }
  .line { fill: none; stroke-width: 2 } .dashed { stroke-dasharray: 5 4 }
%s
  @media (prefers-color-scheme: dark) {
    .sheet { fill: #0d1117; stroke: #30363d } .grid { stroke: #30363d }
    text { fill: #e6edf3 } .dim { fill: #8d96a0 }
%s
  }
"""


def paints(shade):
    return "\n".join(f"  path.c{i} {{ stroke: {colour[shade]} }} circle.c{i}, text.c{i} {{ fill: {colour[shade]} }}"
                     for i, colour in enumerate(COLOURS))


UNITS = {  # how large numbers are written: from this value on, divided by it
    "ns": [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")],
    "us": [(1e6, "s"), (1e3, "ms"), (1, "µs")],
    "1/s": [(1, "/s")],
    "bytes": [(2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes")],
}


def pretty(value, unit):
    """A value of three digits and its unit, as people write them."""
    for size, name in UNITS.get(unit, [(1, unit)]):
        if abs(value) >= size or size == 1:
            value /= size
            digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
            text = f"{value:,.{min(digits, 3)}f}"
            if "." in text:
                text = text.rstrip("0").rstrip(".")
            return f"x {text}" if unit == "x" else f"{text} {name}"
    return ""


def spread(wanted):
    """The heights of names, ascending, moved apart just so far that none covers another."""
    placed = []
    for height in wanted:
        placed.append(max(height, placed[-1] + ROW) if placed else height)
    over = placed[-1] - BOTTOM if placed else 0
    for i in range(len(placed) - 1, -1, -1):
        if over > 0:
            placed[i] = min(placed[i], BOTTOM - ROW * (len(placed) - 1 - i))
    return placed


class Axis:
    """The vertical one, of powers of ten."""

    def __init__(self, values, unit):
        self.unit = unit
        self.least = math.floor(math.log10(min(values)))
        self.most = max(self.least + 1, math.ceil(math.log10(max(values))))

    def __call__(self, value):
        share = (math.log10(value) - self.least) / (self.most - self.least)
        return BOTTOM - share * (BOTTOM - TOP)

    def grid(self):
        for power in range(self.least, self.most + 1):
            y = self(10**power)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield (f'<text class="dim" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                   f"{escape(pretty(10**power, self.unit) if self.unit in UNITS else f'{10**power:,}')}</text>")


def line(axis, spots, paint, dashed):
    """spots: (x, row), in order."""
    way = "L".join(f"{x:.1f} {axis(row['median']):.1f}" for x, row in spots)
    yield f'<path class="line c{paint}{" dashed" if dashed else ""}" d="M{way}"/>'
    for x, row in spots:
        yield f'<path class="line c{paint}" d="M{x:.1f} {axis(row["min"]):.1f}V{axis(row["max"]):.1f}"/>'
        yield f'<circle class="c{paint}" cx="{x:.1f}" cy="{axis(row["median"]):.1f}" r="3"/>'


def draw(title, subtitle, steps, step_title, unit, lines):
    """The document. steps: the names of the places on the horizontal axis. lines: (name, {place: row}, dashed)."""
    axis = Axis([row[key] for _, rows, _ in lines for row in rows.values() for key in ("min", "max")], unit)
    width = (WIDTH - RIGHT - LEFT - 40) / max(1, len(steps) - 1)
    column = [LEFT + 20 + width * i for i in range(len(steps))]
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" role="img">')
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{STYLE % (paints(0), paints(1))}</style>"
    yield f'<rect class="sheet" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>'
    yield f'<text class="title" x="20" y="26">{escape(title)}</text>'
    yield f'<text class="dim" x="20" y="45">{escape(subtitle)}</text>'
    yield from axis.grid()
    for x, label in zip(column, steps):
        yield f'<text class="dim" x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{escape(label)}</text>'
    yield (f'<text class="dim" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{BOTTOM + 44}" '
           f'text-anchor="middle">{escape(step_title)}</text>')
    ends = []
    for paint, (name, rows, dashed) in enumerate(lines):
        spots = [(column[place], rows[place]) for place in sorted(rows)]
        yield from line(axis, spots, paint % len(COLOURS), dashed)
        ends.append((axis(spots[-1][1]["median"]), name, paint % len(COLOURS)))
    ends.sort()
    for y, (_, name, paint) in zip(spread([end[0] for end in ends]), ends):
        yield f'<text class="c{paint}" x="{WIDTH - RIGHT - 4}" y="{y + 4:.1f}">{escape(name)}</text>'
    yield "</svg>"
