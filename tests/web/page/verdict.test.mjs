import assert from "node:assert/strict";
import test from "node:test";

import {grade, judge, numbers, span} from "../../../camd/web/page/verdict.js";

const WELL = {closed: null, connected: true, state: "live", why: null, refused: null, age: 0.1, picture: true, paused: false, interval: 1 / 15};

test("neutral under half a second, amber up to two, red above", () => {
  assert.deepEqual([0, 0.49, 0.5, 1.99, 2, 60, null].map(grade),
    ["fresh", "fresh", "late", "late", "old", "old", "unknown"]);
});

test("a span has as many digits as one can use", () => {
  assert.deepEqual([0.184, 1.26, 8.4, 61, 300, 7200, 400000, -1].map(span),
    ["0.18 s", "1.3 s", "8 s", "61 s", "5 min", "2 h", "5 d", "0.00 s"]);
});

test("the numbers tell how sure the age is, and of an old picture nothing but its age", () => {
  assert.equal(numbers(0.184, 0.021, 14.93), "0.18 s ± 0.02 · 15 fps");
  assert.equal(numbers(0.184, 0.001, 4.93), "0.18 s ± 0.01 · 4.9 fps");
  assert.equal(numbers(0.184, 0.021, 0), "0.18 s ± 0.02");
  assert.equal(numbers(8.2, 0.02, 0), "8 s old");
  assert.equal(numbers(null, null, 0), "");
});

test("a fresh picture of a camera that works is live", () => {
  assert.deepEqual(judge(WELL), {word: "live", cause: "", grade: "fresh"});
});

test("nothing else is ever called live", () => {
  const kinds = {
    closed: [null, "signed out"], connected: [true, false], state: ["starting", "live", "stalled", "offline", "idle"], why: [null, "x"], refused: [null, "full"],
    age: [0.1, 0.6, 2.5, 100, null], picture: [true, false], paused: [true, false], interval: [0, 1 / 15, 10],
  };
  const all = Object.entries(kinds).reduce((seen, [key, values]) => seen.flatMap((s) => values.map((v) => ({...s, [key]: v}))), [{}]);
  for (const seen of all) {
    if (judge(seen).word !== "live") continue;
    assert.ok(!seen.closed && seen.connected && seen.state === "live" && !seen.refused && seen.picture && !seen.paused && seen.age < 0.5, JSON.stringify(seen));
  }
});

test("it says which side is slow", () => {
  const word = (change) => judge({...WELL, ...change}).word;
  assert.equal(word({age: 1}), "your link is slow");
  assert.equal(word({age: 9}), "your link is slow");
  assert.equal(word({age: 1, interval: 1}), "slow camera");
  assert.equal(word({age: 1, busy: true}), "this device is slow");
  assert.equal(word({age: 9, state: "stalled"}), "camera silent");
  assert.equal(word({age: 9, connected: false}), "no connection");
  assert.equal(word({age: 9, state: "offline"}), "offline");
});

test("who is signed out is told that, whatever else there is", () => {
  const signedOut = {word: "signed out", cause: "signed out", grade: "old"};
  for (const connected of [true, false])
    assert.deepEqual(judge({...WELL, closed: "signed out", connected, refused: "too many viewers"}), signedOut);
});

test("a cause stands over a picture only when it is old, or there is none to come", () => {
  assert.equal(judge({...WELL, age: 1}).cause, "");
  assert.equal(judge({...WELL, age: 9}).cause, "your link is slow");
  assert.equal(judge({...WELL, state: "offline", why: "no such device"}).cause, "no such device");
  assert.equal(judge({...WELL, refused: "too many viewers"}).cause, "too many viewers");
});

test("a tile that waits for its first picture says so", () => {
  assert.equal(judge({...WELL, picture: false, age: null}).word, "connecting");
  assert.equal(judge({...WELL, picture: false, age: null, state: "starting"}).word, "starting");
});

test("a picture whose age cannot be known is not said to be live", () => {
  assert.equal(judge({...WELL, age: null}).word, "age unknown");
});
