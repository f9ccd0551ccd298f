// Elements, made as text and never as markup: what a camera is called is hostile.

/**
 * Make an element.
 *
 * @param tag - "button" or "button.quiet".
 * @param attributes - null and false leave one out; a function is a listener.
 * @param children - nodes and texts.
 */
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  node.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of the sheet in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A line through values from 0 up, as SVG; null leaves a gap. */
export function plot(values, length, most) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 240 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  let line = "", pen = "M";
  values.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    const x = (index + length - values.length) / (length - 1) * 240;
    line += `${pen}${x.toFixed(1)} ${(39 - Math.min(1, value / most) * 38).toFixed(1)}`;
    pen = "L";
  });
  path.setAttribute("d", line || "M0 39");
  svg.append(path);
  return svg;
}

/** Set a node's text if it is another one: a text that is set again is laid out again. */
export function put(node, text) { if (node.textContent !== text) node.textContent = text; }

/** A button with an icon, named for everybody. */
export function tool(name, label, key, act) {
  return element("button.tool", {
    type: "button", "data-tool": name, "aria-label": label, title: key ? `${label} (${key})` : label,
    "aria-keyshortcuts": key || null, click: act,
  }, icon(name));
}

/** Save a blob under a name. */
export function download(blob, name) {
  const link = element("a", {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
