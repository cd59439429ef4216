"use strict";

/** Responses of the relay, and how they are written as a web `Response` or to Node's `http`. */

const { fromNative } = require("../errors/errors.js");
const { after } = require("../async/timer.js");
const { decodeResponseHead } = require("./head.js");

/**
 * @typedef {import("../native/addon.js").Exchange} Exchange
 *
 * @typedef {object} RelayResponse
 * @property {number} status
 * @property {string[]} headers names and values in turn
 * @property {Uint8Array} [bytes] the body, or its first piece
 * @property {Exchange} [rest] where more pieces follow
 *
 * A request and a response of Node's `http` or `http2`, or of Express.
 * @typedef {import("node:http").IncomingMessage & { originalUrl?: string, stream?: { endAfterHeaders?: boolean } }} NodeRequest
 * @typedef {import("node:http").ServerResponse & { stream?: { destroyed?: boolean }, flush?(): void }} NodeResponse
 */

/** The most bytes of a body that are written at once: the next write shows that the client reads. */
const SLICE = 16 * 1024;

/**
 * How long a client may read nothing of a response, and a callback for one that is dropped then.
 *
 * @typedef {{ ms: number, drop(): void }} SendTimeout
 */

/**
 * A refusal by JavaScript, not by the native relay. Pages of another origin may read it: else the hooks would take it
 * for a broken connection, and reconnect.
 *
 * @param {number} status
 * @param {string} error
 * @param {number} [seconds] when to try again
 * @returns {RelayResponse}
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
 * A refusal by the native relay, from the text of its `refuses()`.
 *
 * @param {string} text
 * @returns {RelayResponse}
 */
function refusalOf(text) {
  const end = text.indexOf("\n\n");
  const { status, headers } = decodeResponseHead(text.slice(0, end));
  return { status, headers, bytes: Buffer.from(text.slice(end + 2)) };
}

/**
 * A response made here, which a page whose origin the app named may read with its cookies.
 *
 * @param {RelayResponse} answer
 * @param {string} origin
 * @returns {RelayResponse}
 */
function allowOrigin(answer, origin) {
  const headers = ["access-control-allow-origin", origin, "access-control-allow-credentials", "true", "vary", "Origin"];
  for (let at = 0; at < answer.headers.length; at += 2) {
    if (answer.headers[at] !== "access-control-allow-origin") headers.push(answer.headers[at], answer.headers[at + 1]);
  }
  return { ...answer, headers };
}

/** For a viewer who left, and does not read it. @type {RelayResponse} */
const CLIENT_CLOSED = { status: 499, headers: [] };

/**
 * What a closed handler answers, with which the connection ends, over HTTP/1.1. A page asks again on the same one, and the app's
 * server, which waits for each connection, would end when the page waits longer than a connection is kept.
 *
 * @param {RelayResponse} answer
 * @returns {RelayResponse}
 */
function endConnection(answer) {
  return { ...answer, headers: [...answer.headers, "connection", "close"] };
}

/** @param {number} status */
function isBodiless(status) {
  return status === 204 || status === 205 || status === 304;
}

/**
 * The response of an exchange.
 *
 * @param {Exchange} exchange
 * @returns {Promise<RelayResponse>}
 */
async function responseOf(exchange) {
  const [text, bytes] = await exchange.respond();
  if (text.startsWith("{")) {
    const failure = JSON.parse(text);
    if (failure.error.kind === "aborted") return CLIENT_CLOSED;
    throw fromNative(failure);
  }
  const { status, headers, more } = decodeResponseHead(text);
  return { status, headers, bytes, rest: more ? exchange : undefined };
}

/**
 * A `Response` of the app's own, read to its end.
 *
 * @param {Response} response
 * @returns {Promise<RelayResponse>}
 */
