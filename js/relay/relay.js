"use strict";

/**
 * The relay's face: a handler of web requests, an adapter for Node's `http`, and a listener (docs/relay.md).
 *
 * Nothing is read from the environment or opened before the first request: a handler at the top of a route's module
 * costs a build nothing, and needs no key there.
 */

const { aliveUntilStopped } = require("../native/alive.js");
const {
  GONE,
  answerOf,
  openTo,
  refusal,
  refusalOf,
  toNodeResponse,
  toWebResponse,
  wholeAnswer,
} = require("./response.js");
const { verdictOf } = require("./authorize.js");
const { beginningOf, piecesOf, pump } = require("./body.js");
const { handlerOptions, listenOptions, requestOf } = require("./options.js");
const { LazyAbort } = require("../async/lazy-abort.js");
const { hostOf, requestFrom, targetOf } = require("./request.js");

/** What the server's own paths begin with. */
const SERVER_PATH = /\/(?:realtime\/v1|api\/v[123])\//;

/** @see types/relay.d.ts */
function createRealtimeHandler(options) {
  const relay = new Relay(handlerOptions(options));
  const handler = async (/** @type {any} */ given) => relay.web(requestOf(given));
  return Object.assign(handler, {
    node: (/** @type {any} */ req, /** @type {any} */ res, /** @type {any} */ next) => relay.node(req, res, next),
    listen: async (/** @type {any} */ options) => relay.listen(listenOptions(options)),
    stats: () => relay.stats(),
    close: () => relay.close(),
  });
}

class Relay {
  #options;
  /** @type {any} */
  #native;
  #isClosed = false;
  /** With whoever reads its answers. @type {import("./response.js").Patience} */
  #patience;
  /** What was told on the process. @type {Set<string>} */
  #told = new Set();
  /** What is open to viewers: listeners. @type {Set<{ close(): Promise<void> }>} */
  #listeners = new Set();

  /** @param {import("./options.js").HandlerOptions} options */
  constructor(options) {
    this.#options = options;
    this.#patience = { ms: options.sendTimeoutMs, drop: () => this.#native?.droppedUnread() };
  }

  /**
   * @param {Request} request
   * @returns {Promise<Response>}
   */
  async web(request) {
    const { method } = request;
    const target = targetOf(request.url);
    let head = `${method}\n${target}`;
    request.headers.forEach((value, name) => {
      // Compressing is the framework's: Next.js takes `content-encoding` off what a route answers, and leaves the body.
      if (name === "accept-encoding") return;
      head += `\n${name}\n${value}`;
    });
    const asked = this.#counted(await this.#ask(head, () => request, hostOf(request.url)));
    if (asked.response) return asked.response;
    if (asked.answer) return this.#toWeb(asked.answer, method);
    if (request.bodyUsed) return this.#toWeb(this.#bodyWasRead(), method);
    const pieces = /** @type {any} */ (request.body?.getReader());
    const { signal } = request;
    const viewer = new LazyAbort();
    const left = () => viewer.abort();
    if (signal?.aborted) left();
    signal?.addEventListener("abort", left, { once: true });
    const done = () => signal?.removeEventListener("abort", left);
    const answer = await this.#exchange(head, asked.grant, pieces, request.headers.get("content-length"), viewer);
    return this.#toWeb(answer, method, done);
  }

