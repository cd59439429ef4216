// What components that come and go share by name: all that is in use, and of the rest the newest.

/** What is so young (ms) may be of a component that is being rendered, and uses it as soon as that is shown. */
const YOUNG_MS = 10_000;

/** So many are looked at for each that comes. */
const LOOKS = 8;

/** @template {{ isUsed(): boolean }} T */
export class Kept {
  /** The one that was got longest ago comes first. @type {Map<string, { value: T, at: number }>} */
  #all = new Map();
  #max;

  /** @param {number} max beyond which what is not used is let go */
  constructor(max) {
    this.#max = max;
  }

  /** @param {string} name @param {() => T} make @returns {T} */
  get(name, make) {
    const known = this.#all.get(name);
    const { value } = known ?? this.#add(name, make());
    if (known) this.#touch(name, known);
    return value;
  }

  /** @param {string} name @param {T} value */
  #add(name, value) {
    const added = { value, at: Date.now() };
    let looks = LOOKS;
    for (const [other, one] of this.#all) {
      if (this.#all.size < this.#max || looks-- === 0) break;
      if (one.value.isUsed() || Date.now() - one.at < YOUNG_MS) this.#touch(other, one);
      else this.#all.delete(other);
    }
    this.#all.set(name, added);
    return added;
  }

  /** @param {string} name @param {{ value: T, at: number }} one */
  #touch(name, one) {
    this.#all.delete(name);
    this.#all.set(name, one);
  }
}
