// The wall in the address: "#door,arm", so that a kiosk is a bookmark.
//
//   #door,arm                 these two, in this order
//   #Doors:door,gate;arm      a group with a name, and one without
//   #*Doors:door,gate;arm     the group that is shown alone
//   #door,arm/arm             the second one fills the window
//   #/arm                     all, and this one fills the window

const decode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
// A comma or a colon has a meaning in between; a name of a camera has neither.
const encode = (text) => encodeURIComponent(text).replaceAll("%20", "+");

/**
 * Read a hash.
 *
 * @returns {groups, focus}: groups is a list of {name, cameras, alone}, empty for all;
 *     focus is a camera's name, or null.
 */
export function parse(hash) {
  const [wall, focus = ""] = hash.replace(/^#/, "").split("/");
  const groups = [];
  for (const text of wall.split(";")) {
    const [, star, name = "", list] = /^(\*?)(?:([^:]*):)?(.*)$/s.exec(text);
    const cameras = [...new Set(list.split(",").map(decode).filter(Boolean))];
    if (cameras.length) groups.push({name: decode(name.replaceAll("+", " ")), cameras, alone: star !== ""});
  }
  return {groups, focus: decode(focus) || null};
}

/** Write a hash; the opposite of `parse`. Empty for all cameras. */
export function format({groups, focus}) {
  const wall = groups.map(({name, cameras, alone}) =>
    (alone ? "*" : "") + (name ? `${encode(name)}:` : "") + cameras.map(encode).join(","));
  const text = wall.join(";") + (focus ? `/${encode(focus)}` : "");
  return text ? `#${text}` : "";
}

/**
 * Pick the cameras to show, in their order.
 *
 * @param address - as `parse` gives it.
 * @param names - of all there are, in camd's order.
 */
export function shown({groups}, names) {
  const alone = groups.filter((group) => group.alone);
  const chosen = (alone.length ? alone : groups).flatMap((group) => group.cameras);
  const there = [...new Set(chosen)].filter((name) => names.includes(name));
  return groups.length ? there : names;
}
