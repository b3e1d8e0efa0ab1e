// SPDX-License-Identifier: MIT
// The page: asks /api/v1/status and /api/v1/map once a second while it is visible, and shows the answers. What comes from the
// daemon is put into the document as text only, never as markup.
"use strict";

const SIDE = 256, PERIOD_MS = 1000, TREND = 120, SHOWN = 100;
const byId = id => document.getElementById(id);
const integer = new Intl.NumberFormat("en");

// As berth map draws them: blue against orange and by lightness, so that they keep apart for red-green blindness.
const LOOKS = {
  "outside": [[24, 24, 28], "free, outside the range"],
  "free": [[58, 62, 70], "free"],
  "reserved": [[128, 108, 148], "reserved"],
  "elsewhere": [[62, 84, 116], "with other destinations"],
  "waiting-0-10": [[255, 96, 32], "TIME_WAIT, 0-10 s"],
  "waiting-10-20": [[240, 118, 44], "TIME_WAIT, 10-20 s"],
  "waiting-20-30": [[222, 134, 60], "TIME_WAIT, 20-30 s"],
  "waiting-30-40": [[202, 146, 80], "TIME_WAIT, 30-40 s"],
  "waiting-40-50": [[178, 152, 104], "TIME_WAIT, 40-50 s"],
  "waiting-50-60": [[150, 150, 122], "TIME_WAIT, 50-60 s"],
  "connected": [[64, 156, 255], "connected"],
  "held": [[240, 240, 240], "bound or listening"],
};

// The counts of the TIME_WAIT governor.
const GOVERNED = [["entered", "seen to enter"], ["ended-cap", "ended by MaxFreeTWTcbs"], ["ended-delay", "ended by TcpTimedWaitDelay"],
  ["ended-late", "of these, late"], ["gone", "had gone by themselves"], ["spared", "spared, without timestamps"]];

let token = sessionStorage.getItem("token") || "";
let paused = false, timer = 0, asked = 0;
let map = null;                             // the last document of /api/v1/map
let chosen = null;                          // {remote, local} whose ports the map shows; null: all
let view = { x: 0, y: 0, size: SIDE };      // the part of the map that is shown, in ports
let cursor = null;                          // the port that is pointed at
let lastMapPort = 0;
const trends = new Map();                   // "remote local" -> blocked ports, the latest last

// ---- small helpers ----

function element(name, text, attributes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
}

function duration(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

function rate(perSecond) {
  if (perSecond === null) return "–";
  return perSecond < 10 ? String(perSecond) : integer.format(Math.round(perSecond));
}

function limit(number, unit) {
  return number === null ? "not set" : integer.format(number) + unit;
}

function setState(text, alarm) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("alarm", Boolean(alarm));
}

// ---- asking ----

class NeedsToken extends Error {}

async function ask(path) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (answer.status === 401) throw new NeedsToken();
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

function mapPath() {
  return chosen ? `api/v1/map?remote=${encodeURIComponent(chosen.remote)}&local=${encodeURIComponent(chosen.local)}` : "api/v1/map";
}

async function refresh() {
  const mine = ++asked; // an answer to an earlier question comes too late
  clearTimeout(timer);
  try {
    const [status, ports] = await Promise.all([ask(`api/v1/status?destinations=${SHOWN}`), ask(mapPath())]);
    if (mine !== asked) return;
    byId("login").hidden = true;
    document.querySelector("main").hidden = false;
    showStatus(status);
    showMap(ports);
  } catch (error) {
    if (mine !== asked) return;
    if (error instanceof NeedsToken) {
      byId("login").hidden = false;
      setState(token ? "That is not the token." : "A token is needed.", true);
      return;
    }
    setState(`No answer: ${error.message}. What is shown is old.`, true);
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, PERIOD_MS);
}

// ---- numbers ----

function fillTiles(list, tiles) {
  while (list.children.length > tiles.length) list.lastChild.remove();
  tiles.forEach(([name, text], i) => {
    let tile = list.children[i];
    if (!tile) {
      tile = list.appendChild(element("div"));
      tile.append(element("dt"), element("dd"));
    }
    tile.children[0].textContent = name;
    if (tile.children[1].textContent !== text) tile.children[1].textContent = text;
  });
}

