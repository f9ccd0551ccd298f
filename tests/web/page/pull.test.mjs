import assert from "node:assert/strict";
import test from "node:test";

import {Pull} from "../../../camd/web/page/pull.js";

const CAMERAS = {
  near: {"X-Frame": "7", "X-Timestamp": "100.0", "X-Frame-Age": "0.5"},
  far: {"X-Frame": "7", "X-Timestamp": "4700.0", "X-Frame-Age": "0.25"},
  lost: {"X-Frame": "0", "X-Timestamp": "40.0", "X-Frame-Age": "0.75"},
};

test("each camera's pictures tell the time by its own clock, and placeholders tell none", async (context) => {
  context.mock.method(globalThis, "fetch", async (address) => {
    const [, name] = /api\/(\w+)\/frame/.exec(address) ?? [];
    if (name) return new Response(new Blob(["jpeg"]), {headers: CAMERAS[name]});
    return Response.json({cameras: Object.keys(CAMERAS).map((each) => ({name: each, camera_resolution: "640x480"}))});
  });
  const told = {}, came = new Set();
  await new Promise((done) => {
    const pull = new Pull("http://camd/", {
      heard: () => {},
      cameras: () => pull.watch({near: {}, far: {}, lost: {}}),
      clock: (name, asked, time) => { told[name] = time; },
      picture: (name) => { if (came.add(name).size === 3) done(); },
    }, {});
    context.after(() => pull.close());
  });
  assert.deepEqual(told, {near: 100.5, far: 4700.25});
});
