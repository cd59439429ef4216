"use strict";

/**
 * One call of a user: the client and the bounds that hold for all the requests it makes, however
 * many there are. `timeoutInMs` is for the whole of it (defect 19).
 */

const { onAbort } = require("../async/aborts.js");
const { bounded } = require("../async/bounded.js");
const { clientOf } = require("../config/client.js");
const { refresherOf, resolve, resolveWith } = require("../config/config.js");
const { Deadline } = require("../async/deadline.js");
const { ArgumentError, ProtocolError, fromNative, messageOf } = require("../errors/errors.js");
const { expiryOf } = require("../config/expiry.js");
const native = require("../native/native.js");
const { checkCallOptions, pick } = require("../config/request-options.js");
const { after } = require("../async/timer.js");
const { traced } = require("./trace.js");

/** What a trigger takes besides the request options of every call. */
const TRIGGER_OPTIONS = { publicAccessToken: "object", clientConfig: "object" };

/**
 * @typedef {InstanceType<typeof Call>} OneCall
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {Record<string, string>} headers by lower-case name
 * @property {string} body
 *
 * @typedef {object} Request
 * @property {string} [method] default `GET`
 * @property {string} path each `{}` stands for an id, `{task}` for that of a task, `{text}` for a name of the user's own
 * @property {[what: string, id: string][]} [ids]
 * @property {URLSearchParams} [query]
 * @property {unknown} [body] sent as JSON; none when undefined
 */

/** No options: nothing, nor anything that was put on every object. @type {any} */
const NONE = Object.freeze({ __proto__: null });

class Call {
  /** The name users know it by, such as `"runs.retrieve"`. */
  name;
  resolved;
  signal;
  /** When the token of a handle ends, where the caller said so. @type {{ seconds: number, period: string | null } | undefined} */
  tokenExpiry;
  /** Of a plain token. @type {any} */
  #client;
  /** Where the token is renewed (defect 5). */
  #refresher;
  #deadline;
  #shared;

  /**
   * @param {string} name
   * @param {any} [options] as the user gave them
   * @param {{ trigger?: boolean, resolved?: import("../config/config.js").Resolved }} [kind] `trigger`: takes the
   *   options of triggers; `resolved`: the configuration to use, default the one that holds here
   * @throws {import("../errors/errors.js").ConfigError} for options that cannot be right, or without a key
   */
  constructor(name, options, { trigger = false, resolved } = {}) {
    const checked =
      options === undefined || options === null
        ? NONE
        : checkCallOptions(`${name}() request options`, options, trigger ? TRIGGER_OPTIONS : {});
    this.name = name;
    this.signal = checked.signal;
    // An aborted signal is looked at first (defect 17).
    this.signal?.throwIfAborted();
    this.resolved =
      resolved ?? (checked.clientConfig ? resolveWith(`${name}() clientConfig`, checked.clientConfig) : resolve());
    this.#refresher = refresherOf(this.resolved);
    // A token that has yet to be made is looked at then.
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
   * Makes a request, with retries, and gives the answer below 400.
   *
   * @param {Request} request
   * @returns {Promise<Answer>}
   */
  async request(request) {
    const body = request.body === undefined ? null : this.json(request.body);
    return this.traced(request, (text) =>
      this.authorized((client) => this.within((cancel, timeout) => native.call(client, text, body, cancel, timeout))),
    );
  }

  /**
   * Does `work`, which makes this request, as a span of its own where an app traces (`js/calls/tracing.js`).
   *
   * @template T
   * @param {Request} request
   * @param {(text: string) => Promise<T>} work gets the request as native code reads it
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
   * @param {(client: any) => Promise<T>} work
   * @returns {Promise<T>}
   */
  authorized(work) {
    return this.#refresher === undefined ? work(this.#client) : this.#refresher.authorized(work, () => this.#bounds());
  }

  /** The token in use, which is made first where it has to be. @returns {Promise<string | undefined>} */
  async token() {
    if (this.#refresher === undefined) return this.resolved.accessToken;
    await this.#refresher.client(this.#bounds());
    return this.#refresher.token;
  }

  /**
   * A request as native code reads it.
   *
   * @param {Request} request
   * @param {Record<string, string>} [traceHeaders]
   */
  #describe({ method, path, ids, query }, traceHeaders) {
    return JSON.stringify({ method, path, ids, query: query?.toString(), traceHeaders, ...this.#shared });
  }

  /**
   * Makes a native call within what is left of this one's bounds.
   *
   * @param {(cancel: object | null, timeoutMs: number | null) => Promise<string>} work
   */
  within(work) {
    return bounded(this.#bounds(), work);
  }

  #bounds() {
    return { signal: this.signal, timeoutInMs: this.left() };
  }

  /** The milliseconds left, if they are limited. */
  left() {
    return this.#deadline.left();
  }

  /**
   * Waits, for as long as the bounds let it.
   *
   * @param {number} ms
   */
  async wait(ms) {
    const { signal } = this;
    const left = this.left();
    signal?.throwIfAborted();
    await new Promise((resolve, reject) => {
      const timer = after(Math.min(ms, left ?? ms), () => {
        off();
        resolve(undefined);
      });
      const off = onAbort(signal, () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
    // Cut short: says so now.
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
   * What an answer says.
   *
   * @template T
   * @param {Answer} answer
   * @param {(value: unknown, at: string) => T} schema
   * @returns {T}
   * @throws {ProtocolError} when it is not what the server should send
   */
  read(answer, schema) {
    let value;
    try {
      value = JSON.parse(answer.body);
    } catch {
      // The parser's own words would repeat what it read, and a server can have sent the key back.
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
   * A public token signed here, for a handle whose answer came without one (docs/server-protocol.md 6).
   *
   * @param {string | undefined} claims the header's JSON
   * @param {string[]} scopes
   * @param {string} life unless the caller said when it ends
   * @returns {string}
   */
  sign(claims, scopes, life) {
    const { seconds, period } = this.tokenExpiry ?? { seconds: Number.NaN, period: life };
    const client = this.#refresher?.signer ?? this.#client;
    const token = native.mintHandle(client, claims ?? "{}", JSON.stringify(scopes), Date.now(), seconds, period);
    if (token.startsWith("{")) throw fromNative(token);
    return token;
  }
}

/**
 * When the token of a handle ends. Looked at before anything is sent: what was triggered would be lost with its token.
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
