// One camera on the wall: its canvas, and what is said of the picture on it.

import {decode, sizeOf} from "./decode.js";
import {element, put} from "./dom.js";
import {contain} from "./layout.js";
import {Meter} from "./meter.js";
import {beforeRepaint} from "./repaint.js";
import {draw, load, save} from "./rotation.js";
import {judge, numbers, span} from "./verdict.js";

const READABLE = 250; // ms that numbers stand at least
const WRONG = 0.03; // seconds by which an age may be wrong for that long

/**
 * @property name - the camera's.
 * @property entry - what camd says of it.
 * @property root - the list item.
 * @property open - the button that brings it forward.
 * @property width - CSS pixels of the picture; undefined before it has a place.
 * @property shown - the picture on the canvas, with its blob; null before the first.
 * @property paused - whether the person who looks wants it to stand still.
 * @property refused - why camd sends its pictures no more, or null.
 * @property captureFps - what the camera gives, as camd measures it; null if unknown.
 * @property word - the state in a word, as it is shown.
 */
export class Tile {
  shown = null;
  paused = false;
  refused = null;
  word = "";
  captureFps = null;
  entry = {state: "starting"};
  meter = new Meter();
  rotation;
  #drawn;
  #clock;
  #next = null; // what is decoded next
  #decoding = false;
  #ready = null; // what is drawn next, as {bitmap, picture}
  #told = {age: null, at: -Infinity}; // the age that stands there, and since when
  #grade = "";
  #heard = 0; // when the entry came, in ms
  #changed = Date.now(); // when its state became what it is
  #size = null;

  /**
   * @param name - the camera's.
   * @param clock - the one that its pictures are dated by.
   * @param drawn - called with a picture once it is on the screen, and with whether its
   *     shape is another than the last one's.
   */
  constructor(name, clock, drawn) {
    this.name = name;
    this.#clock = clock;
    this.#drawn = drawn;
    this.rotation = load(name);
    this.canvas = element("canvas", {width: 4, height: 3});
    this.context = this.canvas.getContext("2d", {alpha: false});
    this.image = element("img", {alt: "", hidden: true, decoding: "async"});
    this.view = element("div.view", {}, this.canvas, this.image);
    this.title = element("b");
    this.state = element("span.word", {id: `state-${name}`});
    this.numbers = element("div.numbers", {"aria-hidden": "true"});
    this.trouble = element("p.trouble", {hidden: true});
    this.open = element("button.open", {type: "button", "aria-describedby": this.state.id}, this.view);
    this.root = element("li.tile", {"data-camera": name},
      this.open, element("div.name", {"aria-hidden": "true"}, this.title, this.state), this.numbers, this.trouble);
  }

  /** Take what camd says of the camera. */
  take(entry) {
    const now = performance.now();
    if (entry.state !== this.entry.state) this.#changed = Date.now();
    this.#heard = now;
    this.entry = entry;
    put(this.title, this.label);
    this.open.setAttribute("aria-label", `${this.label}: open`);
  }

  get label() { return this.entry.title || this.name; }

  /** Width / height of the picture as it is shown here. */
  get ratio() {
    const {width, height} = this.#size ?? this.entry, ratio = width && height ? width / height : 4 / 3;
    return this.rotation.turn % 180 ? 1 / ratio : ratio;
  }

  /** Fill a rectangle of the wall, with the picture as large as there is room for. */
  fit(place) {
    const {width, height} = contain(this.ratio, place), pixels = (value) => `${value.toFixed(2)}px`;
    this.width = width;
    Object.assign(this.root.style, {left: pixels(place.x), top: pixels(place.y), width: pixels(place.width), height: pixels(place.height)});
    Object.assign(this.view.style, {width: pixels(width), height: pixels(height)});
    // What is said of a picture stands on it, not beside it.
    this.root.style.setProperty("--inset-x", pixels((place.width - width) / 2));
    this.root.style.setProperty("--inset-y", pixels((place.height - height) / 2));
  }

