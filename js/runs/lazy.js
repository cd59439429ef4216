"use strict";

/**
 * Runs whose long packets are decoded when they are read: a payload that is never read costs nothing. The properties
 * behave like plain ones to `JSON.stringify`, spreading, `structuredClone`, `console.log`, comparison and assignment.
 */

const { inspect } = require("node:util");
const { LazyPacket } = require("../calls/packets.js");

/** The properties that hold packets. */
const PACKETS = /** @type {const} */ (["payload", "output", "metadata"]);

/** @typedef {{ found?: Record<string, Error>, note(property: string, error: unknown): void }} Errors */

/**
 * Makes those properties of `run` that hold a {@link LazyPacket} value decode it when they are read.
 *
 * `decodeErrors` has to read them all, so it is not enumerable here: a copy or a comparison of the run does not read
 * it.
 *
 * @template {{ payload?: unknown, output?: unknown, metadata?: unknown }} R
 * @param {R} run
 * @param {Errors} errors
 * @returns {R}
 */
function decodeWhenRead(run, errors) {
  for (const name of PACKETS) {
    const value = run[name];
    if (value instanceof LazyPacket) define(run, name, value, errors);
  }
  Object.defineProperties(run, {
    decodeErrors: {
      configurable: true,
      get() {
        for (const name of PACKETS) run[name];
        return errors.found;
      },
    },
    // Node prints accessors as such, without reading them.
    [inspect.custom]: {
      configurable: true,
      value() {
        return { ...this };
      },
    },
  });
  return run;
}

/** @param {object} run @param {string} name @param {InstanceType<typeof LazyPacket>} lazy @param {Errors} errors */
function define(run, name, lazy, errors) {
  let failed = false;
  Object.defineProperty(run, name, {
    enumerable: true,
    configurable: true,
    get() {
      if (failed) return undefined;
      try {
        return lazy.read();
      } catch (error) {
        failed = true;
        errors.note(name, error);
        return undefined;
      }
    },
    set(value) {
      plain(this, name, value);
    },
  });
}

/**
 * Defines a plain property, unless the object is frozen.
 *
 * @param {object} object
 * @param {string} name
 * @param {unknown} value
 */
function plain(object, name, value) {
  Reflect.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

module.exports = { decodeWhenRead };
