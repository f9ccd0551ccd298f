// What a tile says of its picture: never "live" over an old one.

export const LATE = 0.5, OLD = 2; // seconds; a person steers well below the first

/** How old is old: "fresh", "late" or "old"; "unknown" without an age. */
export function grade(age) {
  if (age === null) return "unknown";
  return age < LATE ? "fresh" : age < OLD ? "late" : "old";
}

/** A span of time in few characters: "0.18 s", "3.4 s", "8 s", "5 min", "3 h". */
export function span(seconds) {
  const s = Math.max(0, seconds);
  if (s < 0.995) return `${s.toFixed(2)} s`;
  if (s < 4.95) return `${s.toFixed(1)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  if (s < 5970) return `${Math.round(s / 60)} min`;
  return s < 172000 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

/** The corner with the numbers: "0.18 s ± 0.02 · 14.9 fps", or "8 s old". */
export function numbers(age, error, fps) {
  if (age === null) return "";
  if (age >= OLD) return `${span(age)} old`;
  const give = error === null ? "" : ` ± ${Math.max(0.01, error).toFixed(2)}`;
  // Before the second picture there is no rate.
  const rate = fps > 0 ? ` · ${fps.toFixed(fps < 9.95 ? 1 : 0)} fps` : "";
  return span(age) + give + rate;
}

/**
 * Judge a tile.
 *
 * @param seen - what is known of it:
 *     closed: why camd lets this page in no more, or null;
 *     connected: whether camd was heard lately;
 *     state: the camera's, as camd says; why: its last error or null; refused: why camd
 *     sends this camera's pictures no more, or null;
 *     age: seconds that the picture on the screen is old, null without one or if unknown;
 *     picture: whether there is one whose age is known, or an <img>, which tells none;
 *     paused: by the person who looks;
 *     busy: whether this device does not get round to what has come;
 *     interval: seconds between the camera's pictures as far as camd sends them.
 * @returns {word, grade, cause}: the state in a word or two, the colour, and what is to
 *     be told over the picture, or "".
 */
export function judge(seen) {
  const {connected, state, age, picture, paused} = seen, colour = grade(age);
  const verdict = (word, cause = "", worst = colour) => ({word, cause, grade: worst});
  if (seen.closed) return verdict(seen.closed, seen.closed, "old");
  if (!connected) return verdict("no connection", "no connection to camd", "old");
  if (paused) return verdict("paused");
  if (seen.refused) return verdict("refused", seen.refused, "old");
  if (state === "offline") return verdict("offline", seen.why ?? "the camera does not answer", "old");
  if (!picture) return verdict(state === "live" || state === "idle" ? "connecting" : state);
  if (colour === "unknown") return verdict("age unknown");
  if (state === "stalled") return verdict("camera silent", "camera silent", "old");
  if (colour === "fresh") return verdict(state === "live" ? "live" : state);
  // What the camera's own pace explains is not the link's fault.
  const cause = age - (seen.interval ?? 0) < LATE ? "slow camera" : seen.busy ? "this device is slow" : "your link is slow";
  return verdict(cause, colour === "old" ? cause : "");
}
