"use strict";

/** The server-sent events of streams, and of runs with their streams (docs/feeds.md). */

const { CURSOR, tagOf } = require("./resume-id.js");

/** @template Part @typedef {import("./response.js").Format<Part> & { given(index: number): void }} Format */

/** @typedef {import("./with-streams.js").Part} Part */

/**
 * The events of one stream. An id is the stream's tag and the cursor after the value. By the tag, an id of another
 * stream is recognised.
 *
 * @param {import("./source.js").ChunkSource} source
 * @param {string} runId
 * @param {string} key
 * @returns {Format<unknown>}
 */
function chunkEvents(source, runId, key) {
  const tag = tagOf(runId, key);
  /** @type {string | undefined} */
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
 * @param {(index: number) => void} source.given called with the index in the last batch of a part that was given out
 * @param {(lastEventId: string) => void} source.resume
 * @param {() => boolean} source.isOver
 * @returns {Format<Part>}
 */
function partEvents(resumeId, { given, resume, isOver }) {
  /** @type {string | undefined} */
  let id;
  return {
    given(index) {
      given(index);
      id = resumeId.id();
    },
    event: (part) => ("chunk" in part ? "chunk" : "isRestart" in part ? "restart" : "run"),
    id: () => id,
    value(part) {
      const { type, run } = part;
      if ("chunk" in part) return { type, chunk: part.chunk, runId: run.id };
      // `isFinished` is not enumerable, and a browser cannot derive it from an unknown status.
      return "isRestart" in part ? { type, runId: run.id } : { ...run, isFinished: run.isFinished };
    },
    subject: ({ run }) => run.id,
    sent(part, length) {
      if (!("chunk" in part)) require("../calls/hints.js").sent(part.run, length);
    },
    resume,
    isOver,
  };
}

module.exports = { chunkEvents, partEvents };
