"use strict";

/**
 * Runs whose long packets are decoded when they are read: a payload that nobody looks at costs
 * nothing. The properties look and behave like plain ones: to `JSON.stringify`, spreading,
 * `structuredClone`, `console.log`, and to those who compare or assign.
 */

const { inspect } = require("node:util");
const { Lazy } = require("../calls/packets.js");

/** The properties that hold packets. */
const PACKETS = ["payload", "output", "metadata"];

/**
 * Makes those properties of `run` that hold a {@link Lazy} value decode it when they are read.
 *
 * `decodeErrors` has to read them all to tell, and is not enumerable here: who copies or compares
 * the run does not ask for it.
 *
 * @param {any} run
 * @param {{ found?: Record<string, Error>, note(property: string, error: unknown): void }} errors
 */
function decodeWhenRead(run, errors) {
  for (const name of PACKETS) {
    if (run[name] instanceof Lazy) define(run, name, run[name], errors);
  }
  Object.defineProperties(run, {
    decodeErrors: {
      configurable: true,
      get() {
        for (const name of PACKETS) run[name];
        return errors.found;
      },
    },
    // Node shows accessors as such, and would not read them.
    [inspect.custom]: {
      configurable: true,
      value() {
        return { ...this };
      },
    },
  });
  return run;
}

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

/** A plain property, where the object still lets itself be changed. */
function plain(object, name, value) {
  Reflect.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

module.exports = { decodeWhenRead };
