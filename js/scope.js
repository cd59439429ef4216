"use strict";

/**
 * The configuration that holds inside `auth.withAuth()` and for the calls of a `TriggerClient`,
 * across every await within, and nowhere else: concurrent requests of several tenants never see
 * each other's key.
 */

const { AsyncLocalStorage } = require("node:async_hooks");
const { shared } = require("./shared.js");

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

module.exports = { currentScope, withScope };
