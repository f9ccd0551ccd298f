// The clock that a camera's pictures are dated by, as far as it can be known from here
// (Cristian's method): camd's own, or that of another camd that the pictures come from.

const KEPT = 30000; // ms for which a sample is believed
const DRIFT = 5e-5; // seconds a second by which two quartz clocks may part
const COARSE = 0.005; // seconds by which browsers may round the time

/** Estimates how far that clock is ahead of `performance.now()`. */
export class Clock {
  #samples = []; // the best first; those behind it are newer

  /**
   * Note an answer that carried the time.
   *
   * @param asked - when it was asked for, in ms of performance.now(); `heard` likewise.
   * @param time - what was said, in Unix seconds.
   */
  sample(asked, heard, time) {
    const error = (heard - asked) / 2000, ahead = time - (asked + heard) / 2000;
    // Two that cannot both be true: a clock was set since, or stood still while this
    // device slept. The later one counts, and so does the better one.
    this.#samples = this.#samples.filter((sample) => {
      const wide = errorAt(sample, heard);
      return heard - sample.heard < KEPT && wide < error && Math.abs(sample.ahead - ahead) <= wide + error + COARSE;
    });
    this.#samples.push({heard, error, ahead});
  }

  /** Start again: the next answers may come from another machine. */
  forget() { this.#samples = []; }

  /**
   * @param now - in ms of performance.now().
   * @returns the time there in Unix seconds and the error it may have either way, as
   *     {time, error}; null before the first sample.
   */
  read(now) {
    const [best] = this.#samples;
    return best ? {time: now / 1000 + best.ahead, error: errorAt(best, now)} : null;
  }
}

function errorAt({error, heard}, now) { return error + (now - heard) / 1000 * DRIFT; }
