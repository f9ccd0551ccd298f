// The wall: all tiles in the window, or one that fills it with the others as a strip.

import {format, parse, shown} from "./address.js";
import {element} from "./dom.js";
import {column, focus, wall} from "./layout.js";
import {Closeup} from "./closeup.js";
import {News} from "./news.js";
import {Tile} from "./tile.js";

const GAP = 6, STRIP = 76, NARROW = 600, LOW = 480; // CSS pixels
const STEP = 80; // widths are asked for in steps, or each resize would change them all
const WIDEST = 8192; // no camera has more
const FOCUS_WEIGHT = 4; // its share of a slow link beside each of the others
const STREAMS = 4; // of the six connections that a browser opens to a host
const TELL = 50; // ms between two looks at how old each picture is
const REST = 400, EDGE = 64; // ms and CSS pixels of a finger that drags
const BUSY = 60; // ms by which they come late where this device has too much to do

/**
 * @property tiles - those that are there, by name.
 * @property address - what the hash says: {groups, focus}.
 * @property floating - the name of the camera that is seen beside the page, or null.
 */
export class Wall {
  tiles = new Map();
  address = parse(location.hash);
  floating = null;
  #feed;
  #root;
  #list;
  #changed;
  #news;
  #closeup;
  #watched = "";
  #scrolls = false;
  #dragged = null; // the tile that is on its way to another place
  #began = false;
  #told = performance.now();
  #late = 0; // ms by which the last looks were, on average

