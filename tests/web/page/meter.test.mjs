import assert from "node:assert/strict";
import test from "node:test";

import {HISTORY, Meter} from "../../../camd/web/page/meter.js";

function steady(fps, age, seconds = 4) {
  const meter = new Meter();
  for (let count = 0; count < seconds * fps; count++) meter.draw(count * 1000 / fps, age, true);
  return meter;
}
const near = (a, b, by, what = "") => assert.ok(Math.abs(a - b) <= by, `${what} ${a}, not ${b} ± ${by}`);

test("the rate is that of new pictures", () => {
  near(steady(15, 0.05).fps(4000), 15, 0.1);
  const meter = steady(15, 0.05);
  for (let at = 4000; at < 4500; at += 10) meter.draw(at, 0.1, false);
  near(meter.fps(4000), 15, 0.5);
});

test("the rate falls while nothing comes", () => {
  const meter = steady(15, 0.05);
  assert.ok(meter.fps(6000) < 11);
  assert.ok(meter.fps(60000) < 1);
});

test("before two pictures there is no rate, before one no age", () => {
  const meter = new Meter();
  assert.deepEqual([meter.fps(0), meter.age(0), meter.rate(0)], [0, null, 0]);
  meter.draw(0, 0.05, true);
  assert.equal(meter.fps(100), 0);
});

test("quick pictures have a steady age, within half a picture of the true one", () => {
  const meter = steady(15, 0.05);
  // The last one was drawn 50 ms old, at 3933 ms.
  for (let now = 3934; now < 3999; now += 5) near(meter.age(now), 0.05 + (now - 3933.3) / 1000, 0.04, now);
  assert.equal(meter.age(3940).toFixed(3), meter.age(3990).toFixed(3));
});

test("a picture that stays too long has its own age at once", () => {
  const meter = steady(15, 0.05);
  near(meter.age(4100), 0.05 + 4.1 - 3.933, 0.01);
  near(meter.age(14000), 0.05 + 14 - 3.933, 0.01);
});

test("slow pictures have their own age", () => {
  const meter = steady(1, 0.05, 10);
  for (const wait of [10, 400, 990]) near(meter.age(9000 + wait), 0.05 + wait / 1000, 0.001);
});

test("an age that is not known stays unknown", () => {
  const meter = steady(15, null);
  assert.equal(meter.age(4000), null);
});

test("an age that becomes known after its picture was drawn counts from then on", () => {
  const meter = new Meter();
  meter.draw(1000, null, true);
  meter.date(1500, 0.7);
  near(meter.age(3000), 2.2, 1e-9);
  meter.date(3000, 9);
  near(meter.age(3000), 2.2, 1e-9);
});

test("the data rate is of the last two seconds", () => {
  const meter = new Meter();
  for (let at = 0; at < 10000; at += 100) meter.receive(at, 1000);
  near(meter.rate(10000), 10000, 600);
  assert.equal(meter.rate(20000), 0);
});

test("two minutes are kept", () => {
  const meter = new Meter();
  for (let at = 0; at < 200; at++) meter.tick(at * 1000);
  assert.equal(meter.history.length, HISTORY);
});
