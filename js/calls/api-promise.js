"use strict";

/** @typedef {import("../native/addon.js").CallResponse} CallResponse */
/** @template T @typedef {ApiPromise<T>} Answered for other files: a class cannot be imported as a type */
/** @template T @typedef {PagePromise<T>} Paged likewise */

/**
 * The promise of a call: of its value, and on demand of the `Response` that the value was read from.
 *
 * @template T
 * @extends {Promise<T>}
 */
class ApiPromise extends Promise {
  /** @type {Promise<{ data: T, answer: CallResponse }>} */
  #outcome;

  /** `then` makes a plain promise. */
  static get [Symbol.species]() {
    return Promise;
  }

  /**
   * @param {Promise<{ data: T, answer: CallResponse }>} outcome
   */
  constructor(outcome) {
    super((resolve, reject) => outcome.then(({ data }) => resolve(data), reject));
    this.#outcome = outcome;
  }

  /** The answer as a `Response`. It reports a failure, so that the value's own promise is no unhandled rejection. */
  async asResponse() {
    super.then(undefined, noop);
    const { answer } = await this.#outcome;
    // A status without a body must not be given one.
    const body = [204, 205, 304].includes(answer.status) ? null : answer.body;
    return new Response(body, { status: answer.status, headers: answer.headers });
  }

  /** The value and the answer as a `Response`. */
  async withResponse() {
    const [{ data }, response] = await Promise.all([this.#outcome, this.asResponse()]);
    return { data, response };
  }
}

/**
 * The promise of a page, which iterates over the items of the page and of all pages after it.
 *
 * @template T
 * @extends {ApiPromise<import("./page.js").Page<T>>}
 */
class PagePromise extends ApiPromise {
  /** @returns {AsyncGenerator<T, void, undefined>} */
  async *[Symbol.asyncIterator]() {
    yield* await this;
  }
}

function noop() {}

module.exports = { ApiPromise, PagePromise };
