import assert from "node:assert/strict";
import test from "node:test";

import {News, together} from "../../../camd/web/page/news.js";

const thirty = Array.from({length: 30}, (_, number) => [`Camera ${number}`, "no connection"]);

test("cameras of which the same is to be told are named together, and many are counted", () => {
  assert.equal(together([["door", "live"]]), "door: live");
  assert.equal(together([["door", "live"], ["arm", "live"]]), "door, arm: live");
  assert.equal(together(thirty), "30 cameras: no connection");
  assert.equal(together([["door", "live"], ...thirty, ["arm", "live"]]), "door, arm: live; 30 cameras: no connection");
});

test("what happens at one moment is one line, and what comes later is another", (context) => {
  context.mock.timers.enable({apis: ["setTimeout"]});
  const said = [], news = new News((line) => said.push(line));
  for (const change of thirty) {
    news.tell(...change);
    context.mock.timers.tick(10);
  }
  assert.deepEqual(said, []);
  context.mock.timers.tick(200);
  assert.deepEqual(said, ["30 cameras: no connection"]);
  context.mock.timers.tick(5000);
  news.tell("door", "live");
  context.mock.timers.tick(500);
  assert.deepEqual(said, ["30 cameras: no connection", "door: live"]);
});
