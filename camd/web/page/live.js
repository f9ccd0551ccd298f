// The live channel: one WebSocket for all cameras (docs/live.md).

import {Acks, parse} from "./picture.js";

const LONGEST = 4096; // bytes of a message to camd
const ASK_CLOCK = 2000, SILENCE = 10000; // ms

/**
 * One connection. It reports, until it is closed, to `listener`:
 *
 *     opened(), closed(code, wasOpen), heard(), clock(asked, time), cameras(list),
 *     camera(entry), watched(byName), rates(rates), picture(name, picture)
 */
export class LiveChannel {
  #socket;
  #listener;
  #acks = new Acks();
  #names = new Map(); // camd's number -> name
  #numbers = new Map();
  #ahead = new Map(); // name -> seconds that the clock of its pictures is ahead of camd's
  #watching = "";
  #open = false;
  #heard = performance.now();
  #timers = [];
  #later = 0; // a time-out for what must not be said yet

  constructor(address, listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(address);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({data}) => this.#receive(data);
    this.#socket.onclose = ({code}) => this.#closed(code);
    this.#timers = [
      setInterval(() => this.#askClock(), ASK_CLOCK),
      setInterval(() => this.#acknowledge(), 50),
    ];
  }

  /** Say what is wanted from now on: name -> {width, weight, auto}. */
  watch(wanted) {
    // What is too long for one message closes the connection; the first ones are the
    // ones that are looked at.
    const entries = Object.entries(wanted);
    let text = "";
    do text = JSON.stringify({watch: Object.fromEntries(entries)});
    while (text.length > LONGEST && entries.pop());
    if (!this.#open || text === this.#watching) return;
    this.#watching = text;
    this.#socket.send(text);
  }

  /** Say that a picture is on the screen. */
  drawn(name, picture) {
    const number = this.#numbers.get(name);
    if (number === undefined) return;
    this.#acks.drawn(picture);
    this.#acknowledge();
  }

  close() {
    this.#listener = null;
    this.#socket.close();
    this.#timers.forEach(clearInterval);
    clearTimeout(this.#later);
  }

  #send(key, value) {
    if (value && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({[key]: value}));
  }

  #acknowledge() {
    const now = performance.now();
    this.#send("ack", this.#acks.take(now));
    const wait = this.#acks.due - now;
    if (wait < 50 && !this.#later)
      this.#later = setTimeout(() => { this.#later = 0; this.#acknowledge(); }, wait);
  }

  #askClock() {
    if (this.#open && performance.now() - this.#heard > SILENCE) {
      // The connection is dead without knowing it, and its own close would wait, too.
      this.#socket.close();
      this.#closed(1006);
      return;
    }
    this.#send("clock", performance.now());
  }

  #closed(code) {
    const listener = this.#listener;
    this.close();
    listener?.closed(code, this.#open);
  }

  #receive(data) {
    if (!this.#listener) return;
    this.#heard = performance.now();
    this.#listener.heard();
    if (typeof data !== "string") this.#receivePicture(data);
    else this.#receiveText(JSON.parse(data));
  }

  #receivePicture(data) {
    const picture = parse(data), name = picture && this.#names.get(picture.camera);
    if (name === undefined || name === null) return;
    this.#acks.came(picture, performance.now());
    picture.captured -= this.#ahead.get(name) ?? 0;
    picture.blob = () => new Blob([picture.jpeg], {type: "image/jpeg"});
    picture.bytes = data.byteLength;
    this.#listener.picture(name, picture);
  }

  #receiveText(said) {
    const listener = this.#listener;
    if (said.cameras) {
      this.#names = new Map(said.cameras.map(({number, name}) => [number, name]));
      this.#numbers = new Map(said.cameras.map(({number, name}) => [name, number]));
      listener.cameras(said.cameras);
    }
    if (said.live) {
      this.#open = true;
      this.#askClock();
      listener.opened(); // after the cameras: by now it is known what is wanted of them
    }
    for (const [name, time] of Object.entries(said.times ?? {})) this.#ahead.set(name, time - said.time);
    if (said.clock !== undefined && said.time) listener.clock(said.clock, said.time);
    if (said.camera) listener.camera(said.camera);
    if (said.watch) listener.watched(said.watch);
    if (said.rates) listener.rates(said.rates);
  }
}
