// The side panel of the picture in the window: two minutes of it, facts, addresses.

import {Controls} from "./controls.js";
import {element, icon, plot, put} from "./dom.js";
import {elsewhere} from "./elsewhere.js";
import {HISTORY} from "./meter.js";
import {OLD, span} from "./verdict.js";

const WAYS = {live: "live channel", pull: "one request each", img: "stream in an <img>"};
const LASTS = [["15m", "15 minutes"], ["1h", "1 hour"], ["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"]];

/**
 * @param session - what the person who looks may do: {rights}.
 * @param say - tells a line to those who cannot see the page.
 */
export class Panel {
  #root;
  #session;
  #say;
  #feed;
  #tile = null;
  #rights = "";
  #plots = {};
  #facts = {};
  #rates = {};
  #watched = {};
  #controls = null;
  #state = "";

  constructor(root, feed, session, say) {
    this.#root = root;
    this.#feed = feed;
    this.#session = session;
    this.#say = say;
    setInterval(() => this.#tell(), 1000);
  }

  /** Tell of a tile, and offer what the person who looks may do; null closes the panel. */
  show(tile, tools = []) {
    const rights = this.#session.rights.join();
    this.#root.hidden = tile === null;
    if (tile === this.#tile && rights === this.#rights) return;
    [this.#tile, this.#rights] = [tile, rights];
    this.#controls = null;
    this.#root.replaceChildren(...(tile ? this.#parts(tile, tools) : []));
    this.#tell();
  }

  rates(rates) { this.#rates = rates.cameras ?? {}; }
  /** Only what has changed may come: the rest is as it was. */
  watched(watch) { Object.assign(this.#watched, watch); }

  #parts(tile, tools) {
    const plots = [["age", "Age"], ["fps", "Pictures"], ["rate", "Data"]].map(([key, label]) => {
      const [value, picture] = [element("output", {"aria-live": "off"}), element("div.plot")];
      this.#plots[key] = {value, picture};
      return element("div", {}, element("h3", {}, label, value), picture);
    });
    const facts = [["size", "Resolution"], ["rendition", "Shown"], ["encoder", "Encoder"], ["viewers", "Viewers"], ["way", "Comes by"]];
    const list = element("dl", {}, ...facts.flatMap(([key, label]) => {
      this.#facts[key] = element("dd", {}, "–");
      return [element("dt", {}, label), this.#facts[key]];
    }));
    this.#fetchStats(tile);
    if (this.#session.rights.includes("control")) {
      this.#controls = new Controls(`${this.#feed.root}api/${encodeURIComponent(tile.name)}/controls`);
      this.#controls.load();
    }
    return [
      element("div.tools", {role: "group", "aria-label": "Picture"}, ...tools),
      element("section", {"aria-label": "The last two minutes"}, element("h2", {}, "On this screen"), ...plots),
      element("section", {"aria-label": "The camera"}, element("h2", {}, "Camera"), list),
      this.#controls?.root ?? null,
      this.#session.rights.includes("sign") ? this.#share(tile) : null,
      this.#elsewhere(tile),
    ].filter(Boolean);
  }

  #tell() {
    const tile = this.#tile, now = performance.now();
    if (!tile || document.hidden) return;
    const history = tile.meter.history, age = tile.meter.age(now);
    const show = (key, text, most) => {
      put(this.#plots[key].value, text);
      this.#plots[key].picture.replaceChildren(plot(history.map((second) => second[key]), HISTORY, most));
    };
    const most = (key, least) => Math.max(least, ...history.map((second) => second[key] ?? 0));
    show("age", age === null ? "–" : span(age), most("age", OLD / 4));
    show("fps", `${tile.meter.fps(now).toFixed(1)} fps`, most("fps", 5));
    show("rate", `${(tile.meter.rate(now) / 1000).toFixed(0)} KB/s`, most("rate", 1000));
    const {state} = tile.entry, isBack = state === "live" && this.#state !== "live";
    this.#state = state;
    if (isBack && this.#controls?.failed) this.#controls.load();
    const {width, height} = tile.entry, watch = this.#watched[tile.name], shown = tile.shown;
    const size = (w, h) => (w && h ? `${w} × ${h}` : "–");
    put(this.#facts.size, size(width, height));
    put(this.#facts.rendition, watch?.width ? size(watch.width, watch.height) : shown ? (shown.rendition ? "smaller" : "whole picture") : "–");
    put(this.#facts.way, WAYS[this.#feed.way] ?? "–");
    const rates = this.#rates[tile.name];
    if (rates) put(this.#facts.viewers, String(rates.active_clients));
  }

  // What the live channel does not tell, asked for once.
  async #fetchStats(tile) {
    try {
      const answer = await fetch(`${this.#feed.root}api/${encodeURIComponent(tile.name)}/stream/stats`, {headers: {Accept: "application/json"}});
      if (!answer.ok || tile !== this.#tile) return;
      const stats = await answer.json(), quality = stats.jpeg_quality ? `, quality ${stats.jpeg_quality}` : "";
      const made = {passthrough: "the camera's own JPEG", opencv: "camd"}[stats.encoder] ?? "–";
      put(this.#facts.encoder, made + quality);
      put(this.#facts.viewers, String(stats.active_clients));
    } catch { /* "–" stays */ }
  }

  #elsewhere(tile) {
    const lines = elsewhere(this.#feed.root, tile.name, tile.label).map(({label, text}) =>
      element("div.line", {}, element("h3", {}, label, this.#copyButton(text, label)), element("pre", {tabindex: "0", "aria-label": label}, text)));
    return element("details", {}, element("summary", {}, "Use it elsewhere"),
      element("p.hint", {}, "Put your key in place of KEY."), ...lines);
  }

  #share(tile) {
    const last = element("select", {"aria-label": "How long the link holds"}, ...LASTS.map(([value, text]) => element("option", {value}, text)));
    const result = element("div", {role: "status"});
    const make = async () => {
      try {
        const answer = await post(`${this.#feed.root}api/sign`, {path: `${tile.name}/embed`, for: last.value});
        const url = new URL(answer.url, this.#feed.root).href;
        const {svg} = await post(`${this.#feed.root}api/qr`, {text: url});
        result.replaceChildren(
          element("img.qr", {src: `data:image/svg+xml,${encodeURIComponent(svg)}`, alt: "QR code of the link"}),
          element("div.line", {}, element("h3", {}, "Link", this.#copyButton(url, "the link")), element("pre", {tabindex: "0", "aria-label": "Link"}, url)));
      } catch (error) {
        result.replaceChildren(element("p.hint", {}, error.message));
      }
    };
    return element("details.share", {}, element("summary", {}, "Share"),
      element("p.hint", {}, "Anyone with the link sees this camera without a key, until the link expires."),
      element("div.row", {}, last, element("button.primary", {type: "button", click: make}, "Make a link")), result);
  }

  #copyButton(text, label) {
    const button = element("button.tool", {type: "button", "aria-label": `Copy ${label}`, title: "Copy", click: async () => {
      // Without HTTPS there is no clipboard for scripts: the text is selected, to be copied.
      try {
        await navigator.clipboard.writeText(text);
        button.classList.add("done");
        this.#say("copied");
      } catch {
        getSelection().selectAllChildren(button.closest(".line").querySelector("pre"));
        this.#say("selected; copy it with your keyboard");
      }
      setTimeout(() => button.classList.remove("done"), 1500);
    }}, icon("copy"));
    return button;
  }
}

async function post(address, content) {
  const answer = await fetch(address, {
    method: "POST", headers: {"Content-Type": "application/json", Accept: "application/json"}, body: JSON.stringify(content),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}
