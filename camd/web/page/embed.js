// One camera, for other people's pages: the picture, and how old it is.

import {element} from "./dom.js";
import {Feed} from "./feed.js";
import {Tile} from "./tile.js";

const {name, title, live, frame, stream} = document.body.dataset;
const root = new URL("../..", import.meta.url).href, path = `api/${encodeURIComponent(name)}`;
const wall = document.getElementById("wall"), list = element("ul.tiles");
wall.append(list);

const feed = new Feed(root, {
  cameras: (entries) => take(entries.find((entry) => entry.name === name)),
  camera: (entry) => take(entry),
  watched: (watch) => { tile.refused = watch[name]?.refused ?? null; },
  rates: ({cameras}) => { tile.captureFps = cameras[name]?.capture_fps ?? null; },
  picture: (_, picture) => tile.show(picture),
  way: (way) => tile.showImage(way === "img" ? `${root}${path}/stream?${stream}` : null),
  signedOut: tell,
}, {live: `${path}/live?${live}`, query: frame, only: {name, title, state: "starting"}});

const tile = new Tile(name, feed.clock(name), (picture, grown) => {
  feed.drawn(picture);
  if (grown) arrange();
});
list.append(tile.root);
tile.open.disabled = true;

function take(entry) {
  if (!entry) return;
  tile.take(entry);
  arrange();
}

function arrange() {
  tile.fit({x: 0, y: 0, width: wall.clientWidth, height: wall.clientHeight});
  watch();
}

function watch() {
  const width = Math.ceil(tile.view.clientWidth * devicePixelRatio / 80) * 80;
  feed.watch(document.hidden || !width ? {} : {[name]: {width, auto: true}});
}

function tell() {
  const now = performance.now(), closed = feed.isSignedOut ? "link ended" : null;
  tile.tell(now, {closed, connected: feed.connected(now)});
}

take({name, title, state: "starting"});
new ResizeObserver(arrange).observe(wall);
document.addEventListener("visibilitychange", watch);
setInterval(tell, 50);
setInterval(() => tile.meter.tick(performance.now()), 1000);
feed.start();
