"use strict";

/**
 * Tokens that the program renews (defect 5): `accessToken` as a function, or `refreshAccessToken` beside a first token,
 * as in the SDK.
 *
 * There is one refresher per function (`js/config/config.js`), first token and server. Calls, subscriptions and streams
 * of one configuration share its tokens: however many need another one, the function is called once. The refresher is
 * collected with its configuration.
 */

const { waitWithin } = require("../async/bounded.js");
const { clientOf } = require("./client.js");
const { ApiError, ConfigError, TimeoutError, fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");
const { after } = require("../async/timer.js");

/**
 * @typedef {() => string | Promise<string>} MakeToken
 * @typedef {import("../async/bounded.js").Bounds} Bounds
 * @typedef {import("../native/addon.js").Client} Client
 * @typedef {InstanceType<typeof Refresher>} TokenRefresher
 */

/** How long the function may take, in milliseconds: less than native code waits for a token. */
const MAKE_TIMEOUT_MS = 30_000;

/** @type {WeakMap<MakeToken, Map<string, TokenRefresher>>} */
const refreshers = new WeakMap();

class Refresher {
  #make;
  #resolved;
  /** The call under way. @type {Promise<void> | undefined} */
  #pending;
  /** Ends the call under way. @type {NodeJS.Timeout | undefined} */
  #timer;
  /** Callers that wait for it. */
  #waiting = 0;
  /** The latest token. @type {string | undefined} */
  #token;
  /** Counts tokens. */
  #generation = 0;
  /** Made with the first token, as the client. @type {import("../native/addon.js").Credential | undefined} */
  #credential;
  /** @type {Client | undefined} */
  #client;
  /** The error that the function threw last, until it makes a token again. @type {unknown} */
  #failure;

  /**
   * @param {MakeToken} make
   * @param {import("./config.js").Resolved} resolved
   */
  constructor(make, resolved) {
    this.#make = make;
    this.#resolved = resolved;
    this.#token = resolved.accessToken;
  }

  /** The latest token; undefined before there is one. */
  get token() {
    return this.#token;
  }

  /** A client of the latest token alone, which signs with it. Only once there is a token. */
  get signer() {
    return clientOf({ ...this.#resolved, accessToken: this.#token });
  }

  /**
   * The native client whose token is renewed; always the same one.
   *
   * @param {Bounds} [bounds] of the wait for a first token
   * @returns {Promise<Client>} rejects with the function's error, where there is no token at all yet
   */
  async client(bounds) {
    if (this.#token === undefined) await this.#waitWithin(bounds, this.#begun());
    // Made without an await in between, so that concurrent callers get the same one.
    if (this.#client === undefined) {
      this.#credential = new native.Credential(/** @type {string} */ (this.#token));
      this.#client = native.withCredential(this.signer, this.#credential);
    }
    return this.#client;
  }

  /**
   * Does `work` with a token that is not about to expire; once more with another one, where the server refuses it.
   *
   * @template T
   * @param {(client: Client) => Promise<T> | T} work
   * @param {() => Bounds | undefined} bounds the rest of the caller's
   * @returns {Promise<T>}
   */
  async authorized(work, bounds) {
    const client = await this.client(bounds());
    // The call is made even where the renewal fails: the old token may still be valid.
    if (this.#credential?.isDue()) await this.renew(bounds());
    const generation = this.#generation;
    try {
      return await work(client);
    } catch (error) {
      if (!(await this.#isMended(error, generation, bounds))) throw this.explain(error);
    }
    try {
      return await work(client);
    } catch (error) {
      throw this.explain(error);
    }
  }

  /**
   * Whether there is another token than the one that was refused with `error`.
   *
   * @param {unknown} error
   * @param {number} generation
   * @param {() => Bounds | undefined} bounds
   */
  async #isMended(error, generation, bounds) {
    if (!(error instanceof ApiError) || error.status !== 401) return false;
    // Another caller may have been refused, and got a token, before.
    if (this.#generation === generation) await this.renew(bounds());
    return this.#generation !== generation;
  }

  /**
   * Makes another token. Where that fails, the caller ends with the server's own refusal.
   *
   * @param {Bounds} [bounds] the only reason to reject; the token is made all the same
   */
  async renew(bounds) {
    await this.#waitWithin(bounds, this.#begun().then(noop, noop));
  }

  /**
   * Adds to the refusal of a token why there was no better one (defect 5).
   *
   * @template E
   * @param {E} error
   * @returns {E}
   */
  explain(error) {
    if (this.#failure !== undefined && error instanceof ApiError && error.status === 401) {
      error.cause ??= this.#failure;
    }
    return error;
  }

  /** The call under way, begun where there is none. */
  #begun() {
    this.#pending ??= this.#call().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /**
   * Waits for the call under way. Its timer keeps the process alive while a caller waits, and no longer.
   *
   * @template T
   * @param {Bounds | undefined} bounds
   * @param {Promise<T>} work
   */
  async #waitWithin(bounds, work) {
    this.#waiting += 1;
    this.#timer?.ref?.();
    try {
      return await waitWithin(bounds, work);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#timer?.unref?.();
    }
  }

  async #call() {
    try {
      const token = await this.#ask();
      if (typeof token !== "string" || token.trim() === "") {
        const got = typeof token === "string" ? "an empty string" : token === null ? "null" : typeof token;
        throw new ConfigError(
          "ERR_INVALID_ACCESS_TOKEN",
          `the function that makes access tokens gave ${got}. It is called as where it was given, and sees no store of a request there: give each request its own token with auth.withAuth()`,
        );
      }
      this.#check(token);
      this.#token = token;
      this.#generation += 1;
      this.#failure = undefined;
      this.#credential?.supply(token);
    } catch (error) {
      this.#failure = error;
      this.#credential?.refuse();
      throw error;
    }
  }

  /** Refuses a text that cannot be a token, before it replaces one that is. @param {string} token */
  #check(token) {
    if (this.#client === undefined) {
      clientOf({ ...this.#resolved, accessToken: token });
      return;
    }
    const refusal = native.checkToken(this.#client, token);
    if (refusal) throw fromNative(refusal);
  }

  /** The function's result, where it comes in time. @returns {Promise<unknown>} */
  #ask() {
    return new Promise((resolve, reject) => {
      this.#timer = after(MAKE_TIMEOUT_MS, () => {
        const why = `the function that makes access tokens gave none within ${MAKE_TIMEOUT_MS} ms`;
        reject(new TimeoutError("ERR_TIMEOUT", why));
      });
      // Called in a turn of its own: a function that needs a token itself waits like others, and gets the error.
      Promise.resolve()
        .then(() => this.#make.call(undefined))
        .then(resolve, reject);
    }).finally(() => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    });
  }
}

/**
 * The refresher of a configuration; `undefined` when its token is a plain one.
 *
 * @param {import("./config.js").Resolved} resolved
 * @returns {TokenRefresher | undefined}
 */
function refresherOf(resolved) {
  const make = resolved.refreshAccessToken;
  if (make === undefined) return undefined;
  let known = refreshers.get(make);
  if (known === undefined) {
    known = new Map();
    refreshers.set(make, known);
  }
  const { baseURL, branch, accessToken, requestOptions, streamsVersion } = resolved;
  const name = JSON.stringify([baseURL, branch, accessToken, requestOptions, streamsVersion]);
  let refresher = known.get(name);
  if (refresher === undefined) {
    refresher = new Refresher(make, resolved);
    known.set(name, refresher);
  }
  return refresher;
}

function noop() {}

module.exports = { refresherOf };