  /**
   * @param feed - where pictures come from.
   * @param root - the element that the tiles fill.
   * @param say - tells a line to those who cannot see the page.
   * @param changed - called when what is shown is another.
   */
  constructor(feed, root, say, changed) {
    this.#feed = feed;
    this.#root = root;
    this.#news = new News(say);
    this.#changed = changed;
    this.#list = element("ul.tiles");
    root.append(this.#list);
    this.#closeup = new Closeup((step) => this.step(step));
    this.#closeup.changed = () => this.watch();
    new ResizeObserver(() => this.arrange()).observe(root);
    root.addEventListener("scroll", () => this.watch(), {passive: true});
    addEventListener("hashchange", () => this.go(parse(location.hash), false));
    document.addEventListener("visibilitychange", () => this.watch());
    setInterval(() => this.tell(), TELL);
    setInterval(() => this.#tick(), 1000);
    this.#list.addEventListener("pointerdown", (event) => this.#grab(event));
    // A finger that drags does not scroll. The listener has to be there when it comes.
    this.#list.addEventListener("touchmove", (event) => { if (this.#dragged) event.preventDefault(); }, {passive: false});
  }

  get names() { return [...this.tiles.keys()]; }

  /** The names of those that are shown, in their order. */
  get shown() {
    const names = shown(this.address, this.names), {focus: chosen} = this.address;
    return chosen && this.tiles.has(chosen) && !names.includes(chosen) ? [chosen, ...names] : names;
  }

  /** The tile that fills the window, or null. */
  get focused() { return this.tiles.get(this.address.focus) ?? null; }

  /** Take camd's list of cameras: some may be new, others gone. */
  take(entries) {
    const before = new Map(this.tiles);
    this.tiles.clear();
    for (const entry of entries) {
      const tile = before.get(entry.name) ?? this.#newTile(entry.name);
      before.delete(entry.name);
      tile.take(entry);
      this.tiles.set(entry.name, tile);
    }
    for (const [name, tile] of before) {
      tile.root.remove();
      this.#news.tell(tile.label, "gone");
    }
    this.arrange();
  }

  #newTile(name) {
    const tile = new Tile(name, this.#feed.clock(name), (picture, grown) => {
      this.#feed.drawn(picture);
      if (!this.#began) performance.mark("first picture");
      this.#began = true;
      if (grown) this.arrange();
      if (tile === this.focused) this.#closeup.drawn();
    });
    tile.open.addEventListener("click", () => { if (tile !== this.focused) this.focus(name); });
    return tile;
  }

  /** Show another wall; `leave` says whether the address is to follow. */
  go(address, leave = true) {
    const moved = address.focus !== this.address.focus, former = this.focused;
    this.address = address;
    if (leave) {
      const place = location.pathname + location.search + format(address);
      // Back leads out of a picture; everything else is no place of its own.
      history[moved && address.focus ? "pushState" : "replaceState"](null, "", place);
    }
    if (moved && former) former.paused = false;
    this.arrange();
    if (moved && leave) (this.focused ?? former)?.open.focus({preventScroll: true});
  }

  focus(name) { this.go({...this.address, focus: name}); }

  /** The next picture in the window, or the one before. */
  step(by) {
    const names = this.shown, at = names.indexOf(this.address.focus);
    if (at >= 0 && names.length > 1) this.focus(names[(at + by + names.length) % names.length]);
  }

  /** Put all where they belong. */
  arrange() {
    const names = this.shown, {clientWidth: width, clientHeight: height} = this.#root;
    const tiles = names.map((name) => this.tiles.get(name));
    const chosen = this.focused, low = height < LOW;
    const scrolls = !chosen && width < NARROW && width < height;
    const ratios = tiles.map((tile) => tile.ratio);
    let places;
    if (chosen) places = focus(ratios, names.indexOf(chosen.name), width, height, GAP, low ? 0 : STRIP);
    else places = scrolls ? column(ratios, width, GAP) : wall(ratios, width, height, GAP);
    this.#scrolls = scrolls;
    this.#root.classList.toggle("scrolls", scrolls);
    this.#root.classList.toggle("focus", chosen !== null);
    this.#list.style.height = scrolls ? `${Math.ceil(Math.max(0, ...places.map((p) => p.y + p.height)))}px` : "";
    // In the order in which they are shown: the Tab key and screen readers go by it.
    if (tiles.some((tile, index) => this.#list.children[index] !== tile.root) || this.#list.children.length !== tiles.length)
      this.#list.replaceChildren(...tiles.map((tile) => tile.root));
    tiles.forEach((tile, index) => this.#place(tile, places[index], tile === chosen));
    this.#closeup.show(chosen);
    this.watch();
    this.#changed();
  }

  #place(tile, place, isChosen) {
    tile.root.hidden = place === null;
    tile.root.classList.toggle("chosen", isChosen);
    tile.root.classList.toggle("small", !isChosen && this.focused !== null);
    tile.open.setAttribute("aria-label", isChosen ? `Live picture of ${tile.label}` : `${tile.label}: open`);
    tile.place = place;
    if (place) tile.fit(place);
  }

  /** Say which pictures are wanted: those that can be seen, as large as they are seen. */
  watch() {
    const wanted = {}, chosen = this.focused;
    for (const name of document.hidden ? [this.floating] : this.shown) {
      const tile = this.tiles.get(name);
      if (!tile?.width || tile.paused || !this.#isInSight(tile)) continue;
      const isChosen = tile === chosen, across = tile.rotation.turn % 180 ? 1 / tile.ratio : 1;
      const pixels = tile.width * across * devicePixelRatio * (isChosen ? this.#closeup.view.scale : 1);
      wanted[name] = {width: Math.min(WIDEST, Math.ceil(pixels / STEP) * STEP), auto: true};
      if (isChosen) wanted[name].weight = FOCUS_WEIGHT;
    }
    const text = JSON.stringify(wanted);
    if (text === this.#watched) return;
    this.#watched = text;
    this.#feed.watch(wanted);
    this.#showImages();
  }

  #isInSight({place}) {
    if (!place || !this.#scrolls) return Boolean(place);
    const {scrollTop: top, clientHeight: height} = this.#root;
    return place.y < top + height && place.y + place.height > top;
  }

  // Where camd's pictures come as <img> only: the browser has six connections for a
  // host, and a stream keeps one for itself. The others are stills.
  #showImages() {
    const wanted = Object.keys(JSON.parse(this.#watched || "{}"));
    wanted.sort((a, b) => (b === this.address.focus) - (a === this.address.focus));
    const isImage = this.#feed.way === "img";
    for (const [name, tile] of this.tiles) {
      const at = isImage ? wanted.indexOf(name) : -1;
      const path = `api/${encodeURIComponent(name)}`;
      if (at < 0) tile.showImage(null);
      else if (at < STREAMS) tile.showImage(`${this.#feed.root}${path}/stream?busy=text`);
      else tile.showImage(`${this.#feed.root}${path}/snapshot?t=${Math.floor(Date.now() / 2000)}`);
    }
  }

  /** Say how old each picture is, at this moment. */
  tell() {
    if (document.hidden) return;
    const now = performance.now();
    // Where this timer comes late, so do pictures, however quick the link is.
    this.#late += (Math.min(1000, now - this.#told - TELL) - this.#late) / 20;
    this.#told = now;
    const closed = this.#feed.isSignedOut ? "signed out" : null;
    const seen = {closed, connected: this.#feed.connected(now), busy: this.#late > BUSY};
    for (const name of this.shown) {
      const tile = this.tiles.get(name), before = tile.word;
      if (tile.root.hidden) continue;
      tile.tell(now, seen);
      if (before && before !== tile.word) this.#announce(tile);
    }
  }

  // A state that lasts is told to those who cannot see it; never the age.
  #announce(tile) {
    clearTimeout(tile.announcement);
    tile.announcement = setTimeout(() => {
      if (tile.told === tile.word) return;
      tile.told = tile.word;
      this.#news.tell(tile.label, tile.word);
    }, 1500);
  }

  #tick() {
    const now = performance.now();
    for (const tile of this.tiles.values()) tile.meter.tick(now);
    if (this.#feed.way === "img") this.#showImages();
  }

  /** The feed comes in another way now. */
  way() {
    this.#showImages();
    this.tell();
  }

  // Dragging: a mouse or a pen at once, a finger once it has rested, as it scrolls else.

  #grab(event) {
    const root = event.target.closest?.(".tile"), isFinger = event.pointerType === "touch";
    if (!root || this.focused || event.button !== 0 || !event.isPrimary) return;
    const from = {x: event.clientX, y: event.clientY}, scrolled = this.#root.scrollTop;
    const ended = new AbortController(), {signal} = ended;
    let last = event;
    const follow = () => {
      root.style.transform = `translate(${last.clientX - from.x}px, ${last.clientY - from.y + this.#root.scrollTop - scrolled}px)`;
      for (const other of this.#list.children) other.classList.toggle("target", other === this.#under(last, root));
    };
    const lift = () => {
      this.#dragged = root;
      root.classList.add("dragged");
      if (isFinger) navigator.vibrate?.(15);
      follow();
    };
    const drop = ({type}) => {
      clearTimeout(rest);
      clearInterval(edge);
      ended.abort();
      if (!this.#dragged) return;
      this.#dragged = null;
      const target = type === "pointerup" ? this.#under(last, root) : null;
      root.classList.remove("dragged");
      root.style.transform = "";
      for (const other of this.#list.children) other.classList.remove("target");
      // The click that follows opens nothing; where none follows, the next one does.
      const click = new AbortController();
      addEventListener("click", (event) => event.stopPropagation(), {capture: true, once: true, signal: click.signal});
      setTimeout(() => click.abort());
      if (target) this.move(root.dataset.camera, target.dataset.camera);
    };
    const rest = isFinger ? setTimeout(lift, REST) : 0;
    // Held at the edge of a wall that scrolls, it scrolls.
    const edge = setInterval(() => {
      if (!this.#dragged || !this.#scrolls) return;
      const {top, bottom} = this.#root.getBoundingClientRect();
      if (last.clientY < top + EDGE) this.#root.scrollBy(0, -EDGE / 8);
      else if (last.clientY > bottom - EDGE) this.#root.scrollBy(0, EDGE / 8);
      else return;
      follow();
    }, 16);
    addEventListener("pointermove", (moved) => {
      last = moved;
      const isFar = Math.hypot(moved.clientX - from.x, moved.clientY - from.y) >= 8;
      if (this.#dragged) follow();
      else if (isFar && isFinger) drop(moved);
      else if (isFar) lift();
    }, {signal});
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, drop, {signal});
    // A finger that rests has a menu of the browser's own.
    if (isFinger) addEventListener("contextmenu", (menu) => menu.preventDefault(), {signal});
  }

  #under(event, dragged) {
    const {clientX: x, clientY: y} = event;
    return [...this.#list.children].find((other) => {
      const {left, right, top, bottom} = other.getBoundingClientRect();
      return other !== dragged && x >= left && x < right && y >= top && y < bottom;
    }) ?? null;
  }

  /** Move a camera to the place of another. */
  move(name, target) {
    const all = this.address.groups.length ? this.address.groups : [{name: "", cameras: this.shown, alone: false}];
    const order = this.shown, after = order.indexOf(name) < order.indexOf(target);
    const groups = all.map((group) => ({...group, cameras: group.cameras.filter((camera) => camera !== name)}));
    const group = groups.find(({cameras}) => cameras.includes(target));
    if (!group) return;
    group.cameras.splice(group.cameras.indexOf(target) + (after ? 1 : 0), 0, name);
    this.go({...this.address, groups: groups.filter(({cameras}) => cameras.length)});
  }

  /** What is seen closely of the tile that fills the window. */
  get closeup() { return this.#closeup; }
}
