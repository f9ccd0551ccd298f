import assert from "node:assert/strict";
import test from "node:test";

// What a page says to itself tells whether it is free; here it always is.
globalThis.MessageChannel = class {
  port1 = {};
  port2 = {postMessage: () => this.port1.onmessage()};
};
const {LiveChannel} = await import("../../../camd/web/page/live.js");

/** A WebSocket of which a test is the other end. */
class FakeSocket {
  static OPEN = 1;
  readyState = 1;
  sent = [];
  constructor() { FakeSocket.last = this; }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() {}
  say(message) { this.onmessage({data: JSON.stringify(message)}); }

  show(camera, {placeholder = false, asks = false} = {}) {
    const data = new ArrayBuffer(30), view = new DataView(data);
    view.setUint8(0, 1);
    view.setUint8(1, 24);
    view.setUint8(2, (placeholder ? 1 : 0) + (asks ? 4 : 0));
    view.setUint16(4, camera);
    this.onmessage({data});
  }

  /** Take the questions for the time that were asked meanwhile. */
  asked() {
    const asked = this.sent.flatMap(({clock}) => clock ?? []);
    this.sent = [];
    return asked;
  }
}
globalThis.WebSocket = FakeSocket;

/** A channel with two cameras that are watched; `told` has the last time of each. */
function opened(context, hello = {}) {
  const told = {}, ignore = () => {};
  const channel = new LiveChannel("ws://camd/api/live", {
    heard: ignore, cameras: ignore, picture: (name, picture) => channel.drawn(picture),
    opened: () => channel.watch({near: {}, far: {}}),
    clock: (name, asked, time) => { told[name] = time; },
  });
  context.after(() => channel.close());
  const socket = FakeSocket.last;
  socket.say({live: 1, ...hello, cameras: [{name: "near", number: 1}, {name: "far", number: 2}]});
  return {channel, socket, told};
}

test("a camera's clock is known with the first answer to a question behind its first picture", (context) => {
  const {socket, told} = opened(context);
  const [early] = socket.asked();
  socket.show(2);
  socket.say({clock: early, time: 100});
  assert.deepEqual(told, {});
  const [later] = socket.asked();
  socket.say({clock: later, time: 101, times: {far: 4701}});
  assert.deepEqual(told, {far: 4701});
});

test("cameras of camd's own have its time, and those of another camd the time there", (context) => {
  const {socket, told} = opened(context);
  const [early] = socket.asked();
  socket.show(1);
  socket.show(2);
  socket.say({clock: early, time: 100});
  socket.say({clock: socket.asked()[0], time: 101, times: {far: 4701}});
  assert.deepEqual(told, {near: 101, far: 4701});
});

test("a placeholder tells nothing of the clock that pictures are dated by", (context) => {
  const {socket, told} = opened(context);
  const [early] = socket.asked();
  socket.show(2, {placeholder: true});
  socket.say({clock: early, time: 100});
  assert.deepEqual([socket.asked(), told], [[], {}]);
});

test("of a camera that is not watched, or was not yet when it was asked, an answer says nothing", (context) => {
  const {channel, socket, told} = opened(context);
  const [early] = socket.asked();
  socket.show(2);
  channel.watch({near: {}});
  socket.say({clock: early, time: 100});
  socket.show(1);
  const [behind] = socket.asked();
  channel.watch({far: {}});
  socket.say({clock: behind, time: 101});
  assert.equal(told.far, undefined);
});

test("while a rounded time stands still, nothing is asked again and again", (context) => {
  context.mock.method(performance, "now", () => 5);
  const {socket} = opened(context);
  const [early] = socket.asked();
  socket.show(1);
  socket.say({clock: early, time: 100});
  assert.deepEqual(socket.asked(), []);
});

test("how long a picture has been here is told to a camd that takes it, and to no other", (context) => {
  const figures = [{ack_ms: true}, {}, {ack_ms: false}].map((hello) => {
    const {socket} = opened(context, hello);
    socket.show(1, {asks: true});
    return socket.sent.flatMap(({ack}) => ack ?? []).map((ack) => ack.length);
  });
  assert.deepEqual(figures, [[3], [2], [2]]);
});
