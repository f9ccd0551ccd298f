// A camera's controls in the panel: sliders, switches and lists. What its driver makes of
// a value is what they show afterwards.

import {element, icon, put} from "./dom.js";

/**
 * @property root - what is shown; hidden where the camera has no controls.
 * @property failed - whether the camera could not be asked.
 */
export class Controls {
  failed = false;
  #address;
  #rows = new Map(); // name -> {root, take}
  #known = [];
  #wanted = {}; // what is to be sent next
  #sending = false;
  #list = element("div");
  #error = element("p.wrong", {role: "alert"});
  #reset = element("button.plain", {type: "button", click: () => this.#resetAll()}, "Reset all");

  /** @param address - of `controls`, as docs/controls.md has it. */
  constructor(address) {
    this.#address = address;
    this.root = element("section", {"aria-label": "Controls", hidden: true}, element("h2", {}, "Controls"), this.#list, this.#error, this.#reset);
  }

  /** Ask how they stand. */
  load() { return this.#ask({}); }

  /** Set these; while an answer is awaited, the newest value of each waits. */
  async #set(values) {
    Object.assign(this.#wanted, values);
    if (this.#sending) return;
    this.#sending = true;
    while (Object.keys(this.#wanted).length) {
      const body = JSON.stringify(this.#wanted);
      this.#wanted = {};
      await this.#ask({method: "PUT", headers: {"Content-Type": "application/json"}, body});
    }
    this.#sending = false;
  }

  #resetAll() {
    this.#set(changed(this.#known));
    // The button goes, and would take the focus with it.
    this.#list.querySelector(":enabled").focus();
  }

  async #ask({headers, ...options}) {
    let said;
    try {
      const answer = await fetch(this.#address, {...options, cache: "no-store", headers: {Accept: "application/json", ...headers}});
      this.failed = !answer.ok && answer.status !== 404;
      if (answer.status === 404) return;
      said = await answer.json();
    } catch {
      this.failed = true;
      said = {error: "no connection to camd"};
    }
    put(this.#error, said.error ?? "");
    this.root.hidden = !this.#known.length && !said.controls && !this.#error.textContent;
    this.#show(said.controls ?? this.#known);
  }

  #show(controls) {
    const before = this.#known.map(({name}) => name).join(), now = controls.map(({name}) => name).join();
    this.#known = controls;
    if (before !== now) {
      this.#rows = new Map(controls.map((control) => [control.name, row(control, (value) => this.#set({[control.name]: value}))]));
      this.#list.replaceChildren(...[...this.#rows.values()].map(({root}) => root));
    }
    for (const control of controls)
      if (!(control.name in this.#wanted)) this.#rows.get(control.name).take(control);
    this.#reset.hidden = !Object.keys(changed(controls)).length;
  }
}

/** The default of each control that stands otherwise and can be set now. */
export function changed(controls) {
  return Object.fromEntries(controls
    .filter((control) => isSettable(control) && control.default !== null && control.value !== control.default)
    .map((control) => [control.name, control.default]));
}

function isSettable({read_only: readOnly, inactive, busy}) { return !readOnly && !inactive && !busy; }

/** Words for people: "exposure_time_absolute" is "Exposure time absolute". */
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// One control: its name, what sets it, and the way back to its default.
function row(control, set) {
  const {name, type} = control, id = `control-${name}`, label = words(name);
  const {input, read, write} = (FIELDS[type] ?? plain)(control, id, set);
  if (type === "button") return {root: element("div.control", {}, input), take: (now) => { input.disabled = !isSettable(now); }};
  const value = element("output", {for: id, "aria-live": "off"}); // What sets it tells it already.
  let fallback = control.default;
  const back = element("button.tool", {
    type: "button", title: "Reset", "aria-label": `Reset ${label}`, click: () => { write(fallback); set(fallback); input.focus(); },
  }, icon("reset"));
  input.addEventListener("input", () => put(value, read()));
  const root = element("div.control", {}, element("label", {for: id}, label), value, back, input);
  const take = (now) => {
    fallback = now.default;
    input.disabled = !isSettable(now);
    root.title = now.inactive ? "Another control has switched it off" : now.busy ? "In use" : "";
    write(now.value);
    put(value, type === "int" ? read() : "");
    back.classList.toggle("off", input.disabled || now.default === null || now.value === now.default);
  };
  return {root, take};
}

const FIELDS = {int: slider, bitmask: number, bool: toggle, menu: choice, intmenu: choice, button: push};

function slider({min, max, step}, id, set) {
  const input = element("input", {type: "range", id, min, max, step: step || 1, input: () => set(input.valueAsNumber)});
  return {input, read: () => input.value, write: (value) => { input.value = value; }};
}

function number({min, max}, id, set) {
  const input = element("input", {type: "number", id, min, max, change: () => set(input.valueAsNumber)});
  return {input, read: () => "", write: (value) => { input.value = value; }};
}

function toggle(_, id, set) {
  const input = element("input", {type: "checkbox", role: "switch", id, change: () => set(input.checked)});
  return {input, read: () => "", write: (value) => { input.checked = value === true; }};
}

function choice({choices}, id, set) {
  const input = element("select", {id, change: () => set(Number(input.value))},
    ...choices.map(({value, name}) => element("option", {value}, String(name))));
  return {input, read: () => "", write: (value) => { input.value = value; }};
}

function push({name}, id, set) {
  return {input: element("button.plain", {type: "button", id, click: () => set(true)}, words(name))};
}

function plain(_, id) {
  const input = element("input", {type: "text", id, readonly: true});
  return {input, read: () => "", write: (value) => { input.value = value ?? "–"; }};
}