  /** Take a picture; the newest one counts where they come faster than they are decoded. */
  show(picture) {
    this.meter.receive(performance.now(), picture.bytes);
    // A placeholder says in its picture what is said here in words, over the last one.
    if (picture.placeholder) this.#drawn(picture);
    else {
      this.#next = picture;
      if (!this.#decoding) this.#decode();
    }
  }

  async #decode() {
    this.#decoding = true;
    while (this.#next) {
      const picture = this.#next;
      this.#next = null;
      try {
        const bitmap = await decode(picture);
        this.#ready?.bitmap.close();
        this.#ready = {bitmap, picture};
        beforeRepaint(this.#draw);
      } catch {
        this.#drawn(picture); // It is damaged; the next one will do.
      }
    }
    this.#decoding = false;
  }

  #draw = () => {
    if (!this.#ready) return;
    const {bitmap, picture} = this.#ready, {width, height} = sizeOf(bitmap);
    this.#ready = null;
    if (!this.paused) {
      draw(this.canvas, this.context, bitmap, this.rotation);
      const grown = this.#size?.width * height !== this.#size?.height * width;
      this.#size = {width, height};
      const isNew = picture.captured !== this.shown?.captured;
      this.shown = picture;
      const now = performance.now(), time = this.#clock.read(now);
      this.meter.draw(now, time && Math.max(0, time.time - picture.captured), isNew);
      this.#drawn(picture, grown);
    } else this.#drawn(picture);
    bitmap.close();
  };

  /** Turn by 90 degrees, or mirror; kept for the next time. */
  async turn(change) {
    this.rotation = {...this.rotation, ...change};
    save(this.name, this.rotation);
    if (!this.shown) return;
    const bitmap = await decode(this.shown);
    draw(this.canvas, this.context, bitmap, this.rotation);
    bitmap.close();
  }

  /** Show an `<img>` in place of the canvas; null for the canvas. */
  showImage(source) {
    this.image.hidden = source === null;
    this.canvas.hidden = source !== null;
    if (source === null) this.image.removeAttribute("src");
    else if (this.image.getAttribute("src") !== source) this.image.src = source;
  }

  /**
   * Say what is on the screen at this moment.
   *
   * @param seen - `connected`, `closed` and `busy`, as verdict.js has them.
   */
  tell(now, seen) {
    const {entry, meter} = this, isImage = !this.image.hidden, time = this.#clock.read(now);
    if (time && this.shown) meter.date(now, Math.max(0, time.time - this.shown.captured));
    const age = this.shown && !isImage ? meter.age(now) : null;
    const fps = Math.min(entry.fps ?? Infinity, this.captureFps ?? Infinity);
    const verdict = judge({
      ...seen, state: entry.state, why: entry.why, refused: this.refused, age,
      picture: age !== null || isImage, paused: this.paused, interval: fps > 0 && fps < Infinity ? 1 / fps : 0,
    });
    if (verdict.word !== this.word || verdict.grade !== this.#grade) {
      [this.word, this.#grade] = [verdict.word, verdict.grade];
      Object.assign(this.root.dataset, {state: verdict.word, grade: verdict.grade});
      put(this.state, verdict.word);
    }
    // An <img> may show the placeholder, which has its own text.
    const cause = isImage && entry.state === "offline" ? "" : verdict.cause;
    this.trouble.hidden = !cause;
    put(this.trouble, cause && this.#explain(cause, now));
    this.#number(now, age, time?.error ?? null);
  }

  // Numbers that stand for a while can be read, and cost less: each is laid out again.
  #number(now, age, error) {
    const told = this.#told, moved = Math.abs((age ?? 0) - (told.age ?? 0));
    if (now - told.at < READABLE && moved < WRONG && (age === null) === (told.age === null)) return;
    this.#told = {age, at: now};
    put(this.numbers, numbers(age, error, this.meter.fps(now)));
  }

  #explain(cause, now) {
    if (this.word !== "offline") return cause;
    // By the clock that people here compare it with, which camd's may not agree with.
    const age = this.meter.age(now), since = new Date(age === null ? this.#changed : Date.now() - age * 1000);
    const wait = this.entry.next_try === null || this.entry.next_try === undefined
      ? null : this.entry.next_try - (now - this.#heard) / 1000;
    const retry = wait === null ? "" : wait > 1 ? `\nnext try in ${wait < 99 ? `${Math.round(wait)} s` : span(wait)}` : "\ntrying now";
    return `offline since ${clockTime(since)}\n${cause}${retry}`;
  }
}

function clockTime(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
}
