"use strict";

/**
 * An abort signal that is made when it is first asked for. Ten thousand subscriptions, and every request of the relay,
 * can be abandoned, and most of them end without anybody having listened: an AbortController costs more than all of
 * this.
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
   * Calls `callback` at the abort, or now when that has been.
   *
   * @param {() => void} callback must not throw
   * @returns {boolean} whether it was called now
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
