"use strict";

/**
 * Reads nearly every text of superjson: JSON, beside which a few values of simple types are named. superjson itself
 * reads the rest, and takes longer to load than all else that a program needs for its first run. The values are the
 * same, to the last bit.
 */

/** The result of {@link readSimple} for a text that superjson has to read. */
const NOT_SIMPLE = Symbol("not simple");

/**
 * `any`: values of a JSON that was not checked; a wrong one throws, as in superjson.
 *
 * @type {Record<string, (value: any) => unknown>}
 */
const TYPES = {
  undefined: () => undefined,
  bigint: (value) => BigInt(value),
  Date: (value) => new Date(value),
  number: Number,
  URL: (value) => new URL(value),
};

/** Whether a text may name types, and so may need superjson. A name can be escaped. @param {string} text */
function namesTypes(text) {
  return text.includes("meta") || text.includes("\\u");
}

/**
 * The value of a text, or {@link NOT_SIMPLE}.
 *
 * @param {string} text
 * @throws {SyntaxError} when it is not JSON
 */
function readSimple(text) {
  const parsed = JSON.parse(text);
  // superjson throws for these, in its own words.
  if (typeof parsed !== "object" || parsed === null) return NOT_SIMPLE;
  const { json, meta } = parsed;
  if (!meta) return json;
  if (meta.referentialEqualities) return NOT_SIMPLE;
  const { values } = meta;
  if (!values) return json;
  if (typeof values !== "object" || Array.isArray(values)) return NOT_SIMPLE;
  for (const path of Object.keys(values)) {
    if (!restore(json, path, values[path])) return NOT_SIMPLE;
  }
  return json;
}

/**
 * Puts the value at `path` in, in place. False when that takes more than a plain path and type.
 *
 * @param {unknown} root
 * @param {string} path
 * @param {unknown} type
 */
function restore(root, path, type) {
  if (!Array.isArray(type) || type.length !== 1 || typeof type[0] !== "string") return false;
  const make = Object.hasOwn(TYPES, type[0]) ? TYPES[type[0]] : undefined;
  // Escapes, which two versions of superjson write differently.
  if (make === undefined || path.includes("\\")) return false;
  let place = root;
  let at = 0;
  for (let dot = path.indexOf("."); dot !== -1; dot = path.indexOf(".", at)) {
    const key = path.slice(at, dot);
    if (!has(place, key)) return false;
    place = place[key];
    at = dot + 1;
  }
  const key = path.slice(at);
  if (!has(place, key)) return false;
  place[key] = make(place[key]);
  return true;
}

/** @param {unknown} place @param {string} key @returns {place is Record<string, unknown>} */
function has(place, key) {
  if (typeof place !== "object" || place === null || !Object.hasOwn(place, key)) return false;
  if (Array.isArray(place)) return /^(0|[1-9]\d*)$/.test(key);
  // A Date that an earlier path made is not gone into, and superjson refuses these names.
  return Object.getPrototypeOf(place) === Object.prototype && !REFUSED.has(key);
}

const REFUSED = new Set(["__proto__", "constructor", "prototype"]);

module.exports = { NOT_SIMPLE, namesTypes, readSimple };
