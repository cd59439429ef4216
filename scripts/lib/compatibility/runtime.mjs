// What two packages are at run time.

/** @typedef {"class" | "function" | "namespace" | "value"} Kind */

/** @param {unknown} value @returns {Kind} */
export function kindOf(value) {
  if (typeof value === "function")
    return /^class\b/.test(Function.prototype.toString.call(value)) ? "class" : "function";
  return typeof value === "object" && value !== null ? "namespace" : "value";
}

/**
 * A package's exports and those of its namespaces, by path.
 *
 * @param {Record<string, any>} module
 * @returns {Map<string, unknown>}
 */
export function surfaceOf(module) {
  /** @type {Map<string, unknown>} */
  const found = new Map();
  for (const [name, value] of Object.entries(module)) {
    if (name === "default" || name === "module.exports") continue;
    found.set(name, value);
    if (kindOf(value) !== "namespace") continue;
    for (const member of Object.keys(value)) found.set(`${name}.${member}`, value[member]);
  }
  return found;
}

/**
 * Why our value cannot stand for theirs.
 *
 * @param {string} name
 * @param {any} ours
 * @param {any} theirs
 * @param {(path: string) => boolean} leftOut whether a missing member is allowed to be
 * @returns {string[]}
 */
export function compareValues(name, ours, theirs, leftOut) {
  const [kind, wanted] = [kindOf(ours), kindOf(theirs)];
  if (kind !== wanted) return [`${name}: is a ${kind} here and a ${wanted} there`];
  if (kind !== "class") return [];
  const found = [];
  const [line, lineage] = [ancestry(ours), ancestry(theirs)];
  if (line.join() !== lineage.join())
    found.push(`${name}: extends ${line.join(" > ")} instead of ${lineage.join(" > ")}`);
  for (const member of Object.getOwnPropertyNames(theirs.prototype)) {
    if (!(member in ours.prototype) && !leftOut(`${name}.${member}`))
      found.push(`${name}.${member}: missing at run time`);
  }
  return found;
}

/** The names of a class's ancestors. @param {any} type @returns {string[]} */
function ancestry(type) {
  const parent = Object.getPrototypeOf(type);
  return parent === Function.prototype ? [] : [parent.name, ...ancestry(parent)];
}

/**
 * The namespaces of a client and their members, by path.
 *
 * @param {string} name
 * @param {object} client
 */
export function surfaceOfClient(name, client) {
  return new Map([...surfaceOf(client)].map(([path, value]) => [`${name}.${path}`, value]));
}
