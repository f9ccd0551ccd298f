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
    placeholder: false, repeat: false, rendition: 2, camera: 7, width: 640, height: 480, frame: 4294967295, captured: 1795947703.25,
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

test("on a slow link each picture is acknowledged at once", () => {
  const acks = new Acks();
  assert.deepEqual([0, 200, 400].map((now, frame) => acks.drawn(1, frame, now)), [[[1, 0]], [[1, 1]], [[1, 2]]]);
});

test("on a fast one each fourth is, or after 250 ms", () => {
  const acks = new Acks();
  acks.drawn(1, 0, 0);
  assert.deepEqual([1, 2, 3, 4].map((frame) => acks.drawn(1, frame, frame * 20)), [null, null, null, [[1, 4]]]);
  acks.drawn(1, 5, 100);
  assert.equal(acks.due(200), null);
  assert.deepEqual(acks.due(340), [[1, 5]]);
  assert.ok(!acks.due(900));
});

test("several cameras fit one message, the one drawn last behind the others", () => {
  const acks = new Acks();
  acks.drawn(1, 0, 0);
  acks.drawn(1, 1, 10);
  acks.drawn(2, 8, 20);
  acks.drawn(3, 5, 30);
  assert.deepEqual(acks.drawn(1, 2, 40), [[2, 8], [3, 5], [1, 2]]);
});