function showStatus(status) {
  const range = status.range, sockets = status.sockets, mode = status.kernel_mode, look = status.look;
  byId("version").textContent = `${status.berth} on Linux ${status.kernel}`;
  fillTiles(byId("summary"), [
    ["Port range", `${range.first}–${range.last}`],
    ["Usable ports", integer.format(range.usable)],
    ["Reserved, bound", `${integer.format(range.reserved)}, ${integer.format(range.held)}`],
    ["Connections and listeners", integer.format(sockets.in_use)],
    ["In TIME_WAIT", `${integer.format(sockets.time_wait)} of ${integer.format(status.settings.tcp_max_tw_buckets)}`],
    ...status.addresses.map(one => [`bind to port 0, ${one.local}`, `${integer.format(one.fresh)} left`]),
  ]);
  showDestinations(status);
  showEvents(mode);
  const settings = mode.settings || {};
  fillTiles(byId("settings"), [
    ...Object.entries(status.settings).map(([name, value]) => [name, value === true ? "on" : value === false ? "off" : integer.format(value)]),
    ["steered cgroup", mode.cgroup], ["exhausted", settings.exhausted], ["withheld ports", integer.format(settings.withheld)],
    ["MaxFreeTWTcbs", limit(mode.time_wait.max_free_tw_tcbs, "")], ["TcpTimedWaitDelay", limit(mode.time_wait.timed_wait_delay_s, " s")],
    ["time-wait-timestamps-only", mode.time_wait.timestamps_only ? "on" : "off"],
  ]);
  showState(status.destinations, look);
}

// Coarse, as a screen reader says every change.
function showState(destinations, look) {
  const first = destinations.filter(one => one.exhausts === true).sort((a, b) => a.seconds_left - b.seconds_left)[0];
  const period = Math.round(look.cpu_ms / 20); // the daemon gives a fiftieth of a core to looks (daemon/recent_look.h)
  if (first && first.seconds_left < 1) setState(`No port is left for ${first.remote}.`, true);
  else if (first && first.seconds_left < 600)
    setState(`Ports for ${first.remote} run out in ${first.seconds_left < 60 ? "less than a minute" : `${Math.ceil(first.seconds_left / 60)} minutes`}.`, true);
  else if (paused) setState("Paused.");
  else setState(period > 1 ? `Live: so many sockets are looked at only every ${period} s.` : "Live.");
}

function trendPath(points, most) {
  const step = 120 / (TREND - 1), left = 120 - (points.length - 1) * step;
  return points.map((value, i) => `${i ? "L" : "M"}${(left + i * step).toFixed(1)} ${(22.5 - 21 * value / most).toFixed(1)}`).join("");
}

function makeRow() {
  const row = element("tr"), name = element("th", undefined, { scope: "row" });
  name.append(element("button", undefined, { type: "button" }));
  row.append(name, element("td", undefined, { "data-label": "from" }));
  for (const label of ["used", "waiting", "free", "full", "per s"])
    row.append(element("td", undefined, { class: "number", "data-label": label }));
  const cell = element("td"), drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 120 24");
  drawing.setAttribute("role", "img");
  drawing.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  cell.append(drawing);
  row.append(cell, element("td", undefined, { class: "number", "data-label": "exhausted in" }));
  name.firstChild.addEventListener("click", () => choose(row.pair));
  return row;
}

function isChosen(one) {
  return chosen !== null && chosen.remote === one.remote && chosen.local === one.local;
}

function fillRow(row, one, usable) {
  const points = trends.get(`${one.remote} ${one.local}`), cells = row.children;
  const left = one.exhausts === null ? "–" : one.exhausts ? duration(one.seconds_left) : "never";
  const texts = [null, one.local, integer.format(one.used), integer.format(one.waiting), integer.format(one.free),
    `${one.full_percent} %`, rate(one.taken_per_s), null, left];
  row.pair = { remote: one.remote, local: one.local };
  row.classList.toggle("chosen", isChosen(one));
  cells[0].firstChild.textContent = one.remote;
  cells[0].firstChild.setAttribute("aria-pressed", String(isChosen(one)));
  texts.forEach((text, i) => { if (text !== null && cells[i].textContent !== text) cells[i].textContent = text; });
  cells[8].classList.toggle("alarm", one.exhausts === true && one.seconds_left < 600);
  cells[7].firstChild.setAttribute("aria-label", `from ${points[0]} to ${points[points.length - 1]} of ${usable} ports blocked`);
  cells[7].firstChild.firstChild.setAttribute("d", trendPath(points, Math.max(usable, 1)));
}

function keepTrends(destinations) {
  const seen = new Set();
  for (const one of destinations) {
    const key = `${one.remote} ${one.local}`, points = trends.get(key) || [];
    points.push(one.blocked);
    if (points.length > TREND) points.shift();
    trends.set(key, points);
    seen.add(key);
  }
  for (const key of trends.keys()) if (!seen.has(key)) trends.delete(key);
}

