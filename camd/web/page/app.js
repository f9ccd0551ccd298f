// The page: a feed, a wall, a bar of tools, the keyboard.

import {arrange, help, signIn} from "./dialogs.js";
import {download, element, put, tool} from "./dom.js";
import {fileName} from "./elsewhere.js";
import {Feed} from "./feed.js";
import {Panel} from "./panel.js";
import {Wall} from "./wall.js";
import {WHOLE} from "./zoom.js";

const root = new URL("../..", import.meta.url).href;
const find = (id) => document.getElementById(id);
const session = {rights: []};
// How long what was said to screen readers stands, in milliseconds: they queue it at once.
const SAID = 1500;
const title = find("title").textContent;

const feed = new Feed(root, {
  cameras: (list) => wall.take(list),
  camera: (entry) => {
    wall.tiles.get(entry.name)?.take(entry);
    wall.arrange();
  },
  watched: (watch) => {
    panel.watched(watch);
    for (const [name, {refused = null}] of Object.entries(watch)) {
      const tile = wall.tiles.get(name);
      if (tile) tile.refused = refused;
    }
  },
  rates: (rates) => {
    panel.rates(rates);
    for (const [name, rate] of Object.entries(rates.cameras)) {
      const tile = wall.tiles.get(name);
      if (tile) tile.captureFps = rate.capture_fps;
    }
  },
  picture: (name, picture) => wall.tiles.get(name)?.show(picture),
  way: () => wall.way(),
  signedOut: () => signIn(root, begin),
});
// The connection is made while the rest is set up.
begin();
let silence = 0;
const panel = new Panel(find("panel"), feed, session, say);
const wall = new Wall(feed, find("wall"), say, show);
let wantsPanel = false;

/** Tell a line to those who cannot see the page. The same one again is told only once it has gone. */
function say(text) {
  put(find("news"), text);
  clearTimeout(silence);
  silence = setTimeout(() => put(find("news"), ""), SAID);
}

// The bar.

const tools = {
  back: tool("back", "Back to the wall", "G", back),
  previous: tool("previous", "Previous camera", "ArrowLeft", () => wall.step(-1)),
  next: tool("next", "Next camera", "ArrowRight", () => wall.step(1)),
  pause: tool("pause", "Pause", "P", pause),
  snapshot: tool("snapshot", "Save the picture", "S", snapshot),
  turn: tool("turn", "Turn by 90°", "R", turn),
  mirror: tool("mirror", "Mirror", "M", mirror),
  float: tool("float", "Picture in picture", "", float),
  panel: tool("panel", "Panel", "I", () => { wantsPanel = !wantsPanel; show(); }),
  arrange: tool("arrange", "Arrange", "", openArrange),
  help: tool("help", "Keys", "?", help),
  full: tool("full", "Full screen", "F", full),
  out: tool("out", "Sign out", "", signOut),
};
const WALL = ["arrange", "help", "full", "out"];
const FOCUS = ["previous", "next", "pause", "snapshot", "panel", "full"];
const PICTURE = ["turn", "mirror", "float"];
tools.float.hidden = !document.pictureInPictureEnabled;
tools.full.hidden = !document.fullscreenEnabled;

/** Show in bar, panel and title what the wall shows. */
function show() {
  const tile = wall.focused;
  put(find("title"), tile ? tile.label : title);
  document.title = tile ? `${tile.label} · ${title}` : title;
  find("back").replaceChildren(...(tile ? [tools.back] : []));
  find("tools").replaceChildren(...(tile ? FOCUS : WALL).map((name) => tools[name]));
  const several = wall.shown.length > 1;
  tools.previous.hidden = tools.next.hidden = !several;
  tools.pause.setAttribute("aria-pressed", String(tile?.paused ?? false));
  tools.mirror.setAttribute("aria-pressed", String(tile?.rotation.mirror ?? false));
  tools.panel.setAttribute("aria-pressed", String(wantsPanel));
  find("empty").hidden = wall.tiles.size === 0 ? feed.way === null : wall.shown.length > 0;
  put(find("empty"), wall.tiles.size ? "None of the cameras in the address is here." : "No camera is set up.");
  showGroups(tile);
  document.body.classList.toggle("with-panel", wantsPanel && tile !== null);
  if (!tile) document.body.classList.remove("with-tools");
  panel.show(wantsPanel ? tile : null, PICTURE.map((name) => tools[name]));
}

