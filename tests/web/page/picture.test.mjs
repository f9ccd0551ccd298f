import assert from "node:assert/strict";
import test from "node:test";

import {Acks, parse} from "../../../camd/web/page/picture.js";

function message({version = 1, length = 24, flags = 0, size = 30} = {}) {
  const data = new ArrayBuffer(size), view = new DataView(data);
  view.setUint8(0, version);
  view.setUint8(1, length);
  view.setUint8(2, flags);
  view.setUint8(3, 2);
  view.setUint16(4, 7);
  view.setUint16(6, 640);
  view.setUint16(8, 480);
  view.setUint32(12, 4294967295);
  view.setFloat64(16, 1795947703.25);
  return data;
}

test("a picture's header is read as docs/live.md has it", () => {
  const {jpeg, ...picture} = parse(message());
  assert.deepEqual(picture, {
    placeholder: false, repeat: false, asks: false, rendition: 2, camera: 7, width: 640, height: 480, frame: 4294967295, captured: 1795947703.25,
  });
  assert.equal(jpeg.length, 6);
});

test("flags tell of placeholders and repeats, and others are no matter", () => {
  assert.deepEqual([0, 1, 2, 3, 252].map((flags) => [parse(message({flags})).placeholder, parse(message({flags})).repeat]),
    [[false, false], [true, false], [false, true], [true, true], [false, false]]);
});

test("a longer header is skipped, another version or half a message ignored", () => {
  assert.equal(parse(message({length: 28})).jpeg.length, 2);
  assert.equal(parse(message({version: 2})), null);
  assert.equal(parse(message({length: 31})), null);
  assert.equal(parse(message({length: 8})), null);
  assert.equal(parse(new ArrayBuffer(10)), null);
});

/** Acknowledgements to a camd that is told times. */
function timed() {
  const acks = new Acks();
  acks.tellsTime = true;
  return acks;
}

function come(acks, camera, frame, now, asks = true) {
  const picture = {camera, frame, asks};
  acks.came(picture, now);
  return picture;
}

test("what asks for it is acknowledged once it is drawn, and what does not is not", () => {
  const acks = timed(), first = come(acks, 1, 7, 0);
  assert.equal(acks.take(5), null);
  acks.drawn(first);
  assert.deepEqual(acks.take(10), [[1, 7, 10]]);
  acks.drawn(come(acks, 1, 8, 66, false));
  assert.equal(acks.take(70), null);
});

test("one that may have come before it was seen says so", () => {
  const acks = timed(), picture = {camera: 1, frame: 7, asks: true};
  acks.came(picture, 100, 60);
  acks.drawn(picture);
  assert.deepEqual(acks.take(110), [[1, 7, 50]]);
});

test("a newer picture that was drawn instead is acknowledged", () => {
  const acks = timed();
  come(acks, 1, 7, 0);
  acks.drawn(come(acks, 1, 8, 66, false));
  assert.deepEqual(acks.take(70.4), [[1, 8, 4]]);
});

test("one that is drawn while the next is there already is not taken for that", () => {
  const acks = timed(), [first, second] = [7, 8].map((frame) => come(acks, 1, frame, 0));
  acks.drawn(first);
  assert.deepEqual(acks.take(10), [[1, 7, 10]]);
  acks.drawn(second);
  assert.deepEqual(acks.take(30), [[1, 8, 30]]);
});

test("several cameras fit one message, the one drawn last behind the others", () => {
  const acks = timed();
  acks.drawn(come(acks, 1, 1, 0));
  assert.deepEqual(acks.take(0), [[1, 1, 0]]);
  for (const [camera, frame] of [[1, 2], [2, 8], [3, 5], [1, 3]]) acks.drawn(come(acks, camera, frame, 5));
  assert.equal(acks.take(10), null);
  assert.equal(acks.due, 15);
  assert.deepEqual(acks.take(15), [[2, 8, 10], [3, 5, 10], [1, 3, 10]]);
});

test("once, camd is told that nothing comes any more", () => {
  const acks = timed();
  for (let now = 0; now <= 400; now += 40) {
    acks.drawn(come(acks, 1, now, now, false));
    assert.equal(acks.take(now), null);
  }
  assert.equal(acks.due, 500);
  assert.deepEqual(acks.take(500), [[1, 400]]);
  assert.equal(acks.take(5000), null);
});

test("slow cameras are not overdue between two pictures", () => {
  const acks = timed();
  for (let now = 0; now <= 4000; now += 1000) acks.drawn(come(acks, 1, now, now, false));
  assert.equal(acks.due, 6500);
});
