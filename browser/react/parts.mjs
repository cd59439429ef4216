// The parts of a stream as they come.

/** @typedef {import("../../types/connect.js").StreamPart<any>} Part `any`: a part of any stream */
/** @typedef {import("../../types/connect.js").StreamState<any>} State */

/**
 * Subscribes to a stream, and is told the parts that are new, too: however few the store keeps, each is told once.
 *
 * @param {import("../../types/connect.js").Followed<State, any>} stream
 * @param {(state: State, parts: Part[]) => void} callback
 * @returns {() => void} stops it
 */
export function subscribeToParts(stream, callback) {
  return stream.subscribe(
    /** The client tells them beside the state (browser/followed.mjs). @param {State} state @param {Part[]} [parts] */
    (state, parts = []) => callback(state, parts),
  );
}
