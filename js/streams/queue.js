"use strict";

/**
 * @template T
 * @typedef {{ item: T, next: Link<T> | undefined }} Link
 */

/**
 * A linked list, whose first item is taken in constant time.
 *
 * @template T
 */
class Queue {
  /** @type {Link<T> | undefined} */
  #first;
  /** @type {Link<T> | undefined} */
  #last;

  /** @param {T} item */
  push(item) {
    /** @type {Link<T>} */
    const link = { item, next: undefined };
    if (this.#first === undefined) this.#first = link;
    else if (this.#last) this.#last.next = link;
    this.#last = link;
  }

  shift() {
    const link = this.#first;
    this.#first = link?.next;
    return link?.item;
  }
}

module.exports.Queue = Queue;
