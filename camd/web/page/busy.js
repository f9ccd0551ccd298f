// How long this page has been at work without a pause.

// A message to itself comes behind all that the page has to do. One that comes within
// this many ms has waited for nothing: the page was free.
const FREE = 3;

// Nothing is taken to have been here for longer than this many ms. A page that is always
// at work would else count all that a picture takes on a slow link as its own doing, and be
// sent the largest ones: 0.4 a second at 120 kbit/s, in place of 3.3. With this it has 1.7
// or more from there on (simulated, tests/delivery/test_auto.py). Thirty cameras on a machine
// with a load of 14 said 0.45 s at the most (measured).
const LONGEST = 500;

let since = null, posted = 0;
const channel = new MessageChannel();
channel.port1.onmessage = () => {
  if (performance.now() - posted > FREE) post();
  else since = null;
};

function post() {
  posted = performance.now();
  channel.port2.postMessage(null);
}

/** Note that something is being done now, and find out when the page is free again. */
export function atWork() {
  if (since !== null) return;
  since = performance.now();
  post();
}

/**
 * Since when the page could not have taken what has come: anything that it gets to now
 * may have been there all the time, up to LONGEST.
 *
 * @param now - in ms of performance.now(); returned where it was free.
 */
export function busySince(now) { return Math.max(since ?? now, now - LONGEST); }
