import assert from "node:assert/strict";
import test from "node:test";

import {column, contain, focus, wall} from "../../../camd/web/page/layout.js";

const GAP = 6;
let seed = 1;
const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647);
const some = (count) => Array.from({length: count}, () => 0.5 + 2 * random());
const close = (a, b, what) => assert.ok(Math.abs(a - b) < 0.01, `${what}: ${a} and ${b}`);

function* walls() {
  for (let count = 1; count <= 30; count++) yield [some(count), 300 + 3000 * random(), 300 + 1500 * random()];
}

test("every tile has its picture's ratio, and all have one height", () => {
  for (const [ratios, width, height] of walls())
    wall(ratios, width, height, GAP).forEach((place, index, all) => {
      close(place.width / place.height, ratios[index], "ratio");
      close(place.height, all[0].height, "height");
    });
});

test("no tile is outside of the window or over another one", () => {
  for (const [ratios, width, height] of walls()) {
    const places = wall(ratios, width, height, GAP);
    for (const a of places) {
      assert.ok(a.x > -0.01 && a.y > -0.01 && a.x + a.width < width + 0.01 && a.y + a.height < height + 0.01);
      for (const b of places) {
        const apart = a.x + a.width < b.x + 0.01 || b.x + b.width < a.x + 0.01 || a.y + a.height < b.y + 0.01 || b.y + b.height < a.y + 0.01;
        assert.ok(a === b || apart);
      }
    }
  }
});

// All ways to cut a list into rows, tried one by one.
function best(ratios, width, height) {
  let most = 0;
  for (let cuts = 0; cuts < 2 ** (ratios.length - 1); cuts++) {
    const rows = [[]];
    ratios.forEach((ratio, index) => {
      if (index && cuts >> (index - 1) & 1) rows.push([]);
      rows.at(-1).push(ratio);
    });
    const wide = rows.map((row) => (width - (row.length - 1) * GAP) / row.reduce((a, b) => a + b));
    most = Math.max(most, Math.min((height - (rows.length - 1) * GAP) / rows.length, ...wide));
  }
  return most;
}

test("no other rows would make the pictures larger", () => {
  for (let count = 1; count <= 9; count++) {
    const ratios = some(count), width = 300 + 3000 * random(), height = 300 + 1500 * random();
    close(wall(ratios, width, height, GAP)[0].height, best(ratios, width, height), `${count} tiles`);
  }
});

const rowsOf = (places) => Object.values(Object.groupBy?.(places, ({y}) => y) ?? places.reduce((rows, place) => {
  (rows[place.y] ??= []).push(place);
  return rows;
}, {})).map((row) => row.length);

test("eight cameras in a usual window are three rows of about the same length", () => {
  assert.deepEqual(rowsOf(wall(Array(8).fill(4 / 3), 1428, 842, GAP)), [3, 3, 2]);
});

test("a wide window has one row, a high one has one column", () => {
  assert.deepEqual(rowsOf(wall(Array(4).fill(4 / 3), 3000, 400, GAP)), [4]);
  assert.deepEqual(rowsOf(wall(Array(3).fill(4 / 3), 400, 2000, GAP)), [1, 1, 1]);
});

test("the order of the tiles is the order of reading", () => {
  const places = wall(some(20), 1400, 800, GAP);
  places.slice(1).forEach((place, index) => {
    const before = places[index];
    assert.ok(place.y > before.y || (place.y === before.y && place.x > before.x));
  });
});

test("no camera, no place", () => assert.deepEqual(wall([], 1400, 800, GAP), []));

test("a column is as wide as the window and goes on below it", () => {
  const places = column([2, 0.5], 400, GAP);
  assert.deepEqual(places, [{x: 0, y: 0, width: 400, height: 200}, {x: 0, y: 206, width: 400, height: 800}]);
});

test("what is contained touches two sides and is in the middle", () => {
  assert.deepEqual(contain(2, {x: 0, y: 0, width: 400, height: 400}), {x: 0, y: 100, width: 400, height: 200});
  assert.deepEqual(contain(0.5, {x: 10, y: 0, width: 400, height: 400}), {x: 110, y: 0, width: 200, height: 400});
});

test("the chosen one fills the window above a strip of the others", () => {
  const places = focus([1, 1, 1], 1, 1000, 800, GAP, 76);
  assert.deepEqual(places[1], {x: 0, y: 0, width: 1000, height: 718});
  assert.deepEqual([places[0].y, places[2].y, places[0].height], [724, 724, 76]);
  assert.ok(places[0].x < places[2].x);
});

test("one alone has no strip, nor has a low window", () => {
  assert.deepEqual(focus([1], 0, 1000, 800, GAP, 76), [{x: 0, y: 0, width: 1000, height: 800}]);
  assert.deepEqual(focus([1, 1], 1, 1000, 400, GAP, 0), [null, {x: 0, y: 0, width: 1000, height: 400}]);
});

test("a strip that is too short has the neighbours of the chosen one", () => {
  const places = focus(Array(30).fill(4 / 3), 20, 1000, 800, GAP, 76), shown = places.flatMap((p, i) => (p ? [i] : []));
  assert.ok(shown.length < 30 && shown.includes(19) && shown.includes(21) && shown.at(-1) - shown[0] === shown.length - 1);
  for (const place of places) assert.ok(!place || (place.x >= 0 && place.x + place.width <= 1000));
});
