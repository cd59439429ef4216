"use strict";

/** How the values of streams become server-sent events (docs/feeds.md). */

const { CURSOR, tagOf } = require("./resume-id.js");

/** @typedef {import("./response.js").Format} Format */

/**
 * The events of one stream. An id is the stream's tag and the cursor after the value, so that an id
 * of another stream is known to be one.
 *
 * @param {any} source
 * @param {string} runId
 * @param {string} key
 * @returns {Format & { given(index: number): void }}
 */
function chunkEvents(source, runId, key) {
  const tag = tagOf(runId, key);
  let id;
  let restart = false;
  source.track();
  return {
    given(index) {
      const cursor = source.cursors?.[index];
      id = cursor ? tag + cursor : undefined;
    },
    event: () => "chunk",
    id: () => id,
    owns: (lastEventId) => lastEventId.startsWith(tag),
    resume(lastEventId) {
      const cursor = lastEventId.slice(tag.length);
      restart = !lastEventId.startsWith(tag) || !CURSOR.test(cursor);
      if (restart) return;
      id = lastEventId;
      source.resume(cursor);
    },
    opening: () => (restart ? { event: "restart", data: {} } : undefined),
    isOver: () => source.isOver,
    end: () => ({ id: id ?? tag, data: { ending: source.stats().ending } }),
  };
}

/**
 * The events of runs and the values of their streams.
 *
 * @param {{ id(): string }} resumeId
 * @param {object} source
 * @param {(index: number) => void} source.given the part at this index of the last batch was given out
 * @param {(lastEventId: string) => void} source.resume
 * @param {() => boolean} source.isOver
 * @returns {Format & { given(index: number): void }}
 */
function partEvents(resumeId, { given, resume, isOver }) {
  let id;
  return {
    given(index) {
      given(index);
      id = resumeId.id();
    },
    event: (part) => ("chunk" in part ? "chunk" : part.isRestart ? "restart" : "run"),
    id: () => id,
    value(part) {
      const { type, run } = part;
      if ("chunk" in part) return { type, chunk: part.chunk, runId: run.id };
      // `isFinished` is not enumerable: the browser cannot work it out from an unknown status.
      return part.isRestart ? { type, runId: run.id } : { ...run, isFinished: run.isFinished };
    },
    subject: ({ run }) => run.id,
    sent: (part, length) => "chunk" in part || require("../calls/hints.js").sent(part.run, length),
    resume,
    isOver,
  };
}

module.exports = { chunkEvents, partEvents };
