import assert from "node:assert/strict";
import test from "node:test";

import {format, parse, shown} from "../../../camd/web/page/address.js";

const NAMES = ["arm", "door", "gate", "yard"];

test("an empty address shows all", () => {
  for (const hash of ["", "#", "#/"]) assert.deepEqual(shown(parse(hash), NAMES), NAMES);
});

test("a list is a selection in an order", () => {
  assert.deepEqual(shown(parse("#door,arm"), NAMES), ["door", "arm"]);
  assert.deepEqual(shown(parse("#door,arm,door,gone"), NAMES), ["door", "arm"]);
  assert.deepEqual(shown(parse("#gone"), NAMES), []);
});

test("groups are shown one after the other, or one alone", () => {
  assert.deepEqual(shown(parse("#In:arm;Out:yard,gate"), NAMES), ["arm", "yard", "gate"]);
  assert.deepEqual(shown(parse("#In:arm;*Out:yard,gate"), NAMES), ["yard", "gate"]);
});

test("a slash brings one forward", () => {
  assert.deepEqual(parse("#/arm"), {groups: [], focus: "arm"});
  assert.equal(parse("#door,arm/arm").focus, "arm");
});

test("what is written is read again", () => {
  for (const address of [
    {groups: [], focus: null}, {groups: [], focus: "arm"}, {groups: [{name: "", cameras: ["door"], alone: false}], focus: "door"},
    {groups: [{name: "My hall: ä,b;c/d*", cameras: ["door", "arm"], alone: true}, {name: "", cameras: ["gate"], alone: false}], focus: null},
  ]) assert.deepEqual(parse(format(address)), address);
});

test("no address is too strange", () => {
  for (const hash of ["#%", "#;;;", "#::::", "#,,/,,/x", "#*", "#a%2", "#%E0%A4%A"]) assert.ok(parse(hash).groups.length < 5, hash);
});
