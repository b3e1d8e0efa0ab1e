# SPDX-License-Identifier: MIT
"""The page of berth daemon, driven in Chromium, as root:

    make -j2 all tests && /usr/bin/python3 -m pytest tests/browser

The screenshots are put into build/browser/, to be looked at.
"""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from conftest import *  # noqa: E402, F401, F403
from conftest import ROOT, SINK_PORT, need, wait_for  # noqa: E402
from test_web import PORT, TOKEN, own  # noqa: E402, F401
from view_world import make  # noqa: E402

PICTURES = ROOT / "build/browser"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, 11.
DRIVER_PORT = 19515

# WebDriver lives in the test's network namespace: each call is made from there.
CALL = """
import sys, urllib.request, urllib.error
method, url = sys.argv[1:]
data = sys.stdin.buffer.read() or None
request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
try:
    sys.stdout.write(urllib.request.urlopen(request, timeout=60).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
"""


class Browser:
    def __init__(self, net, width, height, dark=False):
        self.net = net
        driver = net.popen([need("chromedriver"), f"--port={DRIVER_PORT}", "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.driver, self.session = driver, ""
        wait_for(lambda: net.run(["curl", "-s", f"http://127.0.0.1:{DRIVER_PORT}/status"]).returncode == 0, "chromedriver", 30)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}", "--disable-dev-shm-usage"]
        arguments += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
        options = {"args": arguments}
        if width < 500:  # a window cannot be so narrow
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2}}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = f"/session/{made['sessionId']}"

    def call(self, method, path, body=None):
        text = json.dumps(body) if body is not None else ""
        out = self.net.output(["/usr/bin/python3", "-c", CALL, method, f"http://127.0.0.1:{DRIVER_PORT}{self.session}{path}"], input=text)
        return json.loads(out)["value"]

    def open(self, path="/"):
        self.call("POST", "/url", {"url": f"http://127.0.0.1:{PORT}{path}"})

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def click(self, css):
        found = self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]
        self.call("POST", f"/element/{found}/click", {})

    def keys(self, text):
        """To what has the focus."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return document.documentElement.clientWidth")
        shot = self.call("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {
            "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": min(height, 3000), "scale": 1}}})
        (PICTURES / name).write_bytes(base64.b64decode(shot["data"]))

    def complaints(self):
        """What the page's console says: errors, and what the Content-Security-Policy has refused."""
        return [line for line in self.call("POST", "/se/log", {"type": "browser"}) if line["level"] != "DEBUG"]

    def close(self):
        self.call("DELETE", "")
        self.driver.terminate()
        self.driver.wait(20)


@pytest.fixture
def browse(net):
    opened = []

    def browser(*arguments, **kwargs):
        opened.append(Browser(net, *arguments, **kwargs))
        return opened[-1]

    yield browser
    for one in opened:
        one.close()


def state(browser):
    return browser.run("return document.getElementById('state').textContent")


def live(browser):
    wait_for(lambda: browser.run("return !document.querySelector('main').hidden"), "the page's first answer", 20)


def test_shows_what_is(own, browse):
    own.net.sysctl("ipv4.ip_local_port_range", "32768 60999")
    own.net.sink()
    own.start()
    make(own.net, ("127.0.0.1", SINK_PORT, 3000, "keep"), ("127.0.0.1", SINK_PORT + 1, 2000, "close"), ("::1", SINK_PORT, 300, "keep"))
    browser = browse(1280, 900)
    browser.open()
    live(browser)
    rows = "return [...document.querySelectorAll('#destinations tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    fullest = wait_for(lambda: browser.run(rows), "destinations")[0]
    assert fullest[:4] == [f"127.0.0.1:{SINK_PORT}", "127.0.0.1", "3,000", "0"]
    more = make(own.net, ("127.0.0.1", SINK_PORT, 500, "keep"))
    wait_for(lambda: browser.run(rows)[0][2] == "3,500", "the table to be refreshed")
    colours = "const c = document.getElementById('map').getContext('2d').getImageData(0, 0, 512, 512).data; const s = new Set();" \
              "for (let i = 0; i < c.length; i += 4) s.add(`${c[i]} ${c[i+1]} ${c[i+2]}`); return [...s]"
    assert {"64 156 255", "58 62 70", "24 24 28"} <= set(browser.run(colours))
    browser.picture("light.png")
    # with the keyboard alone
    browser.run("document.getElementById('map').focus()")
    browser.keys("\ue011")  # Home
    assert browser.run("return document.getElementById('map-port').textContent").startswith("Port 32768: ")
    browser.keys("\ue014")  # right
    assert browser.run("return document.getElementById('map-port').textContent").startswith("Port 32769: ")
    browser.keys("+++")
    browser.picture("zoomed.png")
    browser.keys("0")
    browser.click("#destinations tbody tr th button")
    wait_for(lambda: "to 127.0.0.1:7001" in browser.run("return document.getElementById('map-what').textContent"), "its map")
    browser.picture("one-destination.png")
    assert browser.complaints() == []
    assert more.poll() is None


def test_dark_and_a_thousand_destinations(own, browse):
    own.net.sysctl("ipv4.ip_local_port_range", "32768 60999")
    sink = own.net.sink(1000, first=9001)
    own.start()
    make(own.net, *[("127.0.0.1", 9001 + i, 1 + i // 50, "keep") for i in range(1000)])
    browser = browse(1280, 900, dark=True)
    browser.open()
    live(browser)
    wait_for(lambda: browser.run("return document.querySelectorAll('#destinations tbody tr').length") == 100, "a hundred rows")
    caption = browser.run("return document.getElementById('destinations-caption').textContent")
    assert 900 <= int(caption.split("and ")[1].split()[0]) <= 910, caption  # the browser has destinations, too
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 23)"
    browser.picture("dark.png")
    assert browser.complaints() == []
    sink.stdin.close()


def test_phone_token_and_exhaustion(own, browse, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    own.net.sink()
    own.start(f"[Berth]\ntoken-file = {tmp_path}/token\n")
    make(own.net, ("127.0.0.1", SINK_PORT, 500, "keep"), ("::1", SINK_PORT, 90, "close"))
    browser = browse(375, 800)
    browser.open()
    wait_for(lambda: state(browser) == "A token is needed.", "to be asked for the token", 20)
    browser.click("#token")
    browser.keys("wrong\ue007")
    wait_for(lambda: state(browser) == "That is not the token.", "the refusal")
    browser.run("document.getElementById('token').value = ''")
    browser.click("#token")
    browser.keys(TOKEN + "\ue007")
    live(browser)
    wait_for(lambda: "No port is left for 127.0.0.1:7001." == state(browser), "the alarm")
    own.net.sysctl("ipv4.ip_local_port_range", "41000 41049")  # without anybody whom the hooks have not given a port
    time.sleep(0.5)  # they read it anew after a quarter
    connect = "import socket\nkept = [socket.socket() for i in range(60)]\nfor one in kept: one.connect_ex(('127.0.0.1', 7001))"
    own.machine.run([*own.machine.steered, "/usr/bin/python3", "-c", connect])
    own.net.sysctl("ipv4.ip_local_port_range", "40000 41999")  # for the browser
    events = "return [...document.querySelectorAll('#events tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    event = wait_for(lambda: (found := browser.run(events)) and len(found[0]) == 5 and found[0], "the event")
    assert event[:2] == ["127.0.0.1:7001", "4231 ports-exhausted"] and "keep connections open" in event[4]
    assert browser.run("return document.documentElement.scrollWidth") <= 375
    browser.picture("phone.png")
    log = [line for line in browser.complaints() if "401" not in line["message"]]
    assert log == []