  /**
   * @param {any} req
   * @param {any} res
   * @param {((error?: unknown) => void) | undefined} next
   * @returns {Promise<void>} never rejects
   */
  async node(req, res, next) {
    // Express takes the mount point out of `url`.
    const url = req.originalUrl ?? req.url;
    const target = targetOf(url);
    if (typeof next === "function" && !this.#isOurs(target)) return next();
    const viewer = new LazyAbort();
    res.once("close", () => viewer.abort());
    try {
      const answer = await this.#answerNode(req, url, viewer);
      await toNodeResponse(answer, req, res, this.#patience);
    } catch (error) {
      const answer = this.#fault(error);
      if (res.headersSent) res.destroy();
      else await toNodeResponse(answer, req, res, this.#patience);
    }
  }

  /**
   * @param {any} req
   * @param {string} url as it was sent: a path, or with a host before it
   * @param {InstanceType<typeof LazyAbort>} viewer
   */
  async #answerNode(req, url, viewer) {
    /** @type {[string, string][]} */
    const headers = [];
    for (let at = 0; at < req.rawHeaders.length; at += 2) {
      const [name, value] = [req.rawHeaders[at], req.rawHeaders[at + 1]];
      // HTTP/2 has its request line among them.
      if (name === ":authority") headers.push(["host", value]);
      else if (!name.startsWith(":")) headers.push([name, value]);
    }
    const request = () => {
      const scheme = req.socket?.encrypted ? "https" : "http";
      return requestFrom(req.method, targetOf(url), headers, scheme, viewer.signal);
    };
    // A host before the path is one more that the request names.
    const head = [req.method, url.startsWith("/") ? targetOf(url) : url, ...headers.flat()].join("\n");
    const asked = this.#counted(await this.#ask(head, request));
    if (asked.response) return wholeAnswer(asked.response);
    if (asked.answer) return asked.answer;
    const length = req.headers["content-length"];
    const hasBody = length ? length !== "0" : req.headers["transfer-encoding"] || req.stream?.endAfterHeaders === false;
    if (hasBody && (req.readableDidRead || req.readableEnded)) return this.#bodyWasRead();
    return this.#exchange(head, asked.grant, hasBody ? piecesOf(req) : undefined, length, viewer);
  }

  /**
   * @param {import("./response.js").Answer} answer
   * @param {string} method
   * @param {() => void} [done] called when nothing more is read
   */
  #toWeb(answer, method, done = () => {}) {
    return toWebResponse(answer, method, done, this.#patience);
  }

  /**
   * One request and its answer.
   *
   * @param {string} head
   * @param {string | undefined} grant
   * @param {import("./body.js").Pieces | undefined} pieces
   * @param {string | null | undefined} length
   * @param {InstanceType<typeof LazyAbort>} viewer
   * @returns {Promise<import("./response.js").Answer>} never rejects
   */
  async #exchange(head, grant, pieces, length, viewer) {
    try {
      let beginning;
      try {
        beginning = pieces === undefined ? { first: undefined, more: false } : await beginningOf(pieces, length);
      } catch {
        return refusal(400, "The request body broke off");
      }
      const { first, more } = beginning;
      const exchange = this.#opened().exchange(head, grant ?? null, first ?? null, more);
      if (typeof exchange === "string") return refusal(400, JSON.parse(exchange).message);
      if (viewer.onAbort(() => exchange.abort())) return GONE;
      if (more && pieces !== undefined) void pump(pieces, exchange);
      return await answerOf(exchange);
    } catch (error) {
      return this.#fault(error);
    }
  }

  /**
   * What holds before the relay itself is asked: whether there is one, and what the app says of the request.
   *
   * @param {string} head method, URL, then names and values, a line each
   * @param {() => Request} request
   * @param {string} [host] the app's, where it is known from elsewhere than the head
   * @returns {Promise<{ grant?: string, response?: Response, answer?: import("./response.js").Answer }>}
   */
  async #ask(head, request, host) {
    if (this.#isClosed) return { answer: refusal(503, "The relay was closed") };
    try {
      this.#opened();
    } catch (error) {
      this.#tell(/** @type {any} */ (error).message);
      // It names variables and options, and no value of them.
      return { answer: refusal(500, /** @type {any} */ (error).message) };
    }
    const { authorize, authorizeTimeoutMs, metricsPath } = this.#options;
    if (authorize === undefined) return {};
    const [method, url] = head.split("\n", 2);
    // Before the app sees it: what means one thing to it and another to the relay, and what another origin's page asks.
    const refused = this.#native.refuses(head, host ?? null);
    if (refused !== null) return { answer: refusalOf(refused) };
    // A preflight carries no cookie, and tells nothing.
    if (method === "OPTIONS" || targetOf(url).split("?", 1)[0] === metricsPath) return {};
    let asked;
    try {
      asked = request();
    } catch {
      // A host or a method that no URL and no `Request` can have.
      return { answer: refusal(400, "Bad Request") };
    }
    const native = this.#native;
    if (!native.authorizes()) return { answer: this.#openTo(head, refusal(429, "Too many concurrent requests", 1)) };
    try {
      const verdict = await verdictOf(authorize, asked, authorizeTimeoutMs);
      if ("refused" in verdict) return { answer: this.#openTo(head, refusal(401, "Unauthorized")) };
      if (!("late" in verdict)) return verdict;
      this.#tell(`authorize() did not answer within ${authorizeTimeoutMs} ms (authorizeTimeoutMs)`);
      return { answer: this.#openTo(head, refusal(503, "The app did not answer in time", 1)) };
    } catch (error) {
      return { answer: this.#fault(error, "authorize() failed: ") };
    } finally {
      native.authorized();
    }
  }

  /**
   * An answer made here, which the page that asked may read with its cookies where the app named its origin.
   *
   * @param {string} head
   * @param {import("./response.js").Answer} answer
   */
  #openTo(head, answer) {
    const lines = head.split("\n");
    const at = lines.findIndex((line, index) => index > 1 && index % 2 === 0 && line.toLowerCase() === "origin");
    return at > 0 && this.#options.allowOrigins.includes(lines[at + 1]) ? openTo(answer, lines[at + 1]) : answer;
  }

  /**
   * Has what was answered in the relay's place counted by it: what its listeners answer so, they count themselves.
   *
   * @template {{ response?: Response, answer?: import("./response.js").Answer }} Asked
   * @param {Asked} asked
   */
  #counted(asked) {
    const given = asked.response ?? asked.answer;
    if (given !== undefined && !this.#isClosed) this.#native?.refusedElsewhere(given.status);
    return asked;
  }

  /** The native relay. @returns {any} */
  #opened() {
    if (this.#native === undefined) {
      // What the native relay holds must not keep this alive: then neither would ever be collected.
      const self = new WeakRef(this);
      this.#native = open(this.#options, (text) => {
        const relay = self.deref();
        if (relay !== undefined) relay.#tell(text);
      });
    }
    return this.#native;
  }

  /**
   * What failed is the app's to know, not the viewer's.
   *
   * @param {any} error
   * @param {string} [what]
   */
  #fault(error, what = "") {
    this.#tell(`${what}${error?.message ?? error}`);
    return refusal(500, "Internal Server Error");
  }

