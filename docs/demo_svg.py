#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draws docs/demo.svg, the picture of the README, from a real run of `berth demo` on a terminal.

usage: docs/demo_svg.py [BERTH] > docs/demo.svg        BERTH: build/berth if not given
"""
import os
import pty
import re
import subprocess
import sys
from html import escape

COLUMNS, FONT_SIZE, CELL, LINE, MARGIN, BAR = 80, 14, 8.43, 19, 18, 34

STYLE = """
  .sheet { fill: #ffffff; stroke: #d0d7de } .bar { fill: #f6f8fa } .dot { fill: #d0d7de }
  text { fill: #1f2328; font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
         white-space: pre }
  path { stroke: #d0d7de; stroke-width: 1 }
  .bold { font-weight: 700 } .dim { fill: #656d76 } .good { fill: #1a7f37; font-weight: 600 }
  .bad { fill: #cf222e; font-weight: 700 }
  @media (prefers-color-scheme: dark) {
    .sheet { fill: #0d1117; stroke: #30363d } .bar { fill: #161b22 } .dot { fill: #30363d }
    text { fill: #e6edf3 } path { stroke: #30363d }
    .dim { fill: #8d96a0 } .good { fill: #3fb950 } .bad { fill: #ff7b72 }
  }
""" % FONT_SIZE

# The paints of cli/demo_table.c, and their end.
CLASSES = {"0": "", "1": "bold", "2": "dim", "32": "good", "1;31": "bad"}


def run_on_terminal(command):
    """What command writes to a terminal, and its exit status. Progress goes elsewhere."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}) as process:
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 65536):
                output += chunk
        except OSError:  # EIO: nobody holds the other end any more
            pass
        complaint = process.stderr.read().decode()
    os.close(ours)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}: {complaint}")
    return output.decode().replace("\r", "")


def segments(line):
    """(column, text, class) for each run of one paint, blanks around it left out."""
    column, paint = 0, ""
    for part in re.split(r"(\033\[[0-9;]*m)", line):
        if part.startswith("\033"):
            paint = CLASSES[part[2:-1]]
            continue
        for word in re.finditer("\u2502|[^ \u2502]+(?: [^ \u2502]+)*", part):
            yield column + word.start(), word.group(), paint
        column += len(part)


def draw(lines):
    """The document. Every word is put in its column, whatever the width of the reader's font."""
    height = BAR + 2 * MARGIN + len(lines) * LINE
    width = round(COLUMNS * CELL + 2 * MARGIN)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           f'height="{height}" role="img">')
    yield "<title>berth demo: stock Linux beside Berth</title>"
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="sheet" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10"/>'
    yield f'<path class="bar" d="M1 {BAR}V11a10 10 0 0 1 10-10H{width - 11}a10 10 0 0 1 10 10V{BAR}z"/>'
    for i in range(3):
        yield f'<circle class="dot" cx="{22 + 20 * i}" cy="{BAR / 2}" r="6"/>'
    for row, line in enumerate(lines):
        baseline = BAR + MARGIN + row * LINE + FONT_SIZE
        for column, text, paint in segments(line):
            x, length = MARGIN + column * CELL, len(text) * CELL
            if text.strip("\u2500") == "":
                yield f'<path d="M{x:.1f} {baseline - 5}h{length:.1f}"/>'
            elif text == "\u2502":
                yield f'<path d="M{x + CELL / 2:.1f} {baseline - FONT_SIZE}v{LINE}"/>'
            else:
                yield (f'<text x="{x:.1f}" y="{baseline}" textLength="{length:.1f}" '
                       f'lengthAdjust="spacingAndGlyphs"'
                       + (f' class="{paint}"' if paint else "") + f">{escape(text)}</text>")
    yield "</svg>"


def main():
    berth = sys.argv[1] if len(sys.argv) > 1 else "build/berth"
    lines = ["$ berth demo"] + run_on_terminal([berth, "demo"]).rstrip("\n").split("\n")
    print("\n".join(draw(lines)))


main()
