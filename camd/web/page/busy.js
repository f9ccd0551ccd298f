// How long this page has been at work without a pause.

// A message to itself comes behind all that the page has to do. One that comes within
// this many ms has waited for nothing: the page was free.
const FREE = 3;

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
 * may have been there all the time.
 *
 * @param now - in ms of performance.now(); returned where it was free.
 */
export function busySince(now) { return since ?? now; }
