// The chunks of a stream: numbers, so that a gap and a repetition show.

import assert from "node:assert/strict";

/** How many are written at once. */
const AT_ONCE = 5;

export class Chunks {
  #server;
  #id;
  #written = 0;
  #isFinishing = false;
  /** @type {number[]} */
  taken = [];

  constructor(server, id) {
    this.#server = server;
    this.#id = id;
  }

  /** Writes the next ones. */
  async write() {
    const records = Array.from({ length: AT_ONCE }, (_, n) => ({ data: { number: this.#written + n } }));
    this.#written += AT_ONCE;
    await this.#server.write(this.#id, "ai", records);
  }

  /** Writes the last ones, in three goes: a repetition and a gap show in what follows. */
  async finish() {
    await this.write();
    await this.write();
    this.#isFinishing = true;
    await this.write();
  }

  take({ number }) {
    this.taken.push(number);
  }

  get isBegun() {
    return this.taken.length > 0;
  }

  /** Whether all came that was written. */
  get isOver() {
    return this.taken.length >= this.#written;
  }

  /** Whether all came, the last ones too. */
  get isDone() {
    return this.#isFinishing && this.isOver;
  }

  /** Each came once and in order; those that are missing are the last. */
  check() {
    assert.deepEqual(
      this.taken,
      this.taken.map((_, n) => n),
      "a chunk is missing, came again, or out of order",
    );
  }
}
