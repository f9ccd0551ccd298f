import assert from "node:assert/strict";
import test from "node:test";

import {elsewhere, fileName} from "../../../camd/web/page/elsewhere.js";

const lines = elsewhere("https://robot.example/cams/", "arm", 'The "arm" <1>');

test("there is a line for each of the usual programs", () => {
  assert.deepEqual(lines.map(({label}) => label),
    ["HTML", "OpenCV", "ffplay", "curl", "Home Assistant", "OctoPrint", "Mainsail", "ROS 2"]);
});

test("each has an address as seen from outside, and none has a key", () => {
  for (const {text} of lines) assert.match(text, /https:\/\/robot\.example\/cams\/api\/arm\/(stream|snapshot)\?api_key=KEY\b/);
});

test("a title is no markup", () => {
  assert.match(lines[0].text, /alt="The &quot;arm&quot; &lt;1>">$/);
});

test("a picture that is kept is named by camera and capture time", () => {
  assert.equal(fileName("arm", 1795947703.1962), "arm_2026-11-29T10-21-43.196Z.jpg");
});
