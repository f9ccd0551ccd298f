// camd's clock, as far as it can be known from here (Cristian's method).

const KEPT = 30000; // ms for which a sample is believed
const DRIFT = 5e-5; // seconds a second by which two quartz clocks may part
const COARSE = 0.005; // seconds by which browsers may round the time

/** Estimates how far camd's clock is ahead of `performance.now()`. */
export class Clock {
  #samples = [];

  /**
   * Note an answer that carried camd's time.
   *
   * @param asked - when it was asked for, in ms of performance.now(); `heard` likewise.
   * @param time - what camd said, in Unix seconds.
   */
  sample(asked, heard, time) {
    const error = (heard - asked) / 2000, ahead = time - (asked + heard) / 2000;
    // Two that cannot both be true: a clock was set since, or stood still while this
    // device slept. The later one counts.
    const agrees = (sample) =>
      Math.abs(sample.ahead - ahead) <= sample.error + error + (heard - sample.heard) / 1000 * DRIFT + COARSE;
    this.#samples = this.#samples.filter((sample) => heard - sample.heard < KEPT && agrees(sample));
    this.#samples.push({heard, error, ahead});
  }

  /** Start again: the next answers may come from another machine. */
  forget() { this.#samples = []; }

  /**
   * @param now - in ms of performance.now().
   * @returns camd's time in Unix seconds and the error it may have either way, as
   *     {time, error}; null before the first sample.
   */
  read(now) {
    let best = null;
    for (const {heard, error, ahead} of this.#samples) {
      const wide = error + (now - heard) / 1000 * DRIFT;
      if (best === null || wide < best.error) best = {time: now / 1000 + ahead, error: wide};
    }
    return best;
  }
}
