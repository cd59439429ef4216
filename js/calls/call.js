"use strict";

/**
 * One call of a user: the client and the bounds of all the requests it makes. `timeoutInMs` covers them together
 * (defect 19).
 */

const { onAbort, throwIfAborted } = require("../async/aborts.js");
const { bounded } = require("../async/bounded.js");
const { clientOf } = require("../config/client.js");
const { refresherOf, resolve, resolveWith } = require("../config/config.js");
const { Deadline } = require("../async/deadline.js");
const { ArgumentError, ProtocolError, abortError, fromNative, messageOf } = require("../errors/errors.js");
const { expiryOf } = require("../config/expiry.js");
const native = require("../native/native.js");
const { checkCallOptions, pick } = require("../config/request-options.js");
const { after } = require("../async/timer.js");
const { traced } = require("./trace.js");

/** The options of a trigger besides the request options of every call. */
const TRIGGER_OPTIONS = /** @type {const} */ ({ publicAccessToken: "object", clientConfig: "object" });

/**
 * @typedef {InstanceType<typeof Call>} OneCall
 * @typedef {import("../native/addon.js").CallResponse} CallResponse
 * @typedef {import("../native/addon.js").Cancel} Cancel
 * @typedef {import("../native/addon.js").Client} Client
 *
 * @typedef {object} Request
 * @property {string} [method] default `GET`
 * @property {string} path each `{}` stands for an id, `{task}` for a task's, `{text}` for a name of the user's own
 * @property {[what: string, id: string][]} [ids]
 * @property {URLSearchParams} [query]
 * @property {unknown} [body] sent as JSON; none when undefined
 */

/** No options, not even inherited ones. @type {import("../config/request-options.js").CallOptions} */
const NONE = Object.freeze(Object.create(null));

class Call {
  /** The name of the user's function, such as `"runs.retrieve"`. */
  name;
  resolved;
  signal;
  /**
   * When the token of a handle ends, where the caller said so.
   *
   * @type {{ seconds: number, period: string | null } | undefined}
   */
  tokenExpiry;
  /** Of a plain token. @type {Client | undefined} */
  #client;
  /** Of a token that is renewed (defect 5). */
  #refresher;
  #deadline;
  #shared;

  /**
   * @param {string} name
   * @param {unknown} [options] as the user gave them
   * @param {{ trigger?: boolean, resolved?: import("../config/config.js").Resolved }} [kind] `trigger`: takes the
   *   options of triggers; `resolved`: the configuration to use, default that of the scope here
   * @throws {import("../errors/errors.js").ConfigError} for options that cannot be right, or without a key
   */
  constructor(name, options, { trigger = false, resolved } = {}) {
    const checked =
      options === undefined || options === null
        ? NONE
        : checkCallOptions(`${name}() request options`, options, trigger ? TRIGGER_OPTIONS : undefined);
    this.name = name;
    this.signal = checked.signal;
    // An aborted signal is checked first (defect 17).
    throwIfAborted(this.signal);
    this.resolved =
      resolved ?? (checked.clientConfig ? resolveWith(`${name}() clientConfig`, checked.clientConfig) : resolve());
    this.#refresher = refresherOf(this.resolved);
    // A token that is yet to be made is checked then.
    if (this.#refresher === undefined) this.#client = clientOf(this.resolved);
    if (checked.publicAccessToken !== undefined) this.tokenExpiry = handleExpiry(name, checked.publicAccessToken);
    this.#deadline = new Deadline(name, checked.timeoutInMs);
    const whole = this.resolved.requestOptions;
    this.#shared = {
      retry: checked.retry && { ...whole?.retry, ...checked.retry },
      additionalHeaders: checked.additionalHeaders && { ...whole?.additionalHeaders, ...checked.additionalHeaders },
    };
  }

  /**
   * Makes a request, with retries, and gives the response below 400.
   *
   * @param {Request} request
   * @returns {Promise<CallResponse>}
   */
  async request(request) {
    const body = request.body === undefined ? null : this.json(request.body);
    return this.traced(request, (text) =>
      this.authorized((client) => this.within((cancel, timeout) => native.call(client, text, body, cancel, timeout))),
    );
  }

