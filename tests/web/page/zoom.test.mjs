import assert from "node:assert/strict";
import test from "node:test";

import {MOST, WHOLE, inside, pan, transform, zoom} from "../../../camd/web/page/zoom.js";

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);

test("what is under the pointer stays there", () => {
  for (const at of [{x: 0.3, y: 0.6}, {x: 0.5, y: 0.5}, {x: 0, y: 1}]) {
    const view = zoom(WHOLE, 4, at);
    near(view.x + (at.x - 0.5) / view.scale, at.x);
    near(view.y + (at.y - 0.5) / view.scale, at.y);
  }
});

test("it goes to eight and back to the whole picture", () => {
  let view = WHOLE;
  for (let i = 0; i < 20; i++) view = zoom(view, 2, {x: 0.1, y: 0.9});
  assert.equal(view.scale, MOST);
  for (let i = 0; i < 20; i++) view = zoom(view, 0.5, {x: 0.9, y: 0.1});
  assert.deepEqual(view, WHOLE);
});

test("nobody pans out of the picture", () => {
  const view = pan(zoom(WHOLE, 2), 10, -10);
  assert.deepEqual(view, {scale: 2, x: 0.25, y: 0.75});
  assert.deepEqual(pan(WHOLE, 0.3, 0.3), WHOLE);
  assert.deepEqual(inside({scale: 99, x: 2, y: -2}), {scale: 8, x: 1 - 1 / 16, y: 1 / 16});
});

test("the transform brings the point to the middle", () => {
  assert.equal(transform({scale: 2, x: 0.25, y: 0.5}), "scale(2) translate(25%, 0%)");
});
