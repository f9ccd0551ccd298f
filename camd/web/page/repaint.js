// All pictures that have come are drawn in one go, right before the screen is.

import {atWork} from "./busy.js";

const due = new Set();

/**
 * Draw before the next repaint; at once where nobody sees the page, as there is none.
 *
 * @param draw - called once, however often it was given; it draws what is newest then.
 */
export function beforeRepaint(draw) {
  if (document.hidden) {
    draw();
    return;
  }
  if (!due.size) requestAnimationFrame(drawAll);
  due.add(draw);
}

function drawAll() {
  atWork(); // What it takes to paint the screen comes behind this.
  const draws = [...due];
  due.clear();
  for (const draw of draws) draw();
}
