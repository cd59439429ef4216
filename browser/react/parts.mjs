// Which parts of a stream's state came since the last one.

/** @typedef {import("../../types/connect.js").StreamPart<any>} Part `any`: a part of any stream */

/**
 * Gives a function that takes the parts of each state in turn, and gives those that the states before did not have. Ids do
 * not tell them apart, since a server gives several the same one; the client keeps their objects.
 */
export function freshParts() {
  /** @type {Part | undefined} */
  let last;
  return (/** @type {Part[]} */ parts) => {
    // The new ones are at the end: whoever keeps few of many may have dropped the one seen last.
    let known = last ? parts.lastIndexOf(last) : -1;
    if (known < 0 && last) known = parts.findLastIndex(isSame.bind(undefined, last));
    const fresh = parts.slice(known + 1);
    last = fresh.at(-1) ?? last;
    return fresh;
  };
}

/** Whether a part is this one, told anew: as after its token was replaced. @param {Part} a @param {Part} b */
function isSame(a, b) {
  return a.id === b.id && a.timestamp === b.timestamp && JSON.stringify(a.chunk) === JSON.stringify(b.chunk);
}
