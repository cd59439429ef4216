"use strict";

/**
 * Tokens that the program renews (defect 5): `accessToken` as a function, or `refreshAccessToken`
 * beside a first token, as in the SDK.
 *
 * One refresher per function, first token and server: everything that shares a configuration shares
 * its tokens, and however many subscriptions want a new one, the function is called once.
 */

const { clientOf } = require("./client.js");
const { ConfigError, fromNative } = require("./errors.js");
const native = require("./native.js");

/** @typedef {() => string | Promise<string>} MakeToken */

/** @type {WeakMap<MakeToken, Map<string, Refresher>>} */
const refreshers = new WeakMap();

class Refresher {
  #make;
  #resolved;
  /** The call under way. @type {Promise<string> | undefined} */
  #pending;
  /** The latest token. @type {string | undefined} */
  #token;
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

  /** Why there is no newer token: the cause of the refusal that then ends a subscription. */
  get failure() {
    return this.#failure;
  }

  /**
   * The native client whose token is renewed; always the same one.
   *
   * @returns {Promise<object>} rejects with what the function threw, where there is no token at all yet
   */
  async client() {
    if (this.#token === undefined) await this.#fetch();
    // Made without waiting in between, so that callers at once get the same one.
    if (this.#client === undefined) {
      this.#credential = new native.Credential(this.#token);
      this.#client = native.withCredential(clientOf({ ...this.#resolved, accessToken: this.#token }), this.#credential);
    }
    return this.#client;
  }

  /** A token that is not about to expire, for calls that are authorized with its text. */
  async token() {
    await this.client();
    if (this.#credential.isDue()) await this.renew();
    return /** @type {string} */ (this.#token);
  }

  /**
   * Answers a native wish for another token. Never rejects: a wish that cannot be met is refused,
   * and the server's own refusal is what the subscription ends with.
   */
  async renew() {
    if (this.#pending === undefined) {
      try {
        this.#credential.supply(await this.#fetch());
      } catch {
        this.#credential.refuse();
      }
    } else {
      // Whoever began the call answers for all.
      await this.#pending.catch(() => {});
    }
  }

  #fetch() {
    this.#pending ??= this.#call().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #call() {
    try {
      const token = await this.#make.call(undefined);
      if (typeof token !== "string" || token.trim() === "") {
        const got = typeof token === "string" ? "an empty string" : token === null ? "null" : typeof token;
        throw new ConfigError("ERR_INVALID_ACCESS_TOKEN", `the function that makes access tokens gave ${got}`);
      }
      const refusal = this.#client && native.checkToken(this.#client, token);
      if (refusal) throw fromNative(JSON.parse(refusal));
      this.#token = token;
      this.#failure = undefined;
      return token;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}

/**
 * The refresher of a configuration; `undefined` when its token is a plain one.
 *
 * @param {any} resolved what `resolve()` of `js/config.js` gave
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

module.exports = { refresherOf };
