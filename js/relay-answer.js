"use strict";

/** Answers of the relay, and how they are written as a web `Response` or to Node's `http`. */

const { fromNative } = require("./errors.js");

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {string[]} headers names and values in turn
 * @property {Uint8Array} [bytes] the body, or its first piece
 * @property {any} [rest] the exchange, where more pieces follow
 */

/**
 * An answer that is not the native relay's. Pages of another origin may read it: else the hooks would take it for a
 * broken connection, and come back.
 *
 * @param {number} status
 * @param {string} error
 * @param {number} [seconds] when to come back
 * @returns {Answer}
 */
function refusal(status, error, seconds) {
  return {
    status,
    headers: [
      ...["content-type", "application/json; charset=utf-8"],
      ...["cache-control", "no-store"],
      ...["access-control-allow-origin", "*"],
      ...(seconds === undefined ? [] : ["retry-after", String(seconds)]),
    ],
    bytes: Buffer.from(JSON.stringify({ error })),
  };
}

/**
 * A refusal of the native relay's, as its `refuses()` writes it.
 *
 * @param {string} text
 * @returns {Answer}
 */
function refusalOf(text) {
  const end = text.indexOf("\n\n");
  const lines = text.slice(0, end).split("\n");
  return { status: Number(lines[0]), headers: lines.slice(2), bytes: Buffer.from(text.slice(end + 2)) };
}

/**
 * An answer made here, that a page whose origin the app named may read with its cookies.
 *
 * @param {Answer} answer
 * @param {string} origin
 * @returns {Answer}
 */
function openTo(answer, origin) {
  const headers = ["access-control-allow-origin", origin, "access-control-allow-credentials", "true", "vary", "Origin"];
  for (let at = 0; at < answer.headers.length; at += 2) {
    if (answer.headers[at] !== "access-control-allow-origin") headers.push(answer.headers[at], answer.headers[at + 1]);
  }
  return { ...answer, headers };
}

/** To a viewer who left: nobody reads it. @type {Answer} */
const GONE = { status: 499, headers: [] };

/** @param {number} status */
function isBodiless(status) {
  return status === 204 || status === 205 || status === 304;
}

/**
 * The answer of an exchange.
 *
 * @param {any} exchange
 * @returns {Promise<Answer>}
 */
async function answerOf(exchange) {
  const [text, bytes] = await exchange.respond();
  if (text.startsWith("!")) {
    const failure = JSON.parse(text.slice(1));
    if (failure.kind === "aborted") return GONE;
    throw fromNative(failure);
  }
  const lines = text.split("\n");
  return { status: Number(lines[0]), headers: lines.slice(2), bytes, rest: lines[1] === "1" ? exchange : undefined };
}

/**
 * The next piece of an answer's body.
 *
 * @param {any} exchange
 * @returns {Promise<Uint8Array | undefined>} `undefined` at its end; rejects where it broke off
 */
async function nextPiece(exchange) {
  const [text, bytes] = await exchange.next();
  if (text.startsWith("!")) throw fromNative(JSON.parse(text.slice(1)));
  return bytes;
}

/**
 * @param {Answer} answer
 * @param {string} method
 * @param {() => void} done called when nothing more is read
 * @returns {Response}
 */
function toWebResponse({ status, headers, bytes, rest }, method, done) {
  const all = new Headers();
  for (let at = 0; at < headers.length; at += 2) all.append(headers[at], headers[at + 1]);
  const init = { status, headers: all };
  if (method === "HEAD" || isBodiless(status)) {
    rest?.abort();
    done();
    return new Response(null, init);
  }
  if (rest === undefined) {
    done();
    return new Response(/** @type {any} */ (bytes ?? null), init);
  }
  const body = new ReadableStream(
    {
      async pull(controller) {
        try {
          const piece = bytes ?? (await nextPiece(rest));
          bytes = undefined;
          if (piece !== undefined) return controller.enqueue(piece);
          done();
          controller.close();
        } catch (error) {
          done();
          controller.error(error);
        }
      },
      cancel() {
        done();
        rest.abort();
      },
    },
    // Nothing is asked for before the client reads.
    { highWaterMark: 0 },
  );
  return new Response(body, init);
}

/**
 * Header by header: of a list given to `writeHead()` older middleware makes other headers (`compression` up to 1.8.0, and
 * the one in Next.js).
 *
 * @param {any} res
 * @param {number} status
 * @param {string[]} headers names and values in turn
 */
function writeHead(res, status, headers) {
  /** @type {Map<string, string[]>} */
  const values = new Map();
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at].toLowerCase();
    const known = values.get(name);
    if (known === undefined) values.set(name, [headers[at + 1]]);
    else known.push(headers[at + 1]);
  }
  for (const [name, all] of values) res.setHeader(name, all.length === 1 ? all[0] : all);
  res.writeHead(status);
}

/**
 * @param {Answer} answer
 * @param {any} req
 * @param {any} res
 */
async function toNodeResponse({ status, headers, bytes, rest }, req, res) {
  if (res.destroyed || res.writableEnded) return rest?.abort();
  const isHead = req.method === "HEAD" || isBodiless(status);
  const all = [...headers];
  if (rest === undefined && !isHead && !all.includes("content-length")) {
    all.push("content-length", String(bytes?.length ?? 0));
  }
  writeHead(res, status, all);
  if (isHead || rest === undefined) {
    rest?.abort();
    res.end(isHead ? undefined : bytes);
    return;
  }
  if (bytes === undefined) res.flushHeaders();
  try {
    for (let piece = bytes ?? (await nextPiece(rest)); piece !== undefined; piece = await nextPiece(rest)) {
      // A client that does not read stops the source.
      if (!res.write(piece)) await drained(res);
      // Middleware that compresses holds pieces back otherwise.
      res.flush?.();
      if (res.destroyed) return rest.abort();
    }
    res.end();
  } catch {
    // What the client sees of a body that broke off upstream.
    res.destroy();
  }
}

/** @param {any} res @returns {Promise<void>} */
function drained(res) {
  return new Promise((resolve) => {
    const go = () => {
      res.off("drain", go);
      res.off("close", go);
      resolve();
    };
    res.on("drain", go);
    res.on("close", go);
    if (res.destroyed) go();
  });
}

module.exports = { GONE, answerOf, openTo, refusal, refusalOf, toNodeResponse, toWebResponse };
