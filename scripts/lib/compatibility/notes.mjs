// `scripts/compatibility.json`: what no program can know of the two packages, and whether it is still true.

import { readFile } from "node:fs/promises";
import path from "node:path";

/**
 * @typedef {object} Written
 * @property {string} version of the official SDK that all of it is about
 * @property {{ reason: string, names: string[] }[]} theirs names that stay with the official SDK, and why. A namespace's name
 *   stands for all that is in it.
 * @property {{ reason: string, names: string[] }[]} options options that are not taken, by the end of their path, and
 *   why
 * @property {Record<string, string>} limits what of an export that works does not
 * @property {Record<string, string>} samples how to instantiate generics
 * @property {Record<string, string>} adds the purpose of each value that only ours has
 */

export class Notes {
  /** @type {Written} */
  written;
  #reasons;
  #options;
  /** Notes that were of use. @type {Set<string>} */
  #used = new Set();

  /** @param {Written} written */
  constructor(written) {
    this.written = written;
    this.#reasons = new Set(written.theirs.flatMap(({ names }) => names));
    this.#options = written.options.flatMap(({ names }) => names);
  }

  /** @param {string} root the project's folder */
  static async read(root) {
    return new Notes(JSON.parse(await readFile(path.join(root, "scripts", "compatibility.json"), "utf8")));
  }

  /**
   * Whether an export stays with the official SDK: it itself, or the namespace it is in. A client's namespaces are what
   * they are beside it.
   *
   * @param {string} name
   * @returns {boolean}
   */
  isTheirs(name) {
    const plain = name.replace(/^TriggerClient\.(?=.)/, "");
    const parts = plain.split(".");
    const given = [plain, parts.slice(0, 2).join("."), parts[0]].find((each) => this.#reasons.has(each));
    if (given !== undefined) this.#used.add(given);
    return given !== undefined;
  }

  /** Whether an option is not taken on purpose. @param {string} at its path */
  isOptionLeftOut(at) {
    const given = this.#options.find((end) => at.endsWith(end));
    if (given !== undefined) this.#used.add(`option ${given}`);
    return given !== undefined;
  }

  /** The type arguments to look at a generic export with, in a client or beside it. @param {string} name */
  sample(name) {
    const plain = name.replace(/^TriggerClient\.(?=.)/, "");
    this.#used.add(`sample ${plain}`);
    return this.written.samples[plain] ?? "";
  }

  /**
   * Notes that are out of date.
   *
   * @param {ReadonlyMap<string, unknown>} ours what is here
   * @param {readonly string[]} added what is here alone
   * @param {readonly string[]} working what has a row of its own
   * @returns {string[]}
   */
  stale(ours, added, working) {
    const { samples, adds, limits } = this.written;
    return [
      ...[...this.#reasons]
        .filter((name) => !this.#used.has(name))
        .map((name) => `${name}: given a reason, but the official SDK has no such export`),
      ...[...this.#reasons]
        .filter((name) => ours.has(name))
        .map((name) => `${name}: said to be the official SDK's own, but it is here`),
      ...this.#options
        .filter((name) => !this.#used.has(`option ${name}`))
        .map((name) => `${name}: said not to be taken, but there is no such option that is not`),
      ...Object.keys(samples)
        .filter((name) => !this.#used.has(`sample ${name}`))
        .map((name) => `${name}: a sample of nothing`),
      ...Object.keys(limits)
        .filter((name) => !working.includes(name))
        .map((name) => `${name}: said to have limits, but it is not compared`),
      ...Object.keys(adds)
        .filter((name) => !added.includes(name))
        .map((name) => `${name}: said to be added, but it is not`),
    ];
  }
}
