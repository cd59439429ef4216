"use strict";

/** Answers of the relay, and how they are written as a web `Response` or to Node's `http`. */

const { fromNative } = require("../errors/errors.js");
const { after } = require("../async/timer.js");

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {string[]} headers names and values in turn
 * @property {Uint8Array} [bytes] the body, or its first piece
 * @property {any} [rest] the exchange, where more pieces follow
 */

/** The most of an answer that is handed over at once, in bytes: by the next part it is seen that a client reads. */
const SLICE = 16 * 1024;

/**
 * How long an answer may go without anything of it being read, and what is told when one was dropped for it.
 *
 * @typedef {{ ms: number, drop(): void }} Patience
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
  if (text.startsWith("{")) {
    const failure = JSON.parse(text);
    if (failure.error.kind === "aborted") return GONE;
    throw fromNative(failure);
  }
  const lines = text.split("\n");
  return { status: Number(lines[0]), headers: lines.slice(2), bytes, rest: lines[1] === "1" ? exchange : undefined };
}

/**
 * A `Response` of the app's own, read to its end.
 *
 * @param {Response} response
 * @returns {Promise<import("./response.js").Answer>}
 */
async function wholeAnswer(response) {
  return {
    status: response.status,
    headers: [...response.headers].flat(),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

/**
 * The next piece of an answer's body.
 *
 * @param {any} exchange
 * @returns {Promise<Uint8Array | undefined>} `undefined` at its end; rejects where it broke off
 */
async function nextPiece(exchange) {
  const [text, bytes] = await exchange.next();
  if (text.startsWith("{")) throw fromNative(text);
  return bytes;
}

/** Does `work` when nothing was read for too long. @param {Patience} patience @param {() => void} work */
function afterPatience({ ms, drop }, work) {
  const late = after(ms, () => {
    drop();
    work();
  });
  // An answer alone keeps no process alive.
  late.unref?.();
  return late;
}

/**
 * @param {Answer} answer
 * @param {string} method
 * @param {() => void} done called when nothing more is read
 * @param {Patience} patience
 * @returns {Response}
 */
function toWebResponse({ status, headers, bytes, rest }, method, done, patience) {
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
  /** @type {any} */
  let late;
  const unread = (/** @type {any} */ controller) => {
    late = afterPatience(patience, () => {
      done();
      rest.abort();
      controller.error(new Error(`nothing of the body was read for ${patience.ms} ms (limits.sendTimeoutMs)`));
    });
  };
  let piece = bytes;
  const body = new ReadableStream(
    {
      start: unread,
      async pull(controller) {
        clearTimeout(late);
        try {
          piece ??= await nextPiece(rest);
          if (piece !== undefined) {
            controller.enqueue(piece.subarray(0, SLICE));
            piece = piece.length > SLICE ? piece.subarray(SLICE) : undefined;
            return unread(controller);
          }
          done();
          controller.close();
        } catch (error) {
          done();
          controller.error(error);
        }
      },
      cancel() {
        clearTimeout(late);
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
 * @param {Patience} patience
 */
async function toNodeResponse({ status, headers, bytes, rest }, req, res, patience) {
  if (res.destroyed || res.writableEnded) return rest?.abort();
  const isHead = req.method === "HEAD" || isBodiless(status);
  const all = [...headers];
  if (rest === undefined && !isHead && !all.includes("content-length")) {
    all.push("content-length", String(bytes?.length ?? 0));
  }
  writeHead(res, status, all);
  const reader = new Reader(res, patience);
  if (isHead || rest === undefined) {
    rest?.abort();
    return reader.end(isHead ? undefined : bytes);
  }
  if (bytes === undefined) res.flushHeaders();
  try {
    for (let piece = bytes ?? (await nextPiece(rest)); piece !== undefined; piece = await nextPiece(rest)) {
      for (let at = 0; at < piece.length; at += SLICE) {
        // A client that does not read stops the source.
        if (!res.write(piece.subarray(at, at + SLICE))) await reader.drained();
        if (reader.isGone) return rest.abort();
      }
      // Middleware that compresses holds pieces back otherwise.
      res.flush?.();
    }
    reader.end();
  } catch {
    // What the client sees of a body that broke off upstream.
    res.destroy();
  }
}

/** Whoever reads an answer over Node's `http`; dropped when it takes nothing of it for too long. */
class Reader {
  #res;
  #patience;
  #wake = () => {};

  /** @param {any} res @param {Patience} patience */
  constructor(res, patience) {
    this.#res = res;
    this.#patience = patience;
    // Once, however often it is waited for: middleware that compresses has `drain` elsewhere, and takes none back.
    for (const event of ["drain", "finish", "close"]) res.on(event, () => this.#wake());
  }

  get isGone() {
    return this.#res.destroyed || this.#res.stream?.destroyed === true;
  }

  /** Until there is room for more, or nobody who could read it. @returns {Promise<void>} */
  drained() {
    return new Promise((resolve) => {
      const late = afterPatience(this.#patience, () => {
        this.#res.destroy();
        this.#wake();
      });
      this.#wake = () => {
        clearTimeout(late);
        this.#wake = () => {};
        resolve();
      };
      if (this.isGone) this.#wake();
    });
  }

  /** @param {Uint8Array} [bytes] the whole body, where nothing was written */
  end(bytes) {
    this.#res.end(bytes);
    // What Node still holds of it.
    if (!this.#res.writableFinished) void this.drained();
  }
}

module.exports = { GONE, answerOf, openTo, refusal, refusalOf, toNodeResponse, toWebResponse, wholeAnswer };
