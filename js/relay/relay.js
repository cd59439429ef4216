"use strict";

/**
 * The handler of the relay: for web requests, for Node's `http`, and as a listener (docs/relay.md).
 *
 * The first request reads the environment and opens the relay. So a handler at the top of a route's module costs a
 * build nothing, and needs no key there.
 */

const { aliveUntilStopped } = require("../native/alive.js");
const {
  CLIENT_CLOSED,
  endConnection,
  responseOf,
  allowOrigin,
  refusal,
  refusalOf,
  toNodeResponse,
  toWebResponse,
  wholeResponse,
} = require("./response.js");
const { Decisions, decisionOf } = require("./authorize.js");
const { beginningOf, piecesOf, pump } = require("./body.js");
const { decodeRequestHead, encodeRequestHead, encodeResponseHead } = require("./head.js");
const { openRelay } = require("./native-relay.js");
const { handlerOptions, listenOptions, requestOf } = require("./options.js");
const { signalOf } = require("../async/aborts.js");
const { LazyAbort } = require("../async/lazy-abort.js");
const { hostOf, peerOf, peerOfUrl, requestFrom, targetOf } = require("./request.js");

/** The beginning of the server's own paths, and the end of the relay's own one. */
const SERVER_PATH = /\/(?:realtime\/v1|api\/v[123])\/|\/relay\/v1\/live\/?$/;

const CLOSED = "The relay was closed";

/** @see types/relay.d.ts @param {unknown} [options] */
function createRealtimeHandler(options) {
  const relay = new Relay(handlerOptions(options));
  const handler = async (/** @type {unknown} */ given) => relay.web(requestOf(given));
  return Object.assign(handler, {
    node: (/** @type {NodeRequest} */ req, /** @type {NodeResponse} */ res, /** @type {Next | undefined} */ next) =>
      relay.node(req, res, next),
    listen: async (/** @type {unknown} */ options) => relay.listen(listenOptions(options)),
    stats: () => relay.stats(),
    close: () => relay.close(),
  });
}

/**
 * @typedef {import("./response.js").NodeRequest} NodeRequest
 * @typedef {import("./response.js").NodeResponse} NodeResponse
 * @typedef {(error?: unknown) => void} Next
 * @typedef {import("../native/addon.js").Relay} NativeRelay
 */

class Relay {
  #options;
  /** @type {NativeRelay | undefined} */
  #native;
  #isClosed = false;
  /** Those on requests of `handler(request)` and `handler.node`. */
  #decisions = new Decisions();
  /** For clients that do not read. @type {import("./response.js").SendTimeout} */
  #sendTimeout;
  /** The warnings that the process was given. @type {Set<string>} */
  #warned = new Set();
  /** Those that are open. @type {Set<{ close(): Promise<void> }>} */
  #listeners = new Set();

  /** @param {import("./options.js").HandlerOptions} options */
  constructor(options) {
    this.#options = options;
    this.#sendTimeout = { ms: options.sendTimeoutMs, drop: () => this.#native?.droppedUnread() };
  }

  /**
   * @param {Request} request
   * @returns {Promise<Response>}
   */
  async web(request) {
    const { method } = request;
    const target = targetOf(request.url);
    /** @type {string[]} */
    const headers = [];
    request.headers.forEach((value, name) => {
      // The framework compresses: Next.js removes `content-encoding` of a route's response, and leaves the body.
      if (name !== "accept-encoding") headers.push(name, value);
    });
    const head = encodeRequestHead(method, target, headers);
    const asked = this.#count(await this.#authorize(head, () => request, this.#decisions, hostOf(request.url)));
    if (asked.response) return asked.response;
    if (asked.answer) return this.#toWeb(asked.answer, method);
    if (request.bodyUsed) return this.#toWeb(this.#bodyWasRead(), method);
    const pieces = request.body?.getReader();
    const signal = signalOf(request);
    const viewer = new LazyAbort();
    const left = () => viewer.abort();
    if (signal?.aborted) left();
    signal?.addEventListener("abort", left, { once: true });
    const done = () => signal?.removeEventListener("abort", left);
    const length = request.headers.get("content-length");
    const answer = await this.#exchange(head, asked.grant, pieces, length, viewer, peerOfUrl(request.url));
    return this.#toWeb(answer, method, done);
  }

