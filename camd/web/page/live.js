// The live channel: one WebSocket for all cameras (docs/live.md).

import {atWork, busySince} from "./busy.js";
import {Acks, parse} from "./picture.js";

const LONGEST = 16384; // bytes of a message to camd
const ASK_CLOCK = 2000, SILENCE = 10000; // ms

/**
 * One connection. It reports, until it is closed, to `listener`:
 *
 *     opened(), closed(code, wasOpen), heard(), clock(name, asked, time, heard),
 *     cameras(list), camera(entry), watched(byName), rates(rates), picture(name, picture)
 */
export class LiveChannel {
  #socket;
  #listener;
  #acks = new Acks();
  #names = new Map(); // camd's number -> name
  #watching = ""; // the last message of what is wanted
  #watched = {}; // what it said
  #watchedAt = 0; // when, in ms
  #asked = null; // when the time was asked for last, as long as there is no answer
  #quickest = null; // the answer that took the least time, as {asked, time, heard}
  #dated = new Map(); // name -> {since, isSure}: when its first picture came, whether its clock is known
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
    this.#watched = Object.fromEntries(entries);
    this.#watchedAt = performance.now();
    this.#socket.send(text);
  }

  /** Say that a picture is on the screen. */
  drawn(picture) {
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
    this.#asked = performance.now();
    this.#send("clock", this.#asked);
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
    const came = busySince(this.#heard);
    atWork();
    if (typeof data !== "string") this.#receivePicture(data, came);
    else this.#receiveText(JSON.parse(data));
  }

  #receivePicture(data, came) {
    const picture = parse(data), name = picture && this.#names.get(picture.camera);
    if (!name) return;
    this.#acks.came(picture, this.#heard, came);
    if (!picture.placeholder && !this.#dated.has(name)) {
      this.#dated.set(name, {since: this.#heard, isSure: false});
      if (this.#asked === null) this.#askClock();
    }
    picture.blob = () => new Blob([picture.jpeg], {type: "image/jpeg"});
    picture.bytes = data.byteLength;
    this.#listener.picture(name, picture);
  }

  #receiveText(said) {
    const listener = this.#listener;
    if (said.cameras) {
      this.#names = new Map(said.cameras.map(({number, name}) => [number, name]));
      listener.cameras(said.cameras);
    }
    if (said.live) {
      this.#open = true;
      this.#acks.tellsTime = said.ack_ms === true;
      this.#askClock();
      listener.opened(); // after the cameras: by now it is known what is wanted of them
    }
    if (said.clock !== undefined) this.#receiveTime(said);
    if (said.camera) listener.camera(said.camera);
    if (said.watch) listener.watched(said.watch);
    if (said.rates) listener.rates(said.rates);
  }

  // Whose clock a camera's pictures are dated by is sure once one of them has come, and
  // is said of the cameras that are watched: an answer counts for a camera if the question
  // was asked behind both.
  #receiveTime({clock: asked, time, times = {}}) {
    const answer = {asked, time, heard: this.#heard};
    if (!this.#quickest || answer.heard - asked < this.#quickest.heard - this.#quickest.asked) this.#quickest = answer;
    const watched = [...this.#dated].filter(([name]) => name in this.#watched);
    for (const [name, dated] of watched) {
      if (asked <= this.#watchedAt || asked < dated.since) continue;
      // An answer from before the first picture was not held up by any.
      if (!dated.isSure && !(name in times)) this.#listener.clock(name, this.#quickest.asked, this.#quickest.time, this.#quickest.heard);
      dated.isSure = true;
      this.#listener.clock(name, asked, times[name] ?? time, this.#heard);
    }
    if (asked !== this.#asked) return;
    this.#asked = null;
    // Browsers may round the time: what is asked at once would count no more than this.
    if (performance.now() > this.#watchedAt && watched.some(([, {isSure}]) => !isSure)) this.#askClock();
  }
}