function showGroups(tile) {
  const {groups} = wall.address, named = groups.filter(({name}) => name);
  const key = JSON.stringify(groups), nav = find("groups");
  nav.hidden = !named.length || tile !== null;
  if (nav.dataset.key === key) return;
  nav.dataset.key = key;
  const choose = (name) => wall.go({...wall.address, groups: groups.map((group) => ({...group, alone: group.name === name && name !== null}))});
  const button = (label, name, pressed) => element("button.tab", {type: "button", "aria-pressed": String(pressed), click: () => choose(name)}, label);
  nav.replaceChildren(button("All", null, !groups.some(({alone}) => alone)), ...named.map(({name, alone}) => button(name, name, alone)));
}

// Where the bar is out of sight and nothing can hover, a tap brings it.
wall.closeup.tapped = () => document.body.classList.toggle("with-tools");

setInterval(() => {
  const tiles = wall.shown.map((name) => wall.tiles.get(name)), live = tiles.filter(({word}) => word === "live").length;
  put(find("summary"), tiles.length > 1 && !wall.focused ? `${live} of ${tiles.length} live` : "");
}, 500);

// What the tools do; most of it with the picture that fills the window.

function back() { wall.go({...wall.address, focus: null}); }

function pause() {
  const tile = wall.focused;
  if (!tile) return;
  tile.paused = !tile.paused;
  wall.watch();
  show();
}

function snapshot() {
  const shown = wall.focused?.shown;
  if (shown) download(shown.blob(), fileName(wall.focused.name, shown.captured));
}

async function change(rotation) {
  const tile = wall.focused;
  if (!tile) return;
  await tile.turn(rotation(tile.rotation));
  wall.closeup.set(WHOLE);
  wall.arrange();
}
function turn() { return change(({turn: now}) => ({turn: (now + 90) % 360})); }
function mirror() { return change(({mirror: now}) => ({mirror: !now})); }

async function float() {
  if (document.pictureInPictureElement) return document.exitPictureInPicture();
  const tile = wall.focused;
  if (!tile) return;
  const video = element("video", {muted: true, playsinline: true});
  video.srcObject = tile.canvas.captureStream();
  video.addEventListener("leavepictureinpicture", () => {
    video.srcObject.getTracks().forEach((track) => track.stop());
    wall.floating = null;
    wall.watch();
  });
  await video.play();
  await video.requestPictureInPicture();
  // It is there to be seen while the page is not.
  wall.floating = tile.name;
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

function openArrange() {
  const order = wall.names, shown = wall.shown;
  const names = [...shown, ...order.filter((name) => !shown.includes(name))];
  arrange({order, list: names.map((name) => ({name, label: wall.tiles.get(name).label}))}, wall.address.groups,
    (groups) => wall.go({...wall.address, groups}));
}

async function signOut() {
  await fetch(`${root}api/session`, {method: "DELETE"}).catch(() => {});
  feed.signOut();
}

const KEYS = {
  f: full, g: back, Escape: back, s: snapshot, r: turn, m: mirror, p: pause, i: () => tools.panel.click(), "?": help,
  ArrowLeft: () => wall.step(-1), ArrowRight: () => wall.step(1),
  "+": () => wall.closeup.zoom(1.5), "-": () => wall.closeup.zoom(1 / 1.5), 0: () => wall.closeup.set(WHOLE),
};

addEventListener("keydown", (event) => {
  const {key, target} = event;
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (target.matches?.("input, select, textarea, pre")) return;
  if (/^[1-9]$/.test(key)) {
    const name = wall.shown[key - 1];
    if (name) wall.focus(name);
  } else if (KEYS[key] ?? KEYS[key.toLowerCase()]) (KEYS[key] ?? KEYS[key.toLowerCase()])();
  else return;
  event.preventDefault();
});

// A display that is looked at does not go dark.

let lock = null;
async function keepAwake() {
  if (document.hidden || lock || !navigator.wakeLock) return;
  try {
    lock = await navigator.wakeLock.request("screen");
    lock.addEventListener("release", () => { lock = null; });
  } catch { /* the battery is low */ }
}
document.addEventListener("visibilitychange", keepAwake);

/** Ask what is allowed, and begin. */
async function begin() {
  feed.start();
  try {
    const answer = await fetch(`${root}api/session`, {cache: "no-store", headers: {Accept: "application/json"}});
    if (answer.ok) Object.assign(session, await answer.json());
  } catch { /* the feed goes on trying */ }
  tools.out.hidden = !session.can_sign_out;
  show(); // A panel that is open already offers what this person may do.
}

show();
keepAwake();