  /**
   * Does `work`, which makes this request, in a span of its own where the app traces (`js/calls/tracing.js`).
   *
   * @template T
   * @param {Request} request
   * @param {(text: string) => Promise<T>} work gets the request as JSON
   * @returns {Promise<T>}
   */
  traced(request, work) {
    const asked = () => ({ ...request, baseURL: this.resolved.baseURL });
    return traced(asked, (headers) => work(this.#describe(request, headers)));
  }

  /**
   * Does `work`, which makes requests; once more where the token was refused and can be renewed.
   *
   * @template T
   * @param {(client: Client) => Promise<T>} work
   * @returns {Promise<T>}
   */
  authorized(work) {
    return this.#refresher === undefined
      ? work(/** @type {Client} */ (this.#client))
      : this.#refresher.authorized(work, () => this.#bounds());
  }

  /** The token in use, which is made first where it has to be. @returns {Promise<string | undefined>} */
  async token() {
    if (this.#refresher === undefined) return this.resolved.accessToken;
    await this.#refresher.client(this.#bounds());
    return this.#refresher.token;
  }

  /**
   * A request as `src/bridge/call.rs` reads it.
   *
   * @param {Request} request
   * @param {Record<string, string>} [traceHeaders]
   */
  #describe({ method, path, ids, query }, traceHeaders) {
    return JSON.stringify({ method, path, ids, query: query?.toString(), traceHeaders, ...this.#shared });
  }

  /**
   * Makes a native call within the rest of this one's bounds.
   *
   * @template T
   * @param {(cancel: Cancel | null, timeoutMs: number | null) => Promise<import("../native/addon.js").Json<import("../native/addon.js").Outcome<T>>>} work
   */
  within(work) {
    return bounded(this.#bounds(), work);
  }

  #bounds() {
    return { signal: this.signal, timeoutInMs: this.left() };
  }

  /** The milliseconds left; `undefined` without a limit. */
  left() {
    return this.#deadline.left();
  }

  /**
   * Waits, at most until the bounds end.
   *
   * @param {number} ms
   */
  async wait(ms) {
    const { signal } = this;
    const left = this.left();
    throwIfAborted(signal);
    await new Promise((resolve, reject) => {
      const timer = after(Math.min(ms, left ?? ms), () => {
        off();
        resolve(undefined);
      });
      const off = onAbort(signal, () => {
        clearTimeout(timer);
        reject(abortError(signal));
      });
    });
    // Cut short by the timeout, which throws now.
    if (left !== undefined && left <= ms) this.left();
  }

  /**
   * `value` as JSON.
   *
   * @param {unknown} value
   * @returns {string}
   */
  json(value) {
    try {
      return JSON.stringify(value);
    } catch (cause) {
      throw new ArgumentError(
        "ERR_INVALID_ARGUMENT",
        `${this.name}() was given what cannot be written as JSON: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  /**
   * The value of a response, read by a schema.
   *
   * @template T
   * @param {CallResponse} answer
   * @param {import("./schema.js").Schema<T>} schema
   * @returns {T}
   * @throws {ProtocolError} for a body that the schema does not take
   */
  read(answer, schema) {
    let value;
    try {
      value = JSON.parse(answer.body);
    } catch {
      // Without the parser's message: it repeats the body, and a server can have sent the key back.
      throw new ProtocolError(
        "ERR_PROTOCOL",
        `the answer to ${this.name}() is no JSON (status ${answer.status}, ${answer.headers["content-type"] ?? "of no type"}): check that the base URL is a Trigger.dev server`,
      );
    }
    try {
      return schema(value, "");
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      error.message = `the answer to ${this.name}() is not what a server should send: ${error.message}`;
      throw error;
    }
  }

  /**
   * A public token signed here, for a handle whose response came without one (docs/server-protocol.md 6).
   *
   * @param {string | undefined} claims the header's JSON
   * @param {string[]} scopes
   * @param {string} life unless the caller said when it ends
   * @returns {string}
   */
  sign(claims, scopes, life) {
    const { seconds, period } = this.tokenExpiry ?? { seconds: Number.NaN, period: life };
    const client = this.#refresher?.signer ?? /** @type {Client} */ (this.#client);
    const token = native.mintHandle(client, claims ?? "{}", JSON.stringify(scopes), Date.now(), seconds, period);
    if (token.startsWith("{")) throw fromNative(token);
    return token;
  }
}

/**
 * When the token of a handle ends. Checked before the request: a run that was triggered would be lost with its token.
 *
 * @param {string} name of the call
 * @param {object} options
 */
function handleExpiry(name, options) {
  const { expirationTime } = pick(`${name}() publicAccessToken`, options, { expirationTime: "any" });
  if (expirationTime === undefined) return undefined;
  const { seconds, period } = expiryOf(expirationTime);
  const refusal = native.checkExpiry(Date.now(), seconds, period);
  if (refusal) throw fromNative(refusal);
  return { seconds, period };
}

module.exports = { Call };
