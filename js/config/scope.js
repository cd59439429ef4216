"use strict";

/**
 * The configuration inside `auth.withAuth()` and of the calls of a `TriggerClient`: across every await within, and
 * nowhere else, so that concurrent requests of several tenants never see each other's key.
 */

const { AsyncLocalStorage, AsyncResource } = require("node:async_hooks");
const native = require("../native/native.js");

/**
 * A value that all copies of this package in a process share. A process has several copies where each bundle holds one,
 * and where a development server reloads modules. What one copy was configured with holds for all, as in the official
 * SDK.
 *
 * @template T
 * @param {string} name
 * @param {() => T} make called once in a process for each version of the package: other versions may keep other things
 * @returns {T}
 */
function shared(name, make) {
  const key = Symbol.for(`trigger-native ${native.VERSION} ${name}`);
  const global = /** @type {Record<symbol, T | undefined>} */ (/** @type {unknown} */ (globalThis));
  const value = global[key] ?? make();
  global[key] = value;
  return value;
}

/**
 * @typedef {{ readonly explicit: Readonly<import("./config.js").Configuration>, resolve(env: import("./config.js").Environment): import("./config.js").Resolved }} Scope
 */

/** @type {AsyncLocalStorage<Scope>} */
const storage = shared("scope", () => new AsyncLocalStorage());

/** The innermost scope, where there is one. */
function currentScope() {
  return storage.getStore();
}

/**
 * @template R
 * @param {Scope} scope
 * @param {() => R} work
 * @returns {R}
 */
function withScope(scope, work) {
  return storage.run(scope, work);
}

/**
 * `work` bound to the async context of here: to the store that every `AsyncLocalStorage` has now.
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
