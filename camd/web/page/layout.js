// Where each tile goes: pure functions of ratios and a window, in pixels.
//
// A ratio is width / height of a picture. A rectangle is {x, y, width, height}.

/** Fill rows from the left, each as full as `width` allows, for tiles of this height. */
function fill(ratios, height, width, gap) {
  const rows = [];
  let used = Infinity;
  ratios.forEach((ratio, index) => {
    const needed = ratio * height;
    if (used + gap + needed > width + 1e-6) {
      rows.push([]);
      used = -gap;
    }
    rows.at(-1).push(index);
    used += gap + needed;
  });
  return rows;
}

function fits(ratios, height, width, high, gap) {
  if (Math.max(...ratios) * height > width + 1e-6) return false;
  const rows = fill(ratios, height, width, gap).length;
  return rows * height + (rows - 1) * gap <= high + 1e-6;
}

/** The largest number up to `most` for which `test` holds; it holds below, not above. */
function largest(most, test) {
  let low = 0, high = most;
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (test(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Lay tiles out in rows of one height, the largest with which all fit into the window.
 *
 * The rows keep the tiles' order and are about equally wide; rows and block are centred.
 */
export function wall(ratios, width, height, gap) {
  if (!ratios.length) return [];
  const high = largest(height, (h) => fits(ratios, h, width, height, gap));
  const count = fill(ratios, high, width, gap).length;
  // No wider than needed for this many rows: 4 + 3 tiles, and not 6 + 1.
  const narrow = width - largest(width, (saved) =>
    Math.max(...ratios) * high <= width - saved + 1e-6 && fill(ratios, high, width - saved, gap).length <= count);
  const top = (height - count * high - (count - 1) * gap) / 2;
  const places = [];
  fill(ratios, high, narrow + 1e-6, gap).forEach((row, number) => {
    const wide = row.reduce((sum, index) => sum + ratios[index] * high, (row.length - 1) * gap);
    let x = (width - wide) / 2;
    for (const index of row) {
      places[index] = {x, y: top + number * (high + gap), width: ratios[index] * high, height: high};
      x += ratios[index] * high + gap;
    }
  });
  return places;
}

/** Lay tiles out one below the other, each as wide as the window: it scrolls. */
export function column(ratios, width, gap) {
  let y = 0;
  return ratios.map((ratio) => {
    const place = {x: 0, y, width, height: width / ratio};
    y += place.height + gap;
    return place;
  });
}

/** The largest rectangle of this ratio in the middle of an area. */
export function contain(ratio, area) {
  const width = Math.min(area.width, area.height * ratio), height = width / ratio;
  return {x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height};
}

/**
 * One tile fills the window, the others are a strip below it.
 *
 * @param strip - the strip's height; 0 for none.
 * @returns a rectangle for each tile; null where the strip has no room for it.
 */
export function focus(ratios, chosen, width, height, gap, strip) {
  const alone = ratios.length < 2 || !strip;
  const places = ratios.map(() => null);
  places[chosen] = {x: 0, y: 0, width, height: alone ? height : height - strip - gap};
  if (alone) return places;
  const others = ratios.map((_, index) => index).filter((index) => index !== chosen);
  const wide = (indexes) => indexes.reduce((sum, index) => sum + ratios[index] * strip + gap, -gap);
  // Those nearest to the chosen one, on both sides, as many as there is room for.
  const shown = [];
  for (const index of [...others].sort((a, b) => Math.abs(a - chosen) - Math.abs(b - chosen) || a - b)) {
    if (wide([...shown, index]) > width) break;
    shown.push(index);
  }
  let x = (width - wide(shown)) / 2;
  for (const index of [...shown].sort((a, b) => a - b)) {
    places[index] = {x, y: height - strip, width: ratios[index] * strip, height: strip};
    x += ratios[index] * strip + gap;
  }
  return places;
}
