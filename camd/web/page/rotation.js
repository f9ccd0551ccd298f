// How a person has turned a camera's pictures here, kept per camera in this browser.

import {sizeOf} from "./decode.js";

/** Read what was kept; {turn: 0, mirror: false} without it. */
export function load(name) {
  try {
    const {turn, mirror} = JSON.parse(localStorage.getItem(`camd.view.${name}`)) ?? {};
    return {turn: [90, 180, 270].includes(turn) ? turn : 0, mirror: mirror === true};
  } catch {
    return {turn: 0, mirror: false}; // storage may be forbidden
  }
}

export function save(name, {turn, mirror}) {
  try {
    if (turn || mirror) localStorage.setItem(`camd.view.${name}`, JSON.stringify({turn, mirror}));
    else localStorage.removeItem(`camd.view.${name}`);
  } catch { /* it holds until the page is closed */ }
}

/** Draw a picture turned and mirrored, at its own size; sizes the canvas to it. */
export function draw(canvas, context, picture, {turn, mirror}) {
  const {width, height} = sizeOf(picture), across = turn % 180 !== 0;
  const [wide, high] = across ? [height, width] : [width, height];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, {width: wide, height: high});
  if (!turn && !mirror) {
    context.drawImage(picture, 0, 0);
    return;
  }
  context.save();
  context.translate(wide / 2, high / 2);
  if (mirror) context.scale(-1, 1);
  context.rotate(turn * Math.PI / 180);
  context.drawImage(picture, -width / 2, -height / 2);
  context.restore();
}