  /**
   * @param {NodeRequest} req
   * @param {NodeResponse} res
   * @param {Next | undefined} next
   * @returns {Promise<void>} never rejects
   */
  async node(req, res, next) {
    // Express removes the mount point from `url`.
    const url = req.originalUrl ?? req.url ?? "";
    const target = targetOf(url);
    if (typeof next === "function" && !this.#isOurs(target)) return next();
    const viewer = new LazyAbort();
    res.once("close", () => viewer.abort());
    try {
      const given = await this.#answerNode(req, url, viewer);
      const answer = this.#isClosed && req.httpVersionMajor === 1 ? endConnection(given) : given;
      await toNodeResponse(answer, req, res, this.#sendTimeout);
    } catch (error) {
      const answer = this.#fault(error);
      if (res.headersSent) res.destroy();
      else await toNodeResponse(answer, req, res, this.#sendTimeout);
    }
  }

  /**
   * @param {NodeRequest} req
   * @param {string} url as it was sent: a path, or a host and a path
   * @param {InstanceType<typeof LazyAbort>} viewer
   */
  async #answerNode(req, url, viewer) {
    /** @type {string[]} */
    const headers = [];
    for (let at = 0; at < req.rawHeaders.length; at += 2) {
      const [name, value] = [req.rawHeaders[at], req.rawHeaders[at + 1]];
      // HTTP/2 has its request line among the headers.
      if (name === ":authority") headers.push("host", value);
      else if (!name.startsWith(":")) headers.push(name, value);
    }
    const request = () => {
      const scheme = /** @type {{ encrypted?: boolean } | undefined} */ (req.socket)?.encrypted ? "https" : "http";
      return requestFrom(req.method ?? "GET", targetOf(url), headers, scheme, viewer.signal);
    };
    // A host before the path is one more host of the request.
    const head = encodeRequestHead(req.method ?? "GET", url.startsWith("/") ? targetOf(url) : url, headers);
    const asked = this.#count(await this.#authorize(head, request, this.#decisions));
    if (asked.response) return wholeResponse(asked.response);
    if (asked.answer) return asked.answer;
    const length = req.headers["content-length"];
    const hasBody = length ? length !== "0" : req.headers["transfer-encoding"] || req.stream?.endAfterHeaders === false;
    if (hasBody && (req.readableDidRead || req.readableEnded)) return this.#bodyWasRead();
    return this.#exchange(head, asked.grant, hasBody ? piecesOf(req) : undefined, length, viewer, peerOf(req));
  }

  /**
   * @param {import("./response.js").RelayResponse} answer
   * @param {string} method
   * @param {() => void} [done] called when nothing more is read
   */
  #toWeb(answer, method, done = () => {}) {
    const given = this.#isClosed ? endConnection(answer) : answer;
    return toWebResponse(given, method, done, this.#sendTimeout);
  }

  /**
   * One request and its response.
   *
   * @param {string} head
   * @param {string | undefined} grant
   * @param {import("./body.js").Pieces | undefined} pieces
   * @param {string | null | undefined} length
   * @param {InstanceType<typeof LazyAbort>} viewer
   * @param {string | null} peer
   * @returns {Promise<import("./response.js").RelayResponse>} never rejects
   */
  async #exchange(head, grant, pieces, length, viewer, peer) {
    try {
      let beginning;
      try {
        beginning = pieces === undefined ? { first: undefined, more: false } : await beginningOf(pieces, length);
      } catch {
        return refusal(400, "The request body broke off");
      }
      const { first, more } = beginning;
      const exchange = this.#opened().exchange(head, grant ?? null, first ?? null, more, peer);
      if (typeof exchange === "string") return refusal(400, JSON.parse(exchange).error.message);
      if (viewer.onAbort(() => exchange.abort())) return CLIENT_CLOSED;
      if (more && pieces !== undefined) void pump(pieces, exchange);
      return await responseOf(exchange);
    } catch (error) {
      return this.#fault(error);
    }
  }

  /**
   * The checks before the native relay: whether it is open, and the app's decision on the request.
   *
   * @param {string} head
   * @param {() => Request} request
   * @param {InstanceType<typeof Decisions>} decisions
   * @param {string} [host] the app's, where it is not known from the head
   * @returns {Promise<{ grant?: string, response?: Response, answer?: import("./response.js").RelayResponse }>}
   */
  async #authorize(head, request, decisions, host) {
    if (this.#isClosed) return { answer: refusal(503, CLOSED) };
    let native;
    try {
      native = this.#opened();
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      this.#warn(message);
      // The message names variables and options, and no value of them.
      return { answer: refusal(500, message) };
    }
    const { authorize, authorizeTimeoutMs, metricsPath } = this.#options;
    if (authorize === undefined) return {};
    const { method, target } = decodeRequestHead(head);
    // Refused before the app sees it: a request that the app and the relay would read differently, or of another
    // origin's page.
    const refused = native.refuses(head, host ?? null);
    if (refused !== null) return { answer: refusalOf(refused) };
    // A preflight carries no cookie, and its response no data.
    if (method === "OPTIONS" || targetOf(target).split("?", 1)[0] === metricsPath) return {};
    let asked;
    try {
      asked = request();
    } catch {
      // No URL or no `Request` can have this host or method.
      return { answer: refusal(400, "Bad Request") };
    }
    if (!native.authorizes())
      return { answer: this.#allowOrigin(head, refusal(429, "Too many concurrent requests", 1)) };
    try {
      const decision = await decisionOf(authorize, asked, authorizeTimeoutMs, decisions);
      if ("refused" in decision) return { answer: this.#allowOrigin(head, refusal(401, "Unauthorized")) };
      if ("closed" in decision) return { answer: this.#allowOrigin(head, refusal(503, CLOSED)) };
      if (!("late" in decision)) return decision;
      this.#warn(`authorize() did not answer within ${authorizeTimeoutMs} ms (authorizeTimeoutMs)`);
      return { answer: this.#allowOrigin(head, refusal(503, "The app did not answer in time", 1)) };
    } catch (error) {
      return { answer: this.#fault(error, "authorize() failed: ") };
    } finally {
      native.authorized();
    }
  }

  /**
   * A response made here, which the page may read with its cookies where the app named its origin.
   *
   * @param {string} head
   * @param {import("./response.js").RelayResponse} answer
   */
  #allowOrigin(head, answer) {
    const { headers } = decodeRequestHead(head);
    const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "origin");
    return at >= 0 && this.#options.allowOrigins.includes(headers[at + 1])
      ? allowOrigin(answer, headers[at + 1])
      : answer;
  }

  /**
   * Counts a response made here in the native relay. Listeners count theirs themselves.
   *
   * @template {{ response?: Response, answer?: import("./response.js").RelayResponse }} Asked
   * @param {Asked} asked
   */
  #count(asked) {
    const given = asked.response ?? asked.answer;
    if (given !== undefined && !this.#isClosed) this.#native?.refusedElsewhere(given.status);
    return asked;
  }

  /** The native relay, opened by the first request. @returns {NativeRelay} */
  #opened() {
    if (this.#native === undefined) {
      // A weak reference: held by the native relay, this would keep both from ever being collected.
      const self = new WeakRef(this);
      this.#native = openRelay(this.#options, (text) => {
        const relay = self.deref();
        // An upstream that a closed relay leaves behind for a moment concerns nobody: the app may stop its server now.
        if (relay !== undefined && !relay.#isClosed) relay.#warn(text);
      });
    }
    return this.#native;
  }

  /**
   * Warns of a failure, whose message is not for the viewer.
   *
   * @param {unknown} error
   * @param {string} [what]
   */
  #fault(error, what = "") {
    this.#warn(`${what}${/** @type {Error | null | undefined} */ (error)?.message ?? error}`);
    return refusal(500, "Internal Server Error");
  }

  #bodyWasRead() {
    const why =
      "The request's body was already read: put the relay before body parsers such as express.json(), and read a " +
      "request.clone() in authorize()";
    this.#warn(why);
    return refusal(500, why);
  }

