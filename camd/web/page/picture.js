// The header of a picture on the live channel; docs/live.md has the table.

const VERSION = 1, PLACEHOLDER = 1, REPEAT = 2;

/**
 * Read a binary message.
 *
 * @param data - an ArrayBuffer.
 * @returns the picture, with `jpeg` as a view of the same bytes; null for a message of a
 *     version that is not known here, or one that is cut short.
 */
export function parse(data) {
  if (data.byteLength < 24) return null;
  const view = new DataView(data), length = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || length < 24 || length > data.byteLength) return null;
  const flags = view.getUint8(2);
  return {
    placeholder: (flags & PLACEHOLDER) !== 0,
    repeat: (flags & REPEAT) !== 0,
    rendition: view.getUint8(3),
    camera: view.getUint16(4),
    width: view.getUint16(6),
    height: view.getUint16(8),
    frame: view.getUint32(12),
    captured: view.getFloat64(16),
    jpeg: new Uint8Array(data, length),
  };
}

/** When to say that a picture was drawn: at once on a slow link, thinned on a fast one. */
export class Acks {
  #came = -Infinity;
  #said = -Infinity;
  #waiting = new Map();
  #drawn = 0;

  /** @returns the pairs of camera and frame to send now; null for none yet. */
  drawn(camera, frame, now) {
    const gap = now - this.#came;
    this.#came = now;
    this.#drawn += 1;
    // In the order in which they were drawn: the last stands for all before it.
    this.#waiting.delete(camera);
    this.#waiting.set(camera, frame);
    return gap > 100 || this.#drawn >= 4 || now - this.#said >= 250 ? this.flush(now) : null;
  }

  /** The same for those that have waited for long enough. */
  due(now) {
    return this.#waiting.size && now - this.#said >= 250 ? this.flush(now) : null;
  }

  flush(now) {
    const pairs = [...this.#waiting];
    this.#waiting.clear();
    this.#said = now;
    this.#drawn = 0;
    return pairs;
  }
}