async function wholeResponse(response) {
  return {
    status: response.status,
    headers: [...response.headers].flat(),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

/**
 * The next piece of a response's body.
 *
 * @param {Exchange} exchange
 * @returns {Promise<Uint8Array | undefined>} `undefined` at its end; rejects where it broke off
 */
async function nextPiece(exchange) {
  const [text, bytes] = await exchange.next();
  if (text.startsWith("{")) throw fromNative(text);
  return bytes;
}

/** Calls `work` when nothing was read for too long. @param {SendTimeout} timeout @param {() => void} work */
function afterTimeout({ ms, drop }, work) {
  const late = after(ms, () => {
    drop();
    work();
  });
  // A response alone keeps no process alive.
  late.unref?.();
  return late;
}

/**
 * @param {RelayResponse} answer
 * @param {string} method
 * @param {() => void} done called when nothing more is read
 * @param {SendTimeout} timeout
 * @returns {Response}
 */
function toWebResponse({ status, headers, bytes, rest }, method, done, timeout) {
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
    return new Response(/** @type {Uint8Array<ArrayBuffer> | undefined} */ (bytes) ?? null, init);
  }
  /** @type {NodeJS.Timeout | undefined} */
  let late;
  const unread = (/** @type {ReadableStreamDefaultController<Uint8Array>} */ controller) => {
    late = afterTimeout(timeout, () => {
      done();
      rest.abort();
      controller.error(new Error(`nothing of the body was read for ${timeout.ms} ms (limits.sendTimeoutMs)`));
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
    // Nothing is read before the client reads.
    { highWaterMark: 0 },
  );
  return new Response(body, init);
}

/**
 * Sets each header by itself: older middleware makes other headers of a list given to `writeHead()` (`compression` up
 * to 1.8.0, and the one in Next.js).
 *
 * @param {NodeResponse} res
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
 * @param {RelayResponse} answer
 * @param {NodeRequest} req
 * @param {NodeResponse} res
 * @param {SendTimeout} timeout
 */
async function toNodeResponse({ status, headers, bytes, rest }, req, res, timeout) {
  if (res.destroyed || res.writableEnded) return rest?.abort();
  const isHead = req.method === "HEAD" || isBodiless(status);
  const all = [...headers];
  if (rest === undefined && !isHead && !all.includes("content-length")) {
    all.push("content-length", String(bytes?.length ?? 0));
  }
  writeHead(res, status, all);
  const reader = new Reader(res, timeout);
  if (isHead || rest === undefined) {
    rest?.abort();
    return reader.end(isHead ? undefined : bytes);
  }
  if (bytes === undefined) res.flushHeaders();
  try {
    for (let piece = bytes ?? (await nextPiece(rest)); piece !== undefined; piece = await nextPiece(rest)) {
      for (let at = 0; at < piece.length; at += SLICE) {
        // A client that does not read stops the upstream.
        if (!res.write(piece.subarray(at, at + SLICE))) await reader.drained();
        if (reader.isGone) return rest.abort();
      }
      // Middleware that compresses would hold pieces back.
      res.flush?.();
    }
    reader.end();
  } catch {
    // The upstream body broke off, and so does the client's.
    res.destroy();
  }
}

/** The client of a response over Node's `http`; dropped when it reads nothing for too long. */
class Reader {
  #res;
  #timeout;
  #wake = () => {};

  /** @param {NodeResponse} res @param {SendTimeout} timeout */
  constructor(res, timeout) {
    this.#res = res;
    this.#timeout = timeout;
    // One listener for all waits: middleware that compresses redirects `drain`, and cannot remove listeners.
    for (const event of ["drain", "finish", "close"]) res.on(event, () => this.#wake());
  }

  get isGone() {
    return this.#res.destroyed || this.#res.stream?.destroyed === true;
  }

  /** Resolves when there is room for more, or the client is gone. @returns {Promise<void>} */
  drained() {
    return new Promise((resolve) => {
      const late = afterTimeout(this.#timeout, () => {
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
    // Until Node has sent the rest of it.
    if (!this.#res.writableFinished) void this.drained();
  }
}

module.exports = {
  CLIENT_CLOSED,
  endConnection,
  responseOf,
  allowOrigin,
  refusal,
  refusalOf,
  toNodeResponse,
  toWebResponse,
  wholeResponse,
};
