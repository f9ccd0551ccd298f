// The wall: all tiles in the window, or one that fills it with the others as a strip.

import {format, parse, shown} from "./address.js";
import {element, put} from "./dom.js";
import {column, contain, focus, wall} from "./layout.js";
import {Closeup} from "./closeup.js";
import {Tile} from "./tile.js";

const GAP = 6, STRIP = 76, NARROW = 600, LOW = 480; // CSS pixels
const STEP = 80; // widths are asked for in steps, or each resize would change them all
const WIDEST = 8192; // no camera has more
const FOCUS_WEIGHT = 4; // its share of a slow link beside each of the others
const STREAMS = 4; // of the six connections that a browser opens to a host
const TELL = 50; // ms between two looks at how old each picture is
const BUSY = 60; // ms by which they come late where this device has too much to do

/**
 * @property tiles - those that are there, by name.
 * @property address - what the hash says: {groups, focus}.
 */
export class Wall {
  tiles = new Map();
  address = parse(location.hash);
  #feed;
  #root;
  #list;
  #news;
  #changed;
  #closeup;
  #visible = new Set();
  #watched = "";
  #drag = null;
  #began = false;
  #told = performance.now();
  #late = 0; // ms by which the last looks were, on average

  /**
   * @param feed - where pictures come from.
   * @param root - the element that the tiles fill.
   * @param news - a live region.
   * @param changed - called when what is shown is another.
   */
  constructor(feed, root, news, changed) {
    this.#feed = feed;
    this.#root = root;
    this.#news = news;
    this.#changed = changed;
    this.#list = element("ul.tiles");
    root.append(this.#list);
    this.#closeup = new Closeup((step) => this.step(step));
    this.#closeup.changed = () => this.watch();
    new ResizeObserver(() => this.arrange()).observe(root);
    this.observer = new IntersectionObserver((entries) => {
      for (const {target, isIntersecting} of entries)
        this.#visible[isIntersecting ? "add" : "delete"](target.dataset.camera);
      this.watch();
    }, {root});
    addEventListener("hashchange", () => this.go(parse(location.hash), false));
    document.addEventListener("visibilitychange", () => this.watch());
    setInterval(() => this.tell(), TELL);
    setInterval(() => this.#tick(), 1000);
    this.#list.addEventListener("pointerdown", (event) => this.#grab(event));
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
      this.observer.unobserve(tile.root);
      this.#visible.delete(name);
      this.say(`${tile.label} is gone`);
    }
    this.arrange();
  }

  #newTile(name) {
    const tile = new Tile(name, this.#feed.clock, (_, picture, grown) => {
      this.#feed.drawn(name, picture);
      if (!this.#began) performance.mark("first picture");
      this.#began = true;
      if (grown) this.arrange();
      if (tile === this.focused) this.#closeup.drawn();
    });
    tile.open.addEventListener("click", () => { if (tile !== this.focused) this.focus(name); });
    this.observer.observe(tile.root);
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
    tile.width = place && contain(tile.ratio, place).width;
    if (!place) return;
    for (const [side, key] of [["left", "x"], ["top", "y"], ["width", "width"], ["height", "height"]])
      tile.root.style[side] = `${place[key].toFixed(2)}px`;
    const {width, height} = contain(tile.ratio, place);
    // What is said of a picture stands on it, not beside it.
    tile.root.style.setProperty("--inset-x", `${((place.width - width) / 2).toFixed(2)}px`);
    tile.root.style.setProperty("--inset-y", `${((place.height - height) / 2).toFixed(2)}px`);
    Object.assign(tile.view.style, {width: `${width.toFixed(2)}px`, height: `${height.toFixed(2)}px`});
  }

  /** Say which pictures are wanted: those that can be seen, as large as they are seen. */
  watch() {
    const wanted = {}, chosen = this.focused;
    for (const name of document.hidden ? [] : this.shown) {
      const tile = this.tiles.get(name);
      if (tile.paused || !tile.width || !this.#visible.has(name)) continue;
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
    const now = performance.now(), connected = this.#feed.connected(now);
    // Where this timer comes late, so do pictures, however quick the link is.
    this.#late += (Math.min(1000, now - this.#told - TELL) - this.#late) / 20;
    this.#told = now;
    for (const name of this.shown) {
      const tile = this.tiles.get(name), before = tile.word;
      if (tile.root.hidden) continue;
      tile.tell(now, connected, this.#late > BUSY);
      if (before && before !== tile.word) this.#announce(tile);
    }
  }

  // A state that lasts is told to those who cannot see it; never the age.
  #announce(tile) {
    clearTimeout(tile.announcement);
    tile.announcement = setTimeout(() => {
      if (tile.told === tile.word) return;
      tile.told = tile.word;
      this.say(`${tile.label}: ${tile.word}`);
    }, 1500);
  }

  say(text) { put(this.#news, text); }

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

  // Dragging with a mouse or a pen; a finger scrolls, and has the list under "Arrange".

  #grab(event) {
    const root = event.target.closest?.(".tile");
    if (!root || this.focused || event.button !== 0 || event.pointerType === "touch") return;
    const from = {x: event.clientX, y: event.clientY};
    const move = (moved) => {
      const dx = moved.clientX - from.x, dy = moved.clientY - from.y;
      if (!this.#drag && Math.hypot(dx, dy) < 8) return;
      this.#drag = root.dataset.camera;
      root.classList.add("dragged");
      root.style.transform = `translate(${dx}px, ${dy}px)`;
      for (const other of this.#list.children)
        other.classList.toggle("target", other === this.#under(moved, root));
    };
    const drop = (dropped) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", drop);
      removeEventListener("pointercancel", drop);
      const target = this.#drag && dropped.type === "pointerup" ? this.#under(dropped, root) : null;
      root.classList.remove("dragged");
      root.style.transform = "";
      for (const other of this.#list.children) other.classList.remove("target");
      if (this.#drag) addEventListener("click", (click) => click.stopPropagation(), {capture: true, once: true});
      if (target) this.move(this.#drag, target.dataset.camera);
      this.#drag = null;
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", drop);
    addEventListener("pointercancel", drop);
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
