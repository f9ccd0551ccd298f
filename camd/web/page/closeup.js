// The picture that fills the window: zoom, pan, swipe, and where one is in it.

import {element} from "./dom.js";
import {WHOLE, inside, pan, transform, zoom} from "./zoom.js";

const SWIPE = 60; // CSS pixels across, from which on it is the next picture
const TAP = 300; // ms between two taps that are one double tap

/**
 * @property view - what is seen of the picture; see zoom.js.
 * @property changed - called when that is another part.
 * @property tapped - called when the picture was tapped or clicked.
 */
export class Closeup {
  view = WHOLE;
  changed = () => {};
  tapped = () => {};
  #tile = null;
  #step;
  #pointers = new Map();
  #began = null;
  #tapped = 0;
  #map = element("canvas");
  #frame = element("div");
  #minimap;

  /** @param step - called with 1 for the next picture, -1 for the one before. */
  constructor(step) {
    this.#step = step;
    this.#minimap = element("div.minimap", {hidden: true, "aria-hidden": "true"}, this.#map, this.#frame);
    this.listeners = {
      wheel: (event) => this.#wheel(event),
      pointerdown: (event) => this.#down(event),
      pointermove: (event) => this.#move(event),
      pointerup: (event) => this.#up(event),
      pointercancel: (event) => this.#up(event),
      dblclick: (event) => event.preventDefault(),
    };
  }

  /** Bring a tile forward; null for none. */
  show(tile) {
    if (tile === this.#tile) return;
    if (this.#tile) {
      this.set(WHOLE);
      for (const name in this.listeners) this.#tile.open.removeEventListener(name, this.listeners[name]);
    }
    this.#tile = tile;
    this.#pointers.clear();
    this.#minimap.remove();
    if (!tile) return;
    tile.root.append(this.#minimap);
    for (const name in this.listeners) tile.open.addEventListener(name, this.listeners[name], {passive: false});
    this.set(WHOLE);
  }

  set(view) {
    if (!this.#tile) return;
    this.view = inside(view);
    const {scale, x, y} = this.view, whole = scale === 1;
    for (const node of [this.#tile.canvas, this.#tile.image]) node.style.transform = whole ? "" : transform(this.view);
    this.#tile.root.classList.toggle("zoomed", !whole);
    this.#minimap.hidden = whole;
    Object.assign(this.#frame.style, {
      width: `${100 / scale}%`, height: `${100 / scale}%`,
      left: `${(x - 0.5 / scale) * 100}%`, top: `${(y - 0.5 / scale) * 100}%`,
    });
    this.drawn();
    this.changed();
  }

  zoom(factor, at) { this.set(zoom(this.view, factor, at)); }

  /** The tile has another picture: so has the small map of it. */
  drawn() {
    if (this.#minimap.hidden || !this.#tile) return;
    const {width, height} = this.#tile.canvas;
    this.#map.width = 160;
    this.#map.height = Math.round(160 * height / width);
    this.#map.getContext("2d").drawImage(this.#tile.canvas, 0, 0, this.#map.width, this.#map.height);
  }

  // Where in the picture's frame, from 0 to 1.
  #at({clientX, clientY}) {
    const {left, top, width, height} = this.#tile.view.getBoundingClientRect();
    return {x: (clientX - left) / width, y: (clientY - top) / height};
  }

  #wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), this.#at(event));
  }

  #down(event) {
    this.#tile.open.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    this.#began = this.#pointers.size === 1 ? event : null;
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const {width, height} = this.#tile.view.getBoundingClientRect();
    const dx = (event.clientX - before.clientX) / width, dy = (event.clientY - before.clientY) / height;
    if (this.#pointers.size === 2) {
      const other = [...this.#pointers.values()].find(({pointerId}) => pointerId !== event.pointerId);
      const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      const middle = {clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2};
      this.set(pan(zoom(this.view, apart(event) / Math.max(1, apart(before)), this.#at(middle)), dx / 2, dy / 2));
    } else if (this.view.scale > 1) this.set(pan(this.view, dx, dy));
    this.#pointers.set(event.pointerId, event);
  }

  #up(event) {
    const began = this.#began;
    this.#pointers.delete(event.pointerId);
    this.#began = null;
    if (!began || event.type !== "pointerup") return;
    const dx = event.clientX - began.clientX, dy = event.clientY - began.clientY;
    if (Math.hypot(dx, dy) < 10) this.#tap(event);
    else if (this.view.scale === 1 && Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) this.#step(dx < 0 ? 1 : -1);
  }

  #tap(event) {
    const isDouble = event.timeStamp - this.#tapped < TAP;
    this.#tapped = isDouble ? 0 : event.timeStamp;
    this.tapped();
    if (isDouble) this.set(this.view.scale > 1 ? WHOLE : zoom(this.view, 3, this.#at(event)));
  }
}
