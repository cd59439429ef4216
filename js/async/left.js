"use strict";

/** Says that somebody left, to whatever is waited for on its behalf. An AbortController only where it is needed. */
class Left {
  #isOver = false;
  /** @type {AbortController | undefined} */
  #controller;

  abort() {
    this.#isOver = true;
    this.#controller?.abort();
  }

  /** Aborted once somebody left. */
  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isOver) this.#controller.abort();
    }
    return this.#controller.signal;
  }
}

module.exports = { Left };
