"use strict";

/**
 * The configuration that holds inside `auth.withAuth()` and for the calls of a `TriggerClient`,
 * across every await within, and nowhere else: concurrent requests of several tenants never see
 * each other's key.
 */

const { AsyncLocalStorage, AsyncResource } = require("node:async_hooks");
const native = require("../native/native.js");

/**
 * What all copies of this package in a process have in common. There are several where bundles hold one each, and after a
 * development server threw modules away while some of them are in use: what one copy was told to call with holds for all,
 * as with the official SDK.
 *
 * @template T
 * @param {string} name
 * @param {() => T} make called once in a process for each version of the package: other versions may keep other things
 * @returns {T}
 */
function shared(name, make) {
  const key = Symbol.for(`trigger-native ${native.VERSION} ${name}`);
  const global = /** @type {any} */ (globalThis);
  global[key] ??= make();
  return global[key];
}

/** @type {AsyncLocalStorage<any>} */
const storage = shared("scope", () => new AsyncLocalStorage());

/** What the innermost scope was entered with, if any. */
function currentScope() {
  return storage.getStore();
}

/**
 * @template R
 * @param {object} scope
 * @param {() => R} work
 * @returns {R}
 */
function withScope(scope, work) {
  return storage.run(scope, work);
}

/**
 * `work`, which from now on is always called as it would be here: with what every `AsyncLocalStorage` holds here.
 *
 * @template R
 * @param {() => R} work
 * @returns {() => R}
 */
function boundHere(work) {
  const here = new AsyncResource("trigger-native");
  return () => here.runInAsyncScope(work);
}

module.exports = { boundHere, currentScope, shared, withScope };
