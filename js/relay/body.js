"use strict";

/** The body of a viewer's request, passed to the relay no faster than the relay reads it. */

/** A body with a `content-length` up to this is sent with the head, in bytes. */
const SMALL = 64 * 1024;

/**
 * @typedef {object} Beginning
 * @property {Uint8Array} [first] the whole body, or the part that came so far
 * @property {boolean} more whether pieces follow
 *
 * A reader of pieces, as of a web stream.
 * @typedef {{ read(): Promise<{ done?: boolean, value?: string | Uint8Array }>, cancel(): unknown }} Pieces
 */

/**
 * The beginning of a body, before the request is passed on.
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
  // A body longer than announced is read piece by piece.
  while (size <= SMALL) {
    const { done, value } = await pieces.read();
    if (done) return { first: Buffer.concat(chunks), more: false };
    chunks.push(bytesOf(value));
    size += chunks[chunks.length - 1].length;
  }
  return { first: Buffer.concat(chunks), more: true };
}

/**
 * Passes the rest on. Never rejects.
 *
 * @param {Pieces} pieces
 * @param {import("../native/addon.js").Exchange} exchange
 */
async function pump(pieces, exchange) {
  try {
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) return exchange.finish(true);
      // The response may not need the rest: a body that is too long is not read to its end.
      if ((await exchange.write(bytesOf(value))) !== "true") return void (await pieces.cancel());
    }
  } catch {
    exchange.finish(false);
  }
}

/** @param {string | Uint8Array | undefined} chunk @returns {Uint8Array} */
function bytesOf(chunk) {
  return typeof chunk === "string" ? Buffer.from(chunk) : /** @type {Uint8Array} */ (chunk);
}

/**
 * The pieces of a Node request. Ending early does not destroy it: the response uses the same socket.
 *
 * @param {import("./response.js").NodeRequest} req
 * @returns {Pieces}
 */
function piecesOf(req) {
  const chunks = req.iterator({ destroyOnReturn: false });
  return { read: () => chunks.next(), cancel: () => chunks.return?.() };
}

module.exports = { beginningOf, piecesOf, pump };