  #bodyWasRead() {
    const why =
      "The request's body was already read: put the relay before body parsers such as express.json(), and read a " +
      "request.clone() in authorize()";
    this.#tell(why);
    return refusal(500, why);
  }

  /** Warns on the process, once for each text. @param {string} text */
  #tell(text) {
    if (this.#told.has(text) || this.#told.size >= 100) return;
    this.#told.add(text);
    process.emitWarning(`the realtime handler: ${text}`, { code: "TRIGGER_NATIVE_RELAY" });
  }

  /** Whether a path can be one of the relay's. @param {string} target */
  #isOurs(target) {
    const path = target.split("?", 1)[0];
    const { basePath, metricsPath } = this.#options;
    if (path === metricsPath) return true;
    return basePath === undefined ? SERVER_PATH.test(path) : path.startsWith(`${basePath}/`);
  }

  /** @param {{ host: string, port: number }} where */
  async listen({ host, port }) {
    const { ConfigError, fromNative } = require("../errors/errors.js");
    if (this.#isClosed) throw new ConfigError("ERR_CLOSED", "listen(): the handler was closed: create another one");
    const relay = this.#opened();
    const { authorize } = this.#options;
    const decide = (/** @type {number} */ ticket, /** @type {string} */ head) => {
      this.#decide(head).then(({ grant, answer }) => {
        const text = answer && [answer.status, ...answer.headers].join("\n");
        listener.decide(ticket, grant ?? null, text ?? null, answer?.bytes ?? null);
      });
    };
    const listener = relay.listener(host, port, authorize === undefined ? null : decide);
    if (typeof listener === "string") throw fromNative(listener);
    const started = JSON.parse(await listener.start());
    if (started.error) throw fromNative(started);
    aliveUntilStopped(listener);
    /** @type {Promise<void> | undefined} */
    let stopped;
    const listening = {
      url: /** @type {string} */ (started.ok.url),
      close: () => {
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
   * What the app says of a request that Rust threads serve. Never rejects.
   *
   * @param {string} head
   * @returns {Promise<{ grant?: string, answer?: import("./response.js").Answer }>}
   */
  async #decide(head) {
    try {
      const [method, target, ...lines] = head.split("\n");
      /** @type {[string, string][]} */
      const headers = [];
      for (let at = 0; at < lines.length; at += 2) headers.push([lines[at], lines[at + 1]]);
      const asked = await this.#ask(head, () => requestFrom(method, target, headers, "http"));
      return asked.response ? { answer: await wholeAnswer(asked.response) } : asked;
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
    this.#native?.stop();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
  }
}

/**
 * @param {import("./options.js").HandlerOptions} options
 * @param {(text: string) => void} tell what whoever runs it should know
 * @returns {any}
 * @throws {import("../errors/errors.js").ConfigError} without a secret key, or with a base URL that cannot work
 */
function open({ configuration, native: text }, tell) {
  const { clientOf } = require("../config/client.js");
  const { refresherOf, resolveWith } = require("../config/config.js");
  const { ConfigError, fromNative } = require("../errors/errors.js");
  const native = require("../native/native.js");
  const resolved = resolveWith("createRealtimeHandler()", configuration);
  if (refresherOf(resolved) !== undefined) {
    throw new ConfigError(
      "ERR_INVALID_ACCESS_TOKEN",
      "a relay needs the secret key itself, and configure() was given a function for it: set accessToken of createRealtimeHandler()",
    );
  }
  const relay = native.openRelay(clientOf(resolved), text, tell);
  if (typeof relay === "string") throw fromNative(relay);
  return relay;
}

module.exports = { createRealtimeHandler };
