// Where pictures come from: the live channel, else one request each, else <img>.

import {Clock} from "./clock.js";
import {LiveChannel} from "./live.js";
import {Pull} from "./pull.js";

const OPENS = 2000; // ms that the live channel may take to open
const TRY_LIVE = 60000; // ms until it is tried again where it did not get through
const SILENT = 5000; // ms without a word from camd; it is asked for one every 2 or 3 s
const LONGEST_WAIT = 10000;

/**
 * The pictures of all cameras, from one connection after another. It reports to
 * `listener`:
 *
 *     cameras(list), camera(entry), watched(byName), rates(rates),
 *     picture(name, picture), way(name), signedOut()
 *
 * `way` is "live", "pull", "img", or null while there is no connection.
 *
 * @property way - as above.
 * @property isSignedOut - whether camd lets this page in no more.
 * @property root - camd's address, with a slash at its end.
 */
export class Feed {
  way = null;
  isSignedOut = false;
  root;
  #listener;
  #options;
  #source = null; // what is in use
  #next = null; // what may come to be
  #wanted = {};
  #heard = performance.now();
  #lost = 0;
  #timer = 0;
  #address;
  #clocks = new Map(); // name -> Clock

  /**
   * @param root - see above.
   * @param listener - see above.
   * @param options - `live`: the path of the channel; and those of Pull.
   */
  constructor(root, listener, {live = "api/live", ...options} = {}) {
    this.root = root;
    this.#listener = listener;
    this.#options = options;
    this.#address = new URL(live, root.replace(/^http/, "ws")).href;
  }

  start() {
    this.isSignedOut = false;
    this.#openLive();
  }

  /** End all connections; `start` begins again. */
  stop() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#next?.close();
    this.#source = this.#next = null;
    this.#clocks.forEach((clock) => clock.forget());
    this.#become(null);
  }

  /** End all connections, as camd lets this page in no more. */
  signOut() {
    this.isSignedOut = true;
    this.stop();
    this.#listener.signedOut();
  }

  /** The clock that a camera's pictures are dated by: another camd's may not agree. */
  clock(name) {
    if (!this.#clocks.has(name)) this.#clocks.set(name, new Clock());
    return this.#clocks.get(name);
  }

  /** Whether camd was heard lately. */
  connected(now) { return this.way !== null && now - this.#heard < SILENT; }

  /** Say which pictures are wanted: name -> {width, weight}. */
  watch(wanted) {
    this.#wanted = wanted;
    this.#source?.watch(wanted);
  }

  /** Say that a picture is on the screen. */
  drawn(picture) { this.#source?.drawn(picture); }

  #become(way) {
    if (this.way === way) return;
    this.way = way;
    this.#listener.way(way);
  }

  #common() {
    const listener = this.#listener;
    return {
      heard: () => { this.#heard = performance.now(); },
      clock: (name, asked, time, heard) => this.clock(name).sample(asked, heard, time),
      cameras: (list) => listener.cameras(list),
      camera: (entry) => listener.camera(entry),
      watched: (watch) => listener.watched(watch),
      rates: (rates) => listener.rates(rates),
      picture: (name, picture) => listener.picture(name, picture),
    };
  }

  #openLive() {
    const channel = new LiveChannel(this.#address, {
      ...this.#common(),
      opened: () => {
        clearTimeout(this.#timer);
        this.#use(channel, "live");
      },
      closed: (code, wasOpen) => {
        clearTimeout(this.#timer);
        if (wasOpen) this.#again(code === 1008 ? 0 : code === 1001 ? 2000 * Math.random() : this.#wait());
        else this.#openPull();
      },
    });
    this.#next = channel;
    this.#timer = setTimeout(() => {
      channel.close();
      this.#openPull();
    }, OPENS);
  }

  #use(source, way) {
    this.#source?.close();
    this.#source = source;
    this.#next = null;
    this.#lost = 0;
    this.#become(way);
    source.watch(this.#wanted);
  }

  // Also finds out why the live channel did not open.
  #openPull() {
    if (this.way !== null) {
      this.#timer = setTimeout(() => this.#openLive(), TRY_LIVE);
      return;
    }
    const common = this.#common();
    const source = new Pull(this.root, {
      ...common,
      cameras: (list) => {
        if (this.#source !== source) {
          this.#use(source, "pull");
          this.#timer = setTimeout(() => this.#openLive(), TRY_LIVE);
        }
        common.cameras(list);
      },
      closed: (status) => {
        clearTimeout(this.#timer);
        if (status === 401) this.signOut();
        else this.#again(this.#wait());
      },
      unable: () => this.#become("img"),
    }, this.#options);
    this.#next = source;
  }

  #wait() {
    this.#lost += 1;
    return Math.min(LONGEST_WAIT, 500 * 2 ** this.#lost) * (0.5 + Math.random() / 2);
  }

  #again(wait) {
    this.stop();
    this.#timer = setTimeout(() => this.#openLive(), wait);
  }
}