  /** Warns the process, once for each text. @param {string} text */
  #warn(text) {
    if (this.#warned.has(text) || this.#warned.size >= 100) return;
    this.#warned.add(text);
    process.emitWarning(`the realtime handler: ${text}`, { code: "TRIGGER_NATIVE_RELAY" });
  }

  /** Whether a path can be one of the relay's. @param {string} target */
  #isOurs(target) {
    const path = target.split("?", 1)[0];
    const { basePath, metricsPath } = this.#options;
    if (path === metricsPath) return true;
    return basePath === undefined ? SERVER_PATH.test(path) : path.startsWith(`${basePath}/`);
  }

  /** @param {import("./options.js").ListenOptions} where */
  async listen({ host, port, tls }) {
    const { ConfigError, fromNative } = require("../errors/errors.js");
    if (this.#isClosed) throw new ConfigError("ERR_CLOSED", "listen(): the handler was closed: create another one");
    const relay = this.#opened();
    const { authorize } = this.#options;
    const decisions = new Decisions();
    const decide = (/** @type {number} */ ticket, /** @type {string} */ head) => {
      this.#decide(head, tls ? "https" : "http", decisions).then(({ grant, answer }) => {
        const text = answer && encodeResponseHead(answer);
        listener.decide(ticket, grant ?? null, text ?? null, answer?.bytes ?? null);
      });
    };
    const made = relay.listener(
      host,
      port,
      authorize === undefined ? null : decide,
      tls?.cert ?? null,
      tls?.key ?? null,
    );
    if (typeof made === "string") throw fromNative(made);
    const listener = made;
    const started = JSON.parse(await listener.start());
    if (started.error) throw fromNative(started);
    aliveUntilStopped(listener);
    /** @type {Promise<void> | undefined} */
    let stopped;
    const listening = {
      url: /** @type {string} */ (started.ok.url),
      close: () => {
        decisions.close();
        stopped ??= listener.stop().then(() => void this.#listeners.delete(listening));
        return /** @type {Promise<void>} */ (stopped);
      },
      [Symbol.asyncDispose]: () => listening.close(),
    };
    this.#listeners.add(listening);
    // Closed meanwhile.
    if (this.#isClosed) await listening.close();
    return listening;
  }

  /**
   * The app's decision on a request of a listener. Never rejects.
   *
   * @param {string} head
   * @param {string} scheme
   * @param {InstanceType<typeof Decisions>} decisions
   * @returns {Promise<{ grant?: string, answer?: import("./response.js").RelayResponse }>}
   */
  async #decide(head, scheme, decisions) {
    try {
      const { method, target, headers } = decodeRequestHead(head);
      const asked = await this.#authorize(head, () => requestFrom(method, target, headers, scheme), decisions);
      return asked.response ? { answer: await wholeResponse(asked.response) } : asked;
    } catch (error) {
      return { answer: this.#fault(error) };
    }
  }

  stats() {
    return JSON.parse(this.#native?.stats() ?? require("../native/native.js").noRelayStats());
  }

  /** @returns {Promise<void>} */
  async close() {
    this.#isClosed = true;
    this.#decisions.close();
    const closed = [...this.#listeners].map((listener) => listener.close());
    this.#native?.stop();
    await Promise.all(closed);
  }
}

module.exports = { createRealtimeHandler };
