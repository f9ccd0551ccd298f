// The header of a picture on the live channel; docs/live.md has the table.

const VERSION = 1, PLACEHOLDER = 1, REPEAT = 2, ACKNOWLEDGE = 4;

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
    asks: (flags & ACKNOWLEDGE) !== 0,
    rendition: view.getUint8(3),
    camera: view.getUint16(4),
    width: view.getUint16(6),
    height: view.getUint16(8),
    frame: view.getUint32(12),
    captured: view.getFloat64(16),
    jpeg: new Uint8Array(data, length),
  };
}

const APART = 15; // ms between two messages: camd takes 100 a second
const OVERDUE = 2.5, OVERDUE_LEAST = 100; // usual gaps, and ms, without a picture

/**
 * What to acknowledge, and when: what camd asks for, once it or a newer one is drawn.
 *
 * @property tellsTime - whether to say how long each picture has been here: an older camd
 *     closes the connection for that.
 */
export class Acks {
  tellsTime = false;
  #asking = new Map(); // camera -> pictures that are to be acknowledged
  #waiting = new Map(); // camera -> {frame, came}, in the order in which they were drawn
  #last = null; // the pair of camera and frame that was drawn last
  #said = -Infinity;
  #order = 0;
  #came = null;
  #usual = null; // ms from one picture to the next
  #overdue = Infinity;

  /** Note that a picture is here; it may have come sooner, when nobody looked. */
  came(picture, now, came = now) {
    picture.order = this.#order++;
    picture.came = came;
    if (picture.asks) this.#asking.set(picture.camera, [...this.#asking.get(picture.camera) ?? [], picture]);
    if (this.#came !== null) {
      const gap = now - this.#came;
      this.#usual = this.#usual === null ? gap : this.#usual + (gap - this.#usual) / 8;
      this.#overdue = now + Math.max(OVERDUE_LEAST, OVERDUE * this.#usual);
    }
    this.#came = now;
  }

  /** Note that a picture is on the screen. */
  drawn({camera, frame, order, came}) {
    this.#last = [camera, frame];
    const asking = this.#asking.get(camera) ?? [], later = asking.filter((picture) => picture.order > order);
    if (later.length === asking.length) return;
    this.#asking.set(camera, later);
    // The last one of a message stands for all that came before it.
    this.#waiting.delete(camera);
    this.#waiting.set(camera, {frame, came});
  }

  /** @returns when there will be something to say; Infinity for not before a picture. */
  get due() {
    return this.#waiting.size ? this.#said + APART : this.#last ? this.#overdue : Infinity;
  }

  /** @returns what to send now, as [camera, frame, ms since it came] or without the last; null for none yet. */
  take(now) {
    if (now < this.due) return null;
    const acks = [...this.#waiting].map(([camera, {frame, came}]) => [camera, frame, ...this.tellsTime ? [Math.floor(now - came)] : []]);
    if (!acks.length) this.#overdue = Infinity; // Once is enough.
    this.#waiting.clear();
    this.#said = now;
    return acks.length ? acks : [this.#last];
  }
}
