# SPDX-License-Identifier: MIT
"""berth map: all its pictures show the same ports, and those are the ports of ss."""

import os
import pty
import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections import Counter

import pytest
from conftest import BERTH, SINK_PORT
from view_world import berth, make, refused, report, ss, start

FIRST, LAST = 40000, 41999
HERE = f"127.0.0.1:{SINK_PORT}"


@pytest.fixture
def world(net):
    net.sysctl("ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    net.sysctl("ipv4.ip_local_reserved_ports", "40010-40019,5000")
    net.sink()
    start(net, "import socket\nl = socket.create_server(('127.0.0.1', 40100))\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()")
    make(net, ("127.0.0.1", SINK_PORT, 300, "keep"), ("127.0.0.1", SINK_PORT, 100, "close"))
    make(net, ("127.0.0.1", SINK_PORT + 1, 200, "keep"), ("::1", SINK_PORT, 50, "keep"))
    return net


def uses(document):
    """The use of every port, from runs that must cover all of them in order."""
    found = []
    for run in document["runs"]:
        assert run["first"] == len(found) and run["last"] >= run["first"]
        found += [run["use"]] * (run["last"] - run["first"] + 1)
    assert len(found) == 65536
    return found


def ports(found, use):
    return {port for port in range(65536) if found[port].split("-")[0] == use}


def test_every_port_is_as_ss_has_it(world):
    document = report(world, "map")
    found, sockets = uses(document), ss(world)
    listening = {one.port for one in sockets if one.state == "LISTEN"}
    begun = [one for one in sockets if one.port not in listening]
    connected = {one.port for one in begun if one.state != "TIME-WAIT"}
    assert ports(found, "held") == listening
    assert ports(found, "connected") == connected
    assert ports(found, "waiting") == {one.port for one in begun if one.state == "TIME-WAIT"} - connected
    assert ports(found, "reserved") == {5000, *range(40010, 40020)}
    assert ports(found, "free") | connected | ports(found, "waiting") == set(range(FIRST, LAST + 1)) - listening - set(
        range(40010, 40020)
    )
    assert {use: count for use, count in document["count"].items() if count} == Counter(found)


def test_towards_one_destination(world):
    document = report(world, "map", HERE)
    found, sockets = uses(document), ss(world)
    here = [one for one in sockets if one.peer == HERE and one.local == "127.0.0.1"]
    connected = {one.port for one in here if one.state != "TIME-WAIT"}
    assert (document["remote"], document["local"]) == (HERE, "127.0.0.1")
    assert ports(found, "connected") == connected and len(connected) == 300
    assert len(ports(found, "waiting")) == 100
    others = {one.port for one in sockets if one.peer in (f"127.0.0.1:{SINK_PORT + 1}", f"[::1]:{SINK_PORT}")}
    assert ports(found, "elsewhere") == others - connected - ports(found, "waiting")


def read_png(data):
    """(palette, rows of palette numbers, texts) of an 8-bit palette PNG without interlacing."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, palette, texts = 8, b"", None, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, colour, interlaced) == (8, 3, 0)
        elif kind == b"PLTE":
            palette = [tuple(body[i : i + 3]) for i in range(0, length, 3)]
        elif kind == b"IDAT":
            pixels += body
        elif kind == b"tEXt":
            texts.append(body)
        at += 12 + length
    pixels = zlib.decompress(pixels)
    rows = [pixels[y * (width + 1) : (y + 1) * (width + 1)] for y in range(height)]
    assert all(row[0] == 0 for row in rows), "filtered, which this reader does not know"
    return palette, [row[1:] for row in rows], texts


SVG = "{http://www.w3.org/2000/svg}"


def read_svg(text):
    """(port -> name of its use, name -> colour)"""
    root = ElementTree.fromstring(text)
    drawn, colours = {}, {}
    for path in root.iter(SVG + "path"):
        name = path.get("class")
        colours[name] = path.get("fill")
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path.get("d")):
            assert int(x) + int(width) <= 256
            for port in range(int(y) * 256 + int(x), int(y) * 256 + int(x) + int(width)):
                assert port not in drawn
                drawn[port] = name
    return drawn, colours


@pytest.mark.parametrize("destination", [[], [HERE]])
def test_pictures_show_the_same(world, tmp_path, destination):
    """One look, three forms of it."""
    png, svg = tmp_path / "map.png", tmp_path / "map.svg"
    found = uses(report(world, "map", f"--png={png}", f"--svg={svg}", *destination))
    palette, rows, texts = read_png(png.read_bytes())
    drawn, colours = read_svg(svg.read_text())
    assert len(rows) == len(rows[0]) == 1024 and texts[0].startswith(b"Title\0The local ports of ")
    assert [drawn[port] for port in range(65536)] == found
    names = sorted(set(found))
    assert len({colours[name] for name in names}) == len(names)
    for y in range(1024):
        for x in range(0, 1024, 4):
            number = rows[y][x]
            assert rows[y][x : x + 4] == bytes([number] * 4)
            assert "#%02x%02x%02x" % palette[number] == colours[found[y // 4 * 256 + x // 4]]


def test_letters(world):
    """Without colours: 16 lines of 4096 ports, 64 letters each, for 80 columns."""
    text = world.output([BERTH, "map", HERE])
    found = uses(report(world, "map", HERE))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 24 and "\033" not in text
    for number, line in enumerate(lines[1:17]):
        assert line[:7] == f"{number * 4096:5}  " and len(line) == 71
        for column, letter in enumerate(line[7:]):
            first = number * 4096 + column * 64
            cell = {use.split("-")[0] for use in found[first : first + 64]}
            if cell <= {"outside", "free"}:
                assert letter == ("." if "free" in cell else " ")
            else:
                assert letter in "r:ehc012345" and letter != "."
    assert "'c' connected 300" in text and "'h' bound or listening 5" in text


def screen(net, arguments, environment):
    """What it prints on a terminal of 80x24."""
    master, slave = pty.openpty()
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = net.popen([BERTH, "map", *arguments], stdout=slave, text=False, env={**os.environ, **environment})
    os.close(slave)
    text = b""
    try:
        while piece := os.read(master, 65536):
            text += piece
    except OSError:  # EIO: the other end is closed
        pass
    os.close(master)
    assert process.wait(60) == 0
    return text.decode()


COLOUR = {"COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "NO_COLOR": ""}


def test_terminal(world):
    """In colour, each of 64 x 32 picture elements is a mixture of the colours of its 32 ports."""
    text = screen(world, [], COLOUR)
    lines = text.split("\r\n")
    cells = [re.findall(r"\033\[38;2;(\d+);(\d+);(\d+)m\033\[48;2;(\d+);(\d+);(\d+)m\u2580", line) for line in lines[1:17]]
    assert [len(line) for line in cells] == [64] * 16
    assert all(line.endswith("\033[0m") for line in lines[1:17])
    plain = re.sub(r"\033\[[0-9;]*m", "", text)
    assert max(map(len, plain.split("\r\n"))) <= 80 and plain.count("\n") <= 24
    outside, reserved_row = cells[0][0][:3], cells[9]
    assert cells[15][63] == (*outside, *outside)
    # 40000 is element 50 of row 19 (18 rows of 2048 before it are 36864): the lower half of line 9.
    assert all(cell[:3] == outside for cell in cells[7]) and reserved_row[49][3:] != outside


@pytest.mark.parametrize("environment", [{"COLORTERM": ""}, {"NO_COLOR": "1"}, {"LC_ALL": "C"}])
def test_terminal_without_colours(world, environment):
    assert "\033" not in screen(world, [], {**COLOUR, **environment})


def test_colour_on_request(world):
    assert "\033[48;2;" in world.output([BERTH, "map", "--color=always"])
    assert "\033" not in screen(world, ["--color=never"], COLOUR)


def test_standard_output(world):
    done = world.run([BERTH, "map", "--png=-"], text=False)
    assert done.returncode == 0 and len(read_png(done.stdout)[1]) == 1024


def test_a_file_that_cannot_be_written(world):
    for path, why in ("/nonexistent/map.png", "No such file"), ("/dev/full", "No space left"):
        for kind in "png", "svg":
            done = berth(world, "map", f"--{kind}={path}")
            assert done.returncode == 1 and done.stderr.startswith(f"berth map: {path}: {why}")


def test_no_way_there(world):
    done = berth(world, "map", "192.0.2.1:80")
    assert done.returncode == 1 and "no way leads to 192.0.2.1:80" in done.stderr


@pytest.mark.parametrize("arguments", [["::1:80"], ["--color=red"], ["--from=127.0.0.1"], [HERE, HERE], ["--png"], ["--nonsense"]])
def test_bad_usage(net, arguments):
    refused(net, "map", *arguments)
