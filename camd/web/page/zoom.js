// A picture that is looked at closely: scale and offset, as pure functions.
//
// A view is {scale, x, y}: the point of the picture (0 to 1) in the middle of the frame.

export const WHOLE = {scale: 1, x: 0.5, y: 0.5};
export const MOST = 8;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Keep the view inside the picture. */
export function inside({scale, x, y}) {
  const s = clamp(scale, 1, MOST), half = 0.5 / s;
  return {scale: s, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half)};
}

/**
 * Zoom, so that what is under a point stays there.
 *
 * @param at - the point in the frame, {x, y} from 0 to 1.
 */
export function zoom(view, factor, at = {x: 0.5, y: 0.5}) {
  const scale = clamp(view.scale * factor, 1, MOST);
  const keep = (middle, point) => middle + (point - 0.5) * (1 / view.scale - 1 / scale);
  return inside({scale, x: keep(view.x, at.x), y: keep(view.y, at.y)});
}

/** Move the picture under the frame by parts of the frame. */
export function pan(view, dx, dy) {
  return inside({...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale});
}

/** The CSS transform that shows the view; the origin is the middle of the picture. */
export function transform({scale, x, y}) {
  return `scale(${scale}) translate(${(0.5 - x) * 100}%, ${(0.5 - y) * 100}%)`;
}
