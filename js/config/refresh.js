"use strict";

/**
 * Tokens that the program renews (defect 5): `accessToken` as a function, or `refreshAccessToken`
 * beside a first token, as in the SDK.
 *
 * One refresher for each function as it was given (`js/config/config.js`), first token and server: everything that shares a
 * configuration shares its tokens, and however many calls, subscriptions and streams want a new one, the function is
 * called once. It goes with its configuration.
 */

const { heldTo } = require("../async/bounded.js");
const { clientOf } = require("./client.js");
const { ApiError, ConfigError, TimeoutError, fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");
const { after } = require("../async/timer.js");

/**
 * @typedef {() => string | Promise<string>} MakeToken
 * @typedef {import("../async/bounded.js").Bounds} Bounds
 */

/** How long the function may take, in milliseconds: less than native code waits for a token it wished for. */
const PATIENCE_MS = 30_000;

/** @type {WeakMap<MakeToken, Map<string, Refresher>>} */
const refreshers = new WeakMap();

class Refresher {
  #make;
  #resolved;
  /** The call under way. @type {Promise<void> | undefined} */
  #pending;
  /** Ends the call under way. @type {any} */
  #timer;
  /** How many wait for it. */
  #waiting = 0;
  /** The latest token. @type {string | undefined} */
  #token;
  /** Counts tokens. */
  #generation = 0;
  /** Made with the first token. @type {any} */
  #credential;
  /** @type {object | undefined} */
  #client;
  /** What the function last threw, until it gives a token again. @type {unknown} */
  #failure;

  /**
   * @param {MakeToken} make
   * @param {any} resolved
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

  /** A client of the latest token alone: what signs with it. Only once there is a token. */
  get signer() {
    return clientOf({ ...this.#resolved, accessToken: this.#token });
  }

  /**
   * The native client whose token is renewed; always the same one.
   *
   * @param {Bounds} [bounds] of the wait for a first token
   * @returns {Promise<object>} rejects with what the function threw, where there is no token at all yet
   */
  async client(bounds) {
    if (this.#token === undefined) await this.#held(bounds, this.#begun());
    // Made without waiting in between, so that callers at once get the same one.
    if (this.#client === undefined) {
      this.#credential = new native.Credential(this.#token);
      this.#client = native.withCredential(this.signer, this.#credential);
    }
    return this.#client;
  }

  /**
   * Does `work` with a token that is not about to expire, and once more with another one where the
   * server refuses it.
   *
   * @template T
   * @param {(client: any) => Promise<T> | T} work
   * @param {() => Bounds | undefined} bounds what is left of the caller's
   * @returns {Promise<T>}
   */
  async authorized(work, bounds) {
    const client = await this.client(bounds());
    // Whatever comes of it: the old one may still do.
    if (this.#credential.isDue()) await this.renew(bounds());
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

  /** Whether there is another token than the one that was refused with `error`. */
  async #isMended(error, generation, bounds) {
    if (!(error instanceof ApiError) || error.status !== 401) return false;
    // Another caller may have been refused, and got a token, before.
    if (this.#generation === generation) await this.renew(bounds());
    return this.#generation !== generation;
  }

  /**
   * Answers a wish for another token. A wish that cannot be met is refused, and the server's own
   * refusal is what the caller ends with.
   *
   * @param {Bounds} [bounds] the only thing this rejects for; the wish is answered all the same
   */
  async renew(bounds) {
    await this.#held(bounds, this.#begun().then(noop, noop));
  }

  /**
   * A refused token says why there was no better one (defect 5).
   *
   * @template E
   * @param {E} error
   * @returns {E}
   */
  explain(error) {
    const refused = /** @type {any} */ (error);
    if (this.#failure !== undefined && refused instanceof ApiError && refused.status === 401) {
      refused.cause ??= this.#failure;
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
   * Waits for the call under way. Its time keeps the process alive for those who wait, and no longer.
   *
   * @template T
   * @param {Bounds | undefined} bounds
   * @param {Promise<T>} work
   */
  async #held(bounds, work) {
    this.#waiting += 1;
    this.#timer?.ref?.();
    try {
      return await heldTo(bounds, work);
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

  /** Refuses what cannot be a token before it takes the place of one that is. */
  #check(token) {
    if (this.#client === undefined) {
      clientOf({ ...this.#resolved, accessToken: token });
      return;
    }
    const refusal = native.checkToken(this.#client, token);
    if (refusal) throw fromNative(refusal);
  }

  /** What the function gives, if it does so in time. */
  #ask() {
    return new Promise((resolve, reject) => {
      this.#timer = after(PATIENCE_MS, () => {
        const why = `the function that makes access tokens gave none within ${PATIENCE_MS} ms`;
        reject(new TimeoutError("ERR_TIMEOUT", why));
      });
      // Called in a turn of its own: a function that needs a token itself waits like others, and is told.
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
 * @param {any} resolved what `resolve()` of `js/config/config.js` gave
 * @returns {Refresher | undefined}
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
