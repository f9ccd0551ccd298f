import assert from "node:assert/strict";
import test from "node:test";

// A page whose time and messages to itself a test lets come.
const page = {now: 0, messages: []};
globalThis.MessageChannel = class {
  port1 = {};
  port2 = {postMessage: () => page.messages.push(() => this.port1.onmessage())};
};
performance.now = () => page.now;
const {atWork, busySince} = await import("../../../camd/web/page/busy.js");

/** Let this many ms pass; then what the page has said to itself comes. */
function pass(ms) {
  page.now += ms;
  page.messages.splice(0).forEach((say) => say());
}

test("a page that is free gets to everything at once", () => {
  assert.equal(busySince(page.now), page.now);
  atWork();
  pass(1);
  assert.equal(busySince(page.now), page.now);
  assert.equal(page.messages.length, 0);
});

test("one that is at work has not been free since it began, however much has come", () => {
  const began = page.now;
  for (const ms of [20, 7, 300]) {
    atWork();
    pass(ms);
    assert.equal(busySince(page.now), began);
    assert.equal(page.messages.length, 1);
  }
  pass(2);
  assert.equal(busySince(page.now), page.now);
});

test("one that is always at work says so of half a second, and not of all the time", () => {
  atWork();
  for (let round = 0; round < 100; round++) pass(20);
  assert.equal(busySince(page.now), page.now - 500);
  pass(1);
  assert.equal(busySince(page.now), page.now);
});