function showDestinations(status) {
  const body = byId("destinations").tBodies[0], all = status.destinations, more = status.destination_count - all.length;
  keepTrends(all);
  // A row is its destination's as long as it is shown, so that the focus stays where it is.
  const rows = new Map([...body.rows].map(row => [`${row.pair.remote} ${row.pair.local}`, row]));
  all.forEach((one, i) => {
    const key = `${one.remote} ${one.local}`, row = rows.get(key) || makeRow();
    fillRow(row, one, status.range.usable);
    if (body.rows[i] !== row && !row.contains(document.activeElement)) body.insertBefore(row, body.rows[i] || null);
    rows.delete(key);
  });
  for (const row of rows.values()) row.remove();
  byId("destinations-caption").textContent = all.length === 0 ? "No connection that was begun here is on a port of the range."
    : `The fullest first${more > 0 ? `; and ${integer.format(more)} less full` : ""}`;
}

function fillTable(table, rows, none) {
  const heads = table.tHead.rows[0].cells;
  table.tBodies[0].replaceChildren(...rows.map(texts => {
    const row = element("tr");
    texts.forEach((text, i) => row.append(i === 0 ? element("th", text, { scope: "row" }) : element("td", text, heads[i].className ? { class: heads[i].className } : {})));
    return row;
  }));
  if (rows.length) return;
  const row = table.tBodies[0].insertRow();
  row.append(element("td", none, { colspan: heads.length }));
}

function showEvents(mode) {
  fillTable(byId("events"), (mode.events || []).map(one =>
    [one.remote, `${one.number} ${one.event}`, integer.format(one.count), one.last_s < 1 ? "now" : `${duration(one.last_s)} ago`, one.advice]), "none");
  const ways = {}; // of all programs together
  for (const of of Object.values(mode.ways || {}))
    for (const [name, count] of Object.entries(of)) ways[name] = (ways[name] || 0) + count;
  fillTable(byId("ways"), Object.entries(ways).filter(([, count]) => count > 0)
    .map(([name, count]) => [name, integer.format(count)]), "none yet");
  const limits = mode.time_wait || {}, counts = mode.governor || {};
  const set = [limits.max_free_tw_tcbs && `MaxFreeTWTcbs ${integer.format(limits.max_free_tw_tcbs)}`,
    limits.timed_wait_delay_s && `TcpTimedWaitDelay ${limits.timed_wait_delay_s} s`].filter(Boolean).join(", ");
  byId("governor-caption").textContent = set ? `Ended early, as the settings have it: ${set}` : "Ended early: no setting asks for it";
  fillTable(byId("governor"), GOVERNED.filter(([name]) => counts[name] > 0).map(([name, what]) => [what, integer.format(counts[name])]), "none yet");
}

// ---- the map ----

function colourOf(use) { return LOOKS[use] ? LOOKS[use][0] : [255, 0, 255]; }
function legendOf(use) { return LOOKS[use] ? LOOKS[use][1] : use; }
function useOf(port) { return map.uses[map.ports.charCodeAt(port) - map.uses[0].letter.charCodeAt(0)].use; }

const whole = document.createElement("canvas"); // a pixel for each port
whole.width = whole.height = SIDE;

function showMap(ports) {
  map = ports;
  byId("map-what").textContent = map.remote ? `As they are to a connect() from ${map.local} to ${map.remote}.` : "Of all connections that this host began.";
  byId("map-everything").hidden = !chosen;
  const image = whole.getContext("2d").createImageData(SIDE, SIDE);
  const pixels = new Uint32Array(image.data.buffer), first = map.uses[0].letter.charCodeAt(0);
  const palette = map.uses.map(one => { const [r, g, b] = colourOf(one.use); return (255 << 24 | b << 16 | g << 8 | r) >>> 0; });
  for (let port = 0; port < pixels.length; port++) pixels[port] = palette[map.ports.charCodeAt(port) - first];
  whole.getContext("2d").putImageData(image, 0, 0);
  draw();
  showLegend();
  if (cursor !== null) describe(cursor);
}

function showLegend() {
  const body = byId("legend").tBodies[0];
  if (body.rows.length !== map.uses.length) {
    body.replaceChildren(...map.uses.map(one => {
      const row = element("tr"), name = element("th", undefined, { scope: "row" }), swatch = element("span", undefined, { class: "swatch" });
      swatch.style.background = `rgb(${colourOf(one.use)})`;
      name.append(swatch, legendOf(one.use));
      row.append(name, element("td", "", { class: "number" }));
      return row;
    }));
  }
  map.uses.forEach((one, i) => { body.rows[i].cells[1].textContent = integer.format(one.ports); });
}

