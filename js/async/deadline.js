"use strict";

const { TimeoutError } = require("../errors/errors.js");

/** The time that one call of a user may take, over all the requests it makes (defect 19). */
class Deadline {
  #name;
  #timeoutInMs;
  #ends;

  /**
   * @param {string} name of the call, for the message
   * @param {number} [timeoutInMs] counted from now; without it there is no end
   */
  constructor(name, timeoutInMs) {
    this.#name = name;
    this.#timeoutInMs = timeoutInMs;
    this.#ends = timeoutInMs === undefined ? undefined : performance.now() + timeoutInMs;
  }

  /**
   * The milliseconds left; `undefined` without a limit.
   *
   * @throws {TimeoutError} when none are left
   */
  left() {
    if (this.#ends === undefined) return undefined;
    const left = Math.floor(this.#ends - performance.now());
    if (left < 1) {
      throw new TimeoutError("ERR_TIMEOUT", `${this.#name}() took longer than timeoutInMs: ${this.#timeoutInMs} ms`);
    }
    return left;
  }
}

module.exports = { Deadline };
