// The two packages side by side: what works here, what stays with the official SDK, and what does not fit.

import { declaredBy } from "./compiler.mjs";
import { Notes } from "./notes.mjs";
import { compareValues, kindOf, surfaceOf, surfaceOfClient } from "./runtime.mjs";
import { compareTypes } from "./types.mjs";

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {boolean} works
 * @property {readonly string[]} more what ours adds to it
 *
 * @typedef {object} Problems
 * @property {string[]} unlisted neither here nor given a reason; or here alone and without a purpose
 * @property {string[]} missing declared, and not there at run time
 * @property {string[]} misfits here, but not what the official one is
 * @property {string[]} undeclared there at run time, and declared nowhere
 * @property {string[]} stale notes about what there is not, or what is otherwise
 *
 * @typedef {object} Findings
 * @property {import("./notes.mjs").Written} notes
 * @property {Row[]} values
 * @property {Row[]} types
 * @property {string[]} adds values that are here alone
 * @property {string[]} addedTypes
 * @property {Problems} problems
 */

const HEADER = [
  'import type * as ours from "trigger-native";',
  'import type * as sdk from "@trigger.dev/sdk";',
  'import type { nothing, resize, validated } from "./tasks.ts";',
  "declare const oursTriggerClient: ours.TriggerClient;",
  "declare const sdkTriggerClient: sdk.TriggerClient;",
].join("\n");

/** A key that nothing is ever sent with. */
const KEY = "tr_dev_compatibility";

/** Compares the two packages. @param {string} root @returns {Promise<Findings>} */
export async function inspect(root) {
  const notes = await Notes.read(root);
  const [ours, theirs] = [await import("trigger-native"), await import("@trigger.dev/sdk")].map(surfaceWithClient);
  const declared = { ours: declaredBy(root, "trigger-native"), theirs: declaredBy(root, "@trigger.dev/sdk") };
  /** @type {Problems} */
  const problems = { unlisted: [], missing: [], misfits: [], undeclared: [], stale: [] };

  // All that has no reason not to be here is to be here.
  const isDeclared = (/** @type {string} */ name) => {
    const [parent, member] = name.split(".");
    const found = declared.ours.get(parent);
    return (
      found !== undefined && (member === undefined || parent === "TriggerClient" || found.members.includes(member))
    );
  };
  const wanted = [...theirs.keys()].filter((name) => !notes.isTheirs(name));
  const values = wanted.filter(isDeclared);
  const wantedTypes = [...declared.theirs.keys()].filter((name) => !theirs.has(name) && !notes.isTheirs(name));
  const types = wantedTypes.filter(isDeclared);
  problems.unlisted.push(...[...wanted, ...wantedTypes].filter((name) => !isDeclared(name)));

  // A namespace is compared by its members.
  const isNamespace = (/** @type {string} */ name) =>
    kindOf(theirs.get(name)) === "namespace" && values.some((other) => other.startsWith(`${name}.`));
  const compared = values.filter((name) => !isNamespace(name));
  const verdicts = compareTypes(
    root,
    HEADER,
    [...compared.map((name) => pairOf(name, notes)), ...types.map((name) => typePairOf(name, notes))],
    // What a client holds is compared by itself.
    (at) => notes.isOptionLeftOut(at) || notes.isTheirs(at) || (at.startsWith("TriggerClient.") && values.includes(at)),
  );

  /** @type {Row[]} */
  const rows = compared.map((name) => {
    const { problems: inTypes = [], more = [], parameters = 0 } = verdicts.get(name) ?? {};
    const value = ours.get(name);
    if (!ours.has(name)) problems.missing.push(name);
    const atRunTime = ours.has(name) ? compareValues(name, value, theirs.get(name), (at) => notes.isTheirs(at)) : [];
    if (kindOf(value) === "function" && typeof value === "function" && value.length > parameters) {
      atRunTime.push(`${name}: takes ${value.length} parameters at run time and is declared with ${parameters}`);
    }
    problems.misfits.push(...inTypes, ...atRunTime);
    const works = ours.has(name) && inTypes.length === 0 && atRunTime.length === 0;
    return { name, kind: kindOf(theirs.get(name)), works, more };
  });
  const typeRows = types.map((name) => {
    const { problems: inTypes = [], fit = "neither", more = [] } = verdicts.get(name) ?? {};
    if (fit === "neither") problems.misfits.push(...inTypes);
    return { name, kind: fit, works: fit !== "neither", more };
  });

  // Names that only our package has.
  const adds = [...ours.keys()].filter((name) => !theirs.has(name) && kindOf(ours.get(name)) !== "namespace");
  const purposeless = adds.filter((name) => notes.written.adds[name] === undefined);
  problems.unlisted.push(...purposeless.map((name) => `${name} (of our own: say in "adds" what it is for)`));
  const addedTypes = [...declared.ours.keys()].filter((name) => !ours.has(name) && !declared.theirs.has(name));

  // Declarations against run time.
  problems.undeclared.push(...[...ours.keys()].filter((name) => !isDeclared(name)));
  for (const [name, { isValue, members }] of declared.ours) {
    const names = [...(isValue ? [name] : []), ...members.map((member) => `${name}.${member}`)];
    problems.missing.push(...names.filter((each) => !ours.has(each)));
  }
  problems.stale.push(...notes.stale(ours, adds, compared));

  // A client works when all that is in it does.
  const inClient = (/** @type {Row} */ { name }) => name.startsWith("TriggerClient.");
  for (const row of rows)
    if (row.name === "TriggerClient") row.works &&= rows.filter(inClient).every(({ works }) => works);
  return {
    notes: notes.written,
    values: rows.filter((row) => !inClient(row)),
    types: typeRows,
    adds,
    addedTypes,
    problems: sorted(problems),
  };
}

/** What a package is at run time, its client's namespaces included. @param {any} module @returns {Map<string, unknown>} */
function surfaceWithClient(module) {
  const { TriggerClient } = module;
  const client = TriggerClient && surfaceOfClient("TriggerClient", new TriggerClient({ accessToken: KEY }));
  return new Map([...surfaceOf(module), ...(client ?? [])]);
}

/** @param {string} name @param {Notes} notes */
function pairOf(name, notes) {
  const at = (/** @type {string} */ side) =>
    `typeof ${name.startsWith("TriggerClient.") ? `${side}${name}` : `${side}.${name}`}${notes.sample(name)}`;
  return { name, ours: at("ours"), theirs: at("sdk") };
}

/** @param {string} name @param {Notes} notes */
function typePairOf(name, notes) {
  return { name, ours: `ours.${name}${notes.sample(name)}`, theirs: `sdk.${name}${notes.sample(name)}` };
}

/** Each problem once, in order. @param {Problems} problems @returns {Problems} */
function sorted(problems) {
  const once = (/** @type {string[]} */ found) => [...new Set(found)].sort();
  const { unlisted, missing, misfits, undeclared, stale } = problems;
  return {
    unlisted: once(unlisted),
    missing: once(missing),
    misfits: once(misfits),
    undeclared: once(undeclared),
    stale: once(stale),
  };
}