function draw() {
  const canvas = byId("map"), context = canvas.getContext("2d"), scale = canvas.width / view.size;
  context.imageSmoothingEnabled = false;
  context.drawImage(whole, view.x, view.y, view.size, view.size, 0, 0, canvas.width, canvas.height);
  if (cursor === null) return;
  const x = (cursor % SIDE - view.x) * scale, y = (Math.floor(cursor / SIDE) - view.y) * scale, side = Math.max(scale, 6);
  context.lineWidth = 2;
  for (const [colour, grow] of [["#000", 2], ["#fff", 0]]) {
    context.strokeStyle = colour;
    context.strokeRect(x - 1 - grow, y - 1 - grow, side + 2 + 2 * grow, side + 2 + 2 * grow);
  }
}

function describe(port) {
  const text = `Port ${port}: ${legendOf(useOf(port))}`;
  if (byId("map-port").textContent !== text) byId("map-port").textContent = text;
}

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

function look(x, y, size) {
  view.size = clamp(size, 8, SIDE);
  view.x = clamp(x, 0, SIDE - view.size);
  view.y = clamp(y, 0, SIDE - view.size);
  draw();
}

// Zooms so that the place at (x, y), in ports, stays where it is.
function zoom(factor, x, y) {
  const size = clamp(view.size * factor, 8, SIDE), ratio = size / view.size;
  look(x - (x - view.x) * ratio, y - (y - view.y) * ratio, size);
}

function zoomAtCursor(factor) {
  const x = cursor === null ? view.x + view.size / 2 : cursor % SIDE, y = cursor === null ? view.y + view.size / 2 : Math.floor(cursor / SIDE);
  zoom(factor, x, y);
}

function point(port) {
  cursor = port;
  if (port === null) byId("map-port").textContent = "\u00a0";
  else {
    lastMapPort = port;
    describe(port);
  }
  draw();
}

function bringIntoView(port) {
  const x = port % SIDE, y = Math.floor(port / SIDE);
  look(clamp(view.x, x + 1 - view.size, x), clamp(view.y, y + 1 - view.size, y), view.size);
}

function placeOf(event) {
  const box = byId("map").getBoundingClientRect();
  return [view.x + (event.clientX - box.left) / box.width * view.size, view.y + (event.clientY - box.top) / box.height * view.size];
}

function choose(pair) {
  chosen = isChosen(pair) ? null : pair;
  refresh();
}

function listenToMap() {
  const canvas = byId("map");
  let drag = null;
  canvas.addEventListener("pointerdown", event => { drag = { place: placeOf(event), id: event.pointerId }; });
  canvas.addEventListener("pointermove", event => {
    if (!map) return;
    const [x, y] = placeOf(event);
    if (drag && drag.id === event.pointerId && event.buttons) look(view.x + drag.place[0] - x, view.y + drag.place[1] - y, view.size);
    else point(clamp(Math.floor(y), 0, SIDE - 1) * SIDE + clamp(Math.floor(x), 0, SIDE - 1));
  });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { drag = null; point(null); });
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, ...placeOf(event));
  }, { passive: false });
  canvas.addEventListener("focus", () => { if (map && cursor === null) point(lastMapPort || map.range.first); });
  canvas.addEventListener("blur", () => point(null));
  canvas.addEventListener("keydown", event => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE, PageUp: -16 * SIDE, PageDown: 16 * SIDE };
    if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      point(clamp((cursor === null ? map.range.first : cursor) + steps[event.key], 0, SIDE * SIDE - 1));
      bringIntoView(cursor);
    } else if (event.key === "Home" || event.key === "End") {
      point(event.key === "Home" ? map.range.first : map.range.last);
      bringIntoView(cursor);
    } else if (event.key === "+" || event.key === "=") zoomAtCursor(0.5);
    else if (event.key === "-") zoomAtCursor(2);
    else if (event.key === "0") look(0, 0, SIDE);
    else return;
    event.preventDefault();
  });
  byId("zoom-in").addEventListener("click", () => zoomAtCursor(0.5));
  byId("zoom-out").addEventListener("click", () => zoomAtCursor(2));
  byId("zoom-all").addEventListener("click", () => look(0, 0, SIDE));
  byId("map-everything").addEventListener("click", () => { chosen = null; refresh(); });
}

// ---- begin ----

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (paused) setState("Paused.");
  refresh();
});
byId("login").addEventListener("submit", event => {
  event.preventDefault();
  token = byId("token").value;
  sessionStorage.setItem("token", token);
  refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); });
listenToMap();
refresh();
