// Pictures asked for one by one, where WebSockets do not get through (docs/live.md).

const AT_ONCE = 5; // requests under way: HTTP/1.1 has six connections for a host
const EVERY = 3000; // ms between two looks at the list of cameras
const PAUSE = 1000; // ms after a camera had no picture
const OVERTAKES = 10; // seconds by which an answer may be later than one that was asked for behind it

/**
 * Pulls pictures. It reports, until it is closed, to `listener`:
 *
 *     closed(status), heard(), clock(name, asked, time, heard), cameras(list), camera(entry),
 *     picture(name, picture), unable()
 *
 * `closed` has the HTTP status that ended it, 0 for none; `unable` says that pictures
 * cannot be had in this way although the list of cameras can.
 */
export class Pull {
  #root;
  #listener;
  #options;
  #wanted = {};
  #turns = []; // names, the next one first
  #states = new Map(); // name -> {frame, captured, etag, under, due}
  #under = 0;
  #timers = [];
  #failed = 0; // answers that there are no frames, in a row
  #ended = new AbortController();

  /**
   * @param root - camd's address.
   * @param listener - see above.
   * @param options - `query`: what opens frames beside the cookie, "" for nothing;
   *     `only`: the entry of the one camera, where the list may not be seen.
   */
  constructor(root, listener, {query = "", only = null}) {
    this.#root = root;
    this.#listener = listener;
    this.#options = {query, only};
    this.#timers = [
      setInterval(() => this.#list(), EVERY),
      setInterval(() => this.#next(), 50),
    ];
    this.#list();
  }

  watch(wanted) {
    this.#wanted = wanted;
    this.#turns = Object.keys(wanted);
    for (const name of this.#turns)
      if (!this.#states.has(name)) this.#states.set(name, {frame: 0, captured: 0, etag: null, under: 0, due: 0});
    this.#next();
  }

  drawn() { /* the next request says it */ }

  close() {
    this.#listener = null;
    this.#timers.forEach(clearInterval);
    this.#ended.abort();
  }

  #end(status) {
    const listener = this.#listener;
    this.close();
    listener?.closed(status);
  }

  async #list() {
    const {only} = this.#options;
    if (only) {
      if (!this.#states.size) queueMicrotask(() => this.#listener?.cameras([only]));
      return;
    }
    try {
      const answer = await fetch(`${this.#root}api/cameras`, {
        cache: "no-store", headers: {Accept: "application/json"}, signal: AbortSignal.timeout(8000),
      });
      if (!answer.ok) return this.#end(answer.status);
      const {cameras} = await answer.json();
      if (!this.#listener) return;
      this.#listener.heard();
      this.#listener.cameras(cameras.map((entry) => {
        const [width, height] = entry.camera_resolution.split("x").map(Number);
        return {...entry, width, height};
      }));
    } catch {
      this.#end(0);
    }
  }

  // Ask for as many pictures as may be under way, for each camera in turn.
  #next() {
    const now = performance.now(), single = this.#turns.length === 1;
    for (const name of [...this.#turns]) {
      if (this.#under >= AT_ONCE || this.#failed > 2) break;
      const state = this.#states.get(name);
      // A second one of the same hides the round trip.
      if (state.under >= (single ? 2 : 1) || now < state.due) continue;
      this.#turns.push(...this.#turns.splice(this.#turns.indexOf(name), 1));
      this.#ask(name, state);
    }
  }

  async #ask(name, state) {
    // With few cameras each waits for its next picture; with many, one that has none
    // would keep a connection from the others, so that camd answers at once.
    const patient = this.#turns.length <= AT_ONCE;
    const query = new URLSearchParams(this.#options.query), asked = performance.now();
    if (patient && state.frame) query.set("after", state.frame + state.under);
    if (patient && this.#wanted[name]?.auto) query.set("auto", 1);
    if (this.#wanted[name]?.width) query.set("width", this.#wanted[name].width);
    const headers = {Accept: "image/jpeg"};
    if (!patient && state.etag) headers["If-None-Match"] = state.etag;
    state.under += 1;
    this.#under += 1;
    try {
      const answer = await fetch(`${this.#root}api/${encodeURIComponent(name)}/frame?${query}`, {
        cache: "no-store", headers, signal: this.#ended.signal,
      });
      await this.#take(name, state, asked, answer);
    } catch {
      // Whether camd is there at all, the list of cameras tells where there is one.
      if (this.#options.only) this.#end(0);
      state.due = performance.now() + PAUSE;
    }
    state.under -= 1;
    this.#under -= 1;
    if (this.#listener) this.#next();
  }

  async #take(name, state, asked, answer) {
    const now = performance.now();
    if (answer.status === 401) return this.#end(401);
    this.#listener?.heard();
    if (this.#options.only && answer.headers.has("X-Camera-State"))
      this.#listener?.camera({...this.#options.only, state: answer.headers.get("X-Camera-State")});
    if (answer.status === 404 && ++this.#failed > 2) return this.#listener?.unable();
    if (answer.status !== 200) {
      if (answer.status === 304) state.due = now + 30;
      else if (answer.status !== 204) state.due = now + PAUSE;
      return;
    }
    this.#failed = 0;
    const head = answer.headers, frame = Number(head.get("X-Frame")), captured = Number(head.get("X-Timestamp"));
    // Its age when it was sent tells the time in other words. A placeholder has the time
    // of the last picture, and is not as old.
    if (head.has("X-Frame-Age") && frame) this.#listener?.clock(name, asked, captured + Number(head.get("X-Frame-Age")), now);
    const blob = await answer.blob();
    state.etag = head.get("ETag");
    // Numbers begin again when the daemon does; the time goes on, unless it was set.
    const overtaken = captured < state.captured && captured > state.captured - OVERTAKES;
    if (!this.#listener || overtaken) return;
    const repeat = frame === state.frame && captured === state.captured;
    Object.assign(state, {frame, captured});
    this.#listener.picture(name, {
      frame, captured, repeat, placeholder: frame === 0, rendition: Number(head.get("X-Rendition")) || 0,
      blob: () => blob, bytes: blob.size,
    });
  }
}
