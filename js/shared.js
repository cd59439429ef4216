"use strict";

/**
 * What all copies of this package in a process have in common. There are several where bundles hold one each, and after a
 * development server threw modules away while some of them are in use: what one copy was told to call with holds for
 * all, as with the official SDK.
 */

const version = require("./version.js");

/**
 * @template T
 * @param {string} name
 * @param {() => T} make called once in a process for each version of the package: other versions may keep other things
 * @returns {T}
 */
function shared(name, make) {
  const key = Symbol.for(`trigger-native ${version} ${name}`);
  const global = /** @type {any} */ (globalThis);
  global[key] ??= make();
  return global[key];
}

module.exports = { shared };
