"use strict";

/** Idempotency keys: what is triggered twice with one key runs once. */

const { createHash } = require("node:crypto");
const { ApiPromise } = require("./api-promise.js");
const { object, text } = require("./schema.js");
const { Call } = require("./call.js");
const { ArgumentError, NotFoundError } = require("../errors/errors.js");
const { idOf } = require("../config/id.js");

/** The most keys whose material is remembered: a server lives longer than a run. */
const MAX_KEYS = 10_000;
/** The most characters of material remembered in all: a text of any length can be a key. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

/**
 * The material and scope of each key, which the dashboard shows.
 *
 * @typedef {{ key: string, scope: "run" | "attempt" | "global" }} Origin
 * @type {Map<string, Origin>}
 */
const origins = new Map();
/** The characters of all that is remembered. */
let characters = 0;

const SCOPES = new Set(["run", "attempt", "global"]);

const resetAnswer = object({ id: text });

/**
 * A key made of `material`. Outside a run the scopes make no difference to it.
 *
 * @param {string | string[]} material
 * @param {{ scope?: "run" | "attempt" | "global" }} [options]
 * @returns {Promise<string>}
 */
async function create(material, options) {
  const scope = scopeOf("idempotencyKeys.create", options?.scope);
  const parts = partsOf(material);
  const hash = digest(parts);
  remember(hash, /** @type {Origin} */ ({ key: parts.join("-"), scope }));
  return hash;
}

/**
 * The key to send, and its material where that is known.
 *
 * @param {unknown} key as the user gave it: one of {@link create}, or the material of one
 * @returns {{ key?: string, origin?: Origin }}
 */
function resolveKey(key) {
  // As in the SDK, an empty key is none.
  if (key === undefined || key === null || key === "") return {};
  if (isMade(key)) return { key, origin: origins.get(key) };
  const parts = partsOf(key);
  const origin = /** @type {Origin} */ ({ key: parts.join("-"), scope: "run" });
  const hash = digest(parts);
  remember(hash, origin);
  return { key: hash, origin };
}

/**
 * The key of the `index`-th item of a batch that has `key` itself.
 *
 * @param {unknown} key
 * @param {number} index
 * @returns {string | undefined}
 */
function itemKey(key, index) {
  if (key === undefined || key === null || key === "") return undefined;
  // The parts that are not empty are joined by commas here, as in the official SDK.
  partsOf(key);
  const parts = (Array.isArray(key) ? key : [key]).filter(Boolean);
  return resolveKey([parts.join(","), String(index)]).key;
}

/**
 * Forgets a key of a task, so that it can be used again.
 *
 * @param {string} task
 * @param {string | string[]} key one of {@link create}, or what it was made of with its scope
 * @param {{ scope?: "run" | "attempt" | "global", parentRunId?: string, attemptNumber?: number }} [options]
 * @param {object} [requestOptions]
 * @returns {import("./api-promise.js").Answered<{ id: string }>}
 */
function reset(task, key, options, requestOptions) {
  return new ApiPromise(resetKey(task, key, options, requestOptions));
}

/**
 * @param {unknown} task
 * @param {unknown} key
 * @param {Parameters<typeof reset>[2]} options
 * @param {unknown} requestOptions
 */
async function resetKey(task, key, options, requestOptions) {
  const call = new Call("idempotencyKeys.reset", requestOptions);
  const taskIdentifier = idOf("idempotencyKeys.reset", "task", task);
  const send = async (/** @type {string} */ hash) => {
    const path = "/api/v1/idempotencyKeys/{}/reset";
    const answer = await call.request({
      method: "POST",
      path,
      ids: [["idempotency key", hash]],
      body: { taskIdentifier },
    });
    return { data: call.read(answer, resetAnswer), answer };
  };
  // A key of 64 characters is one that was made, unless it has a scope to be made with.
  if (isMade(key) && (origins.has(key) || options?.scope == null)) return send(key);
  const suffix = suffixOf(scopeOf("idempotencyKeys.reset", options?.scope), options);
  if (suffix === undefined) {
    if (isMade(key)) return send(key);
    throw new ArgumentError(
      "ERR_INVALID_IDEMPOTENCY_KEY",
      'idempotencyKeys.reset(): a key of scope "run" needs parentRunId, one of scope "attempt" attemptNumber too: pass them, the key that idempotencyKeys.create() gave, or { scope: "global" }',
    );
  }
  const hash = digest([...partsOf(key), ...suffix]);
  if (!isMade(key)) return send(hash);
  try {
    return await send(key);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    return send(hash).catch((second) => {
      throw second instanceof NotFoundError ? error : second;
    });
  }
}

/**
 * @param {Origin["scope"]} scope
 * @param {Parameters<typeof reset>[2]} options
 * @returns {string[] | undefined} `undefined` where a part is missing
 */
function suffixOf(scope, options) {
  const { parentRunId, attemptNumber } = options ?? {};
  if (scope === "global") return [];
  if (!parentRunId) return undefined;
  if (scope === "run") return [parentRunId];
  return attemptNumber == null ? undefined : [parentRunId, String(attemptNumber)];
}

/** @param {string} call @param {unknown} given @returns {Origin["scope"]} */
function scopeOf(call, given) {
  const scope = /** @type {Origin["scope"]} */ (given ?? "run");
  if (!SCOPES.has(scope)) {
    throw new ArgumentError(
      "ERR_INVALID_IDEMPOTENCY_KEY",
      `${call}(): unknown scope, expected one of ${[...SCOPES].join(", ")}`,
    );
  }
  return scope;
}

/** @param {unknown} key @returns {key is string} */
function isMade(key) {
  return typeof key === "string" && key.length === 64;
}

/** @param {unknown} material @returns {string[]} */
function partsOf(material) {
  const parts = Array.isArray(material) ? material : [material];
  // A part that is missing would give one key where there should be many.
  if (parts.length === 0 || !parts.every((part) => typeof part === "string" || Number.isFinite(part))) {
    throw new ArgumentError(
      "ERR_INVALID_IDEMPOTENCY_KEY",
      "an idempotency key must be a string or an array of strings: is one of its parts undefined?",
    );
  }
  return parts.map(String);
}

/** @param {string[]} parts */
function digest(parts) {
  return createHash("sha256").update(parts.join("-")).digest("hex");
}

/** @param {string} hash @param {Origin} origin */
function remember(hash, origin) {
  forget(hash);
  origins.set(hash, origin);
  characters += origin.key.length;
  // The oldest first; the new one itself, where it alone is too long.
  while (origins.size > MAX_KEYS || characters > MAX_CHARACTERS) forget(origins.keys().next().value);
}

/** @param {string | undefined} hash */
function forget(hash) {
  const origin = hash === undefined ? undefined : origins.get(hash);
  if (origin === undefined) return;
  origins.delete(/** @type {string} */ (hash));
  characters -= origin.key.length;
}

module.exports = { create, itemKey, reset, resolveKey };
