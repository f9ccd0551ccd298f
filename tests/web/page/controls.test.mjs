import assert from "node:assert/strict";
import test from "node:test";

import {changed, words} from "../../../camd/web/page/controls.js";

const control = (name, more) => ({name, value: 5, default: 3, read_only: false, inactive: false, busy: false, ...more});

test("what stands otherwise goes back to its default", () => {
  assert.deepEqual(changed([control("gain"), control("hue", {value: 3})]), {gain: 3});
  assert.deepEqual(changed([control("auto", {value: true, default: false})]), {auto: false});
});

test("what cannot be set now, or has no default, is left alone", () => {
  const others = [{read_only: true}, {inactive: true}, {busy: true}, {default: null}];
  assert.deepEqual(changed(others.map((more) => control("gain", more))), {});
});

test("a control's name is read as words", () => {
  assert.equal(words("exposure_time_absolute"), "Exposure time absolute");
});
