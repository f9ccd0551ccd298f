// What one tile has shown lately: its rate, its age, its bytes, and two minutes of them.

const WINDOW = 2000; // ms over which rates are taken
export const HISTORY = 120; // seconds that the plots go back

export class Meter {
  #drawn = [];
  #bytes = [];
  history = []; // one {age, fps, rate} a second, the newest last; age is null before the first

  /**
   * Note a picture that was drawn.
   *
   * @param now - in ms.
   * @param age - seconds that it was old at that moment; null if that is not known.
   * @param isNew - false for one that was shown before.
   */
  draw(now, age, isNew) {
    const last = this.#drawn.at(-1);
    if (last) last.until = now;
    if (isNew || !last) this.#drawn.push({now, age, until: null});
    this.#forget(now);
  }

  /** Say how old the last one is now, where that was not known when it was drawn. */
  date(now, age) {
    const last = this.#drawn.at(-1);
    if (last?.age === null) last.age = age - (now - last.now) / 1000;
  }

  receive(now, bytes) {
    this.#bytes.push({now, bytes});
    this.#forget(now);
  }

  #forget(now) {
    while (this.#drawn.length > 1 && now - this.#drawn[0].now > WINDOW) this.#drawn.shift();
    while (this.#bytes.length && now - this.#bytes[0].now > WINDOW) this.#bytes.shift();
  }

  /** New pictures a second. */
  fps(now) {
    this.#forget(now);
    const first = this.#drawn[0], count = this.#drawn.length - 1;
    if (count < 1) return 0;
    // A picture that is overdue counts as time: the rate falls while nothing comes.
    const span = this.#drawn.at(-1).now - first.now, usual = span / count;
    const overdue = Math.max(0, now - this.#drawn.at(-1).now - usual);
    return count / ((span + overdue) / 1000);
  }

  /** Bytes a second. */
  rate(now) {
    this.#forget(now);
    return this.#bytes.reduce((sum, {bytes}) => sum + bytes, 0) / (WINDOW / 1000);
  }

  /**
   * Seconds that what is on the screen is old.
   *
   * Pictures that come in quick succession have their mean over the last two seconds: a
   * number that can be read. As soon as one stays longer than usual, its own age counts.
   */
  age(now) {
    const last = this.#drawn.at(-1);
    if (!last || last.age === null) return null;
    const own = last.age + (now - last.now) / 1000;
    const past = this.#drawn.filter(({until, age}) => until !== null && age !== null);
    if (past.length < 5) return own;
    const oldest = Math.max(...past.map(({now: at, age, until}) => age + (until - at) / 1000));
    const spans = past.reduce((sum, {now: at, until}) => sum + until - at, 0);
    if (own > oldest || spans / past.length > 110) return own;
    const weighed = past.reduce((sum, {now: at, age, until}) => sum + (age + (until - at) / 2000) * (until - at), 0);
    return weighed / spans;
  }

  /** Note the present second for the plots. */
  tick(now) {
    this.history.push({age: this.age(now), fps: this.fps(now), rate: this.rate(now)});
    if (this.history.length > HISTORY) this.history.shift();
  }
}
