"use strict";

/**
 * @typedef {InstanceType<typeof ApiPromise>} Answered
 * @typedef {InstanceType<typeof PagePromise>} Paged
 */

/**
 * The promise of a call: of its value, and on demand of the answer it was read from.
 *
 * @extends {Promise<any>}
 */
class ApiPromise extends Promise {
  /** @type {Promise<{ data: any, answer: import("./call.js").Answer }>} */
  #outcome;

  /** What `then` makes is a promise like any other. */
  static get [Symbol.species]() {
    return Promise;
  }

  /**
   * @param {Promise<{ data: any, answer: import("./call.js").Answer }>} outcome
   */
  constructor(outcome) {
    super((resolve, reject) => outcome.then(({ data }) => resolve(data), reject));
    this.#outcome = outcome;
  }

  /** The answer as a `Response`. Who asks for it hears of a failure there, and not a second time by the value's promise. */
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

/** The promise of a page, which goes through all its items and those of the pages after it. */
class PagePromise extends ApiPromise {
  async *[Symbol.asyncIterator]() {
    yield* await /** @type {Promise<any>} */ (this);
  }
}

function noop() {}

module.exports = { ApiPromise, PagePromise };
