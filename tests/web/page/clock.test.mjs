import assert from "node:assert/strict";
import test from "node:test";

import {Clock} from "../../../camd/web/page/clock.js";

test("before the first answer nothing is known", () => assert.equal(new Clock().read(0), null));

test("the time is within the error, whichever way was slow", () => {
  for (const [there, back] of [[10, 10], [200, 5], [5, 200], [0, 0]]) {
    const clock = new Clock(), ahead = 1e9;
    clock.sample(1000, 1000 + there + back, (1000 + there) / 1000 + ahead);
    const {time, error} = clock.read(2000);
    assert.ok(Math.abs(time - (2 + ahead)) <= error + 1e-6, `${there}, ${back}`);
  }
});

test("the quickest answer of the last half minute counts", () => {
  const clock = new Clock();
  clock.sample(0, 20, 100.01);
  clock.sample(1000, 1900, 101.9);
  assert.ok(clock.read(2000).error < 0.0105);
  // It is older than that now, and clocks drift.
  clock.sample(40000, 40100, 140.05);
  assert.ok(clock.read(40100).error > 0.049);
});

test("what one machine said is forgotten for another one", () => {
  const clock = new Clock();
  clock.sample(0, 20, 100);
  clock.forget();
  assert.equal(clock.read(100), null);
});

for (const step of [-3600, -0.8, 0.8, 3600])
  test(`a clock that was set by ${step} s is believed with the next answer`, () => {
    const clock = new Clock();
    clock.sample(1000, 1010, 100.005);
    clock.sample(3000, 3200, 102.1 + step);
    assert.ok(Math.abs(clock.read(3200).time - 102.2 - step) < 0.11);
  });

test("an answer that took longer does not unseat a better one that it agrees with", () => {
  const clock = new Clock();
  clock.sample(1000, 1010, 100.005);
  clock.sample(3000, 4000, 102.9);
  assert.ok(Math.abs(clock.read(4000).time - 103) < 0.01);
});
