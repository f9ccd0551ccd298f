// What is told to those who cannot see the page: what happens at one moment, in one line.

const TOGETHER = 500; // ms in which a loss of the network has reached every tile
const NAMED = 3; // cameras; a list of more takes too long to hear

/**
 * @param changes - pairs of a camera's label and what became of it, in their order.
 * @returns one line, such as "door, arm: live; 30 cameras: no connection".
 */
export function together(changes) {
  const labels = new Map();
  for (const [label, word] of changes) labels.set(word, [...labels.get(word) ?? [], label]);
  const line = ([word, all]) => `${all.length > NAMED ? `${all.length} cameras` : all.join(", ")}: ${word}`;
  return [...labels].map(line).join("; ");
}

/** Tells each change a moment later, with those that come meanwhile: a line that is replaced at once is not heard. */
export class News {
  #say;
  #changes = [];

  /** @param say - tells a line. */
  constructor(say) { this.#say = say; }

  /**
   * @param label - a camera's.
   * @param word - what became of it.
   */
  tell(label, word) {
    if (this.#changes.push([label, word]) === 1) setTimeout(() => this.#say(together(this.#changes.splice(0))), TOGETHER);
  }
}
