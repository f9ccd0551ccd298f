// The dialogs: signing in, putting the wall in order, and the keys.

import {element, icon} from "./dom.js";

const KEYS = [
  ["1 – 9", "open that camera"], ["← →", "the one before, the next one"], ["Esc, G", "back to the wall"],
  ["F", "full screen"], ["S", "save the picture"], ["R", "turn it"], ["M", "mirror it"], ["P", "pause"],
  ["+ − 0", "zoom in, zoom out, whole picture"], ["I", "panel"], ["?", "this list"],
];

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

function closing(dialog, label = "Close") {
  return element("button.tool.close", {type: "button", "aria-label": label, click: () => dialog.close()}, icon("close"));
}

/** Show which keys there are. */
export function help() {
  if (document.querySelector("dialog[open]")) return;
  const dialog = element("dialog", {"aria-labelledby": "help"});
  const rows = KEYS.flatMap(([keys, what]) => [element("dt", {}, element("kbd", {}, keys)), element("dd", {}, what)]);
  dialog.append(closing(dialog), element("h2", {id: "help"}, "Keys"), element("dl.keys", {}, ...rows));
  open(dialog);
}

/**
 * Ask for a key.
 *
 * @param root - camd's address.
 * @param done - called once it was right.
 * @param why - what was wrong with what they came with.
 */
export function signIn(root, done, why = "") {
  if (document.querySelector("dialog.sign-in")) return;
  document.querySelectorAll("dialog[open]").forEach((other) => other.close());
  const key = element("input", {type: "password", id: "key", autocomplete: "current-password", required: true, spellcheck: "false"});
  const stay = element("input", {type: "checkbox", id: "stay", checked: true});
  const said = element("p.wrong", {role: "alert"}, why);
  const form = element("form", {submit: async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      // No header takes anything else.
      if (!/^[!-~]+$/.test(key.value)) throw new Error("That is not the key.");
      const answer = await fetch(`${root}api/session${stay.checked ? "?stay=1" : ""}`, {
        method: "POST", headers: {Accept: "application/json", "X-API-Key": key.value},
      });
      if (answer.status === 401) throw new Error("That is not the key.");
      // What stands ahead of camd may answer in words of its own.
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `camd answered ${answer.status}.`);
      dialog.close();
      done();
    } catch (error) {
      said.textContent = error instanceof TypeError ? "No connection to camd." : error.message;
      key.select();
    }
  }},
  element("h2", {id: "sign-in"}, "Sign in"),
  element("label", {for: "key"}, "Key"), key,
  element("p.hint", {}, "One of api_keys in camd.yaml. Where there are none, camd writes an address with a key into its log when it starts."),
  element("label.check", {}, stay, "Stay signed in"),
  said, element("button.primary", {}, "Sign in"));
  const dialog = element("dialog.sign-in", {"aria-labelledby": "sign-in", cancel: (event) => event.preventDefault()}, form);
  open(dialog);
}

/**
 * Let somebody choose which cameras are shown, in which order and groups.
 *
 * @param cameras - all there are, as {name, label}; the shown ones first, in their order.
 * @param groups - as in the address.
 * @param done - called with the groups when something has changed.
 */
export function arrange(cameras, groups, done) {
  if (document.querySelector("dialog[open]")) return;
  const groupOf = (name) => groups.find((group) => group.cameras.includes(name));
  const list = element("ol.cameras");
  const report = () => {
    const made = new Map();
    for (const row of list.children) {
      const [check, text] = row.querySelectorAll("input"), group = text.value.trim();
      if (!check.checked) continue;
      made.set(group, [...(made.get(group) ?? []), row.dataset.name]);
    }
    const alone = (name) => groups.some((group) => group.alone && group.name === name);
    const all = made.size === 1 && made.has("") && list.children.length === made.get("").length
      && [...list.children].every((row, index) => row.dataset.name === cameras.order[index]);
    done(all ? [] : [...made].map(([name, members]) => ({name, cameras: members, alone: alone(name)})));
  };
  const shift = (row, by) => {
    const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (by < 0) other.before(row);
    else other.after(row);
    report();
  };
  for (const {name, label} of cameras.list) {
    const group = groupOf(name), row = element("li", {"data-name": name});
    const up = element("button.tool", {type: "button", "aria-label": `${label}: earlier`, click: () => { shift(row, -1); up.focus(); }}, icon("up"));
    const down = element("button.tool", {type: "button", "aria-label": `${label}: later`, click: () => { shift(row, 1); down.focus(); }}, icon("down"));
    row.append(
      element("label.check", {}, element("input", {type: "checkbox", checked: !groups.length || group !== undefined, change: report}), label),
      element("input", {type: "text", placeholder: "group", "aria-label": `${label}: group`, value: group?.name ?? "", change: report}), up, down);
    list.append(row);
  }
  const dialog = element("dialog.arrange", {"aria-labelledby": "arrange"});
  dialog.append(closing(dialog), element("h2", {id: "arrange"}, "Arrange"), list,
    element("p.hint", {}, "The address of this page changes with it: bookmark it to keep this wall."));
  open(dialog);
}
