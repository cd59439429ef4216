"use strict";

/**
 * An AbortController that makes its signal on the first read. Each of ten thousand subscriptions, and each request of
 * the relay, can be aborted, and most end without a listener: an AbortController costs more than this class.
 */
class LazyAbort {
  #isAborted = false;
  /** @type {AbortController | undefined} */
  #controller;
  /** @type {(() => void)[] | undefined} */
  #callbacks;

  abort() {
    this.#isAborted = true;
    this.#controller?.abort();
    const callbacks = this.#callbacks ?? [];
    this.#callbacks = undefined;
    for (const callback of callbacks) callback();
  }

  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /**
   * Calls `callback` at the abort; at once, where it has happened.
   *
   * @param {() => void} callback must not throw
   * @returns {boolean} whether it was called at once
   */
  onAbort(callback) {
    if (this.#isAborted) {
      callback();
    } else {
      this.#callbacks ??= [];
      this.#callbacks.push(callback);
    }
    return this.#isAborted;
  }
}

module.exports = { LazyAbort };
