// Writing values as superjson, the form that the official hooks send payloads in. Reading is not needed here.
//
// Tasks carry superjson 2.2.1 to read it: its paths escape dots and no backslashes, and it knows no version of them.

/**
 * @typedef {{ value: unknown, tree?: Tree | undefined }} Written a JSON value, and what it was before
 * @typedef {unknown[] | { [path: string]: Tree }} Tree the type with those below it, or those below alone
 */

/** What superjson writes as something else, in the order in which it looks. @type {[(value: any) => unknown, string | ((value: any) => string[]), (value: any) => unknown][]} `any`: the first of each says what the value is */
const TYPES = [
  [isBuffer, () => ["custom", "buffer"], (value) => [...value]],
  [
    (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
    (value) => ["typed-array", value.constructor.name],
    (value) => [...value],
  ],
  [(value) => value === undefined, "undefined", () => null],
  [(value) => typeof value === "bigint", "bigint", String],
  [(value) => value instanceof Date && !Number.isNaN(value.valueOf()), "Date", (value) => value.toISOString()],
  [(value) => value instanceof Error, "Error", errorParts],
  [(value) => value instanceof RegExp, "regexp", String],
  [(value) => value instanceof Set, "set", (value) => [...value]],
  [(value) => value instanceof Map, "map", (value) => [...value]],
  [(value) => typeof value === "number" && !Number.isFinite(value), "number", String],
  [(value) => Object.is(value, -0), "number", () => "-0"],
  [(value) => value instanceof URL, "URL", String],
];

/** A buffer of Node's, which bundlers give pages: tasks know it by a name of its own. @param {any} value `any`: of every kind */
function isBuffer(value) {
  return ArrayBuffer.isView(value) && /** @type {any} */ (value.constructor).isBuffer?.(value);
}

/** @param {Error} error */
function errorParts(error) {
  const { name, message } = error;
  return "cause" in error ? { name, message, cause: error.cause } : { name, message };
}

/** Names that superjson does not write, since to set them may change an object's prototype. */
const REFUSED = ["__proto__", "constructor", "prototype"];

const PRIMITIVES = ["boolean", "undefined", "number", "string", "symbol"];

/** A name within a path. @param {string} name */
const escaped = (name) => name.replaceAll(".", "\\.");

/**
 * A value as a text. One with names that superjson refuses, such as `constructor`, is plain JSON in the same form, as it
 * is where a server triggers.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function stringify(value) {
  try {
    return typed(value);
  } catch (error) {
    try {
      return JSON.stringify({ json: value });
    } catch {
      throw error;
    }
  }
}

/** @param {unknown} value @returns {string} */
function typed(value) {
  /** @type {Map<unknown, string[][]>} */
  const places = new Map();
  /** @type {Map<unknown, Written>} */
  const seen = new Map();
  const { value: json, tree } = write(value, [], []);
  const referentialEqualities = equalities(places);
  const meta = {
    ...(tree ? { values: tree } : {}),
    ...(referentialEqualities ? { referentialEqualities } : {}),
  };
  return JSON.stringify(tree || referentialEqualities ? { json, meta } : { json });

  /** @param {unknown} value @param {string[]} path @param {unknown[]} above @returns {Written} */
  function write(value, path, above) {
    // NaN and bigints count as objects that are there more than once: so does superjson.
    const primitive = value === null || (!Number.isNaN(value) && PRIMITIVES.includes(typeof value));
    if (!primitive) {
      const known = places.get(value);
      if (known) known.push(path);
      else places.set(value, [path]);
      const before = seen.get(value);
      if (before) return before;
      if (above.includes(value)) return { value: null };
    }
    const written = writeNew(value, path, above);
    if (!primitive) seen.set(value, written);
    return written;
  }

  /** @param {unknown} value @param {string[]} path @param {unknown[]} above @returns {Written} */
  function writeNew(value, path, above) {
    const rule = TYPES.find(([applies]) => applies(value));
    const plain = rule ? rule[2](value) : value;
    const type = typeof rule?.[1] === "function" ? rule[1](value) : rule?.[1];
    const deep =
      Array.isArray(value) || isPlain(value) || value instanceof Map || value instanceof Set || value instanceof Error;
    if (!deep) return { value: plain, tree: type ? [type] : undefined };
    /** @type {Record<string, unknown> | unknown[]} */
    const copy = Array.isArray(plain) ? [] : {};
    /** @type {{ [path: string]: Tree }} */
    const below = {};
    for (const [name, inner] of Object.entries(/** @type {object} */ (plain))) {
      if (REFUSED.includes(name)) throw new Error(`A payload cannot have a property "${name}"`);
      const written = write(inner, [...path, name], [...above, value]);
      /** @type {Record<string, unknown>} */ (copy)[name] = written.value;
      if (Array.isArray(written.tree)) below[escaped(name)] = written.tree;
      else for (const [rest, tree] of Object.entries(written.tree ?? {})) below[`${escaped(name)}.${rest}`] = tree;
    }
    const some = Object.keys(below).length > 0;
    if (type) return { value: copy, tree: some ? [type, below] : [type] };
    return { value: copy, tree: some ? below : undefined };
  }
}

/** @param {unknown} value */
function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return value !== Object.prototype && (prototype === null || prototype === Object.prototype);
}

/** Objects that are there more than once. @param {Map<unknown, string[][]>} places */
function equalities(places) {
  /** @type {Record<string, string[]>} */
  const others = {};
  /** @type {string[] | undefined} */
  let root;
  for (const paths of places.values()) {
    if (paths.length < 2) continue;
    const [first, ...rest] = [...paths].sort((a, b) => a.length - b.length);
    const texts = rest.map((path) => path.map(escaped).join("."));
    if (first?.length === 0) root = texts;
    else others[(first ?? []).map(escaped).join(".")] = texts;
  }
  const some = Object.keys(others).length > 0;
  if (root) return some ? [root, others] : [root];
  return some ? others : undefined;
}
