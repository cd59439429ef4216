"use strict";

/** The body of a viewer's request on its way to the relay, no faster than it is read there. */

/** A body announced to be no longer than this goes with the head, in bytes. */
const SMALL = 64 * 1024;

/**
 * @typedef {object} Beginning
 * @property {Uint8Array} [first] the whole body, or what came of it so far
 * @property {boolean} more whether pieces follow
 *
 * What gives pieces, as a reader of a web stream does.
 * @typedef {{ read(): Promise<{ done?: boolean, value?: any }>, cancel(): unknown }} Pieces
 */

/**
 * What can be said of a body before the request is passed on.
 *
 * @param {Pieces} pieces
 * @param {string | null | undefined} length the header
 * @returns {Promise<Beginning>}
 */
async function beginningOf(pieces, length) {
  const announced = length && /^\d+$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  if (announced > SMALL) return { more: true };
  const chunks = [];
  let size = 0;
  // Whoever sends more than was announced is read piece by piece.
  while (size <= SMALL) {
    const { done, value } = await pieces.read();
    if (done) return { first: Buffer.concat(chunks), more: false };
    chunks.push(bytesOf(value));
    size += chunks[chunks.length - 1].length;
  }
  return { first: Buffer.concat(chunks), more: true };
}

/**
 * Hands the rest over. Never rejects.
 *
 * @param {Pieces} pieces
 * @param {any} exchange
 */
async function pump(pieces, exchange) {
  try {
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) return exchange.finish(true);
      // The answer may not depend on the rest: a body that is too long is not read to its end.
      if ((await exchange.write(bytesOf(value))) !== "true") return void (await pieces.cancel());
    }
  } catch {
    exchange.finish(false);
  }
}

/** @param {any} chunk @returns {Uint8Array} */
function bytesOf(chunk) {
  return typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

/**
 * The pieces of a Node request. Leaving early does not destroy it: the answer goes out over the same socket.
 *
 * @param {any} req
 * @returns {Pieces}
 */
function piecesOf(req) {
  const chunks = req.iterator({ destroyOnReturn: false });
  return { read: () => chunks.next(), cancel: () => chunks.return() };
}

module.exports = { beginningOf, piecesOf, pump };
