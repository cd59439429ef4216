// The two packages side by side: what works here, what stays with the official SDK, and what does not fit.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { compareValues, kindOf, surfaceOf, surfaceOfClient } from "./runtime.mjs";
import { compareTypes, declaredBy } from "./types.mjs";

/**
 * @typedef {object} Notes `scripts/compatibility.json`
 * @property {string} version of the official SDK that all of it is about
 * @property {{ reason: string, names: string[] }[]} theirs what stays with the official SDK, and why
 * @property {{ reason: string, names: string[] }[]} options options that are not taken, by the end of their path, and
 *   why
 * @property {Record<string, string>} samples how to instantiate what is generic
 * @property {Record<string, string>} adds what values of ours that the official SDK has not are for
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {boolean} works
 * @property {readonly string[]} more what ours adds to it
 *
 * @typedef {object} Findings
 * @property {string} version
 * @property {Row[]} values
 * @property {Row[]} types
 * @property {Notes["theirs"]} theirs
 * @property {Notes["options"]} options
 * @property {[name: string, purpose: string][]} adds
 * @property {string[]} addedTypes
 * @property {{ unlisted: string[], missing: string[], misfits: string[], stale: string[], undeclared: string[] }} problems
 *   `unlisted`: neither here nor given a reason. `missing`: declared here and not there at run time. `misfits`: here,
 *   but not what the official one is. `stale`: notes about what there is not, or what is here. `undeclared`: at run
 *   time here and declared nowhere.
 */

const HEADER = [
  'import type * as ours from "trigger-native";',
  'import type * as sdk from "@trigger.dev/sdk";',
  'import type { nothing, resize, validated } from "./tasks.ts";',
  "declare const ourClient: ours.TriggerClient;",
  "declare const theirClient: sdk.TriggerClient;",
].join("\n");

/** A key that nothing is ever sent with. */
const KEY = "tr_dev_compatibility";

/** Compares the two packages. @param {string} root @returns {Promise<Findings>} */
export async function inspect(root) {
  /** @type {Notes} */
  const notes = JSON.parse(await readFile(path.join(root, "scripts", "compatibility.json"), "utf8"));
  const modules = { ours: await import("trigger-native"), sdk: await import("@trigger.dev/sdk") };
  const ours = surfaceOf(modules.ours);
  const theirs = surfaceOf(modules.sdk);
  const declared = { ours: declaredBy(root, "trigger-native"), sdk: declaredBy(root, "@trigger.dev/sdk") };
  const reasons = new Set(notes.theirs.flatMap(({ names }) => names));
  /** Notes that were of use. @type {Set<string>} */
  const used = new Set();

  /** @param {string} name */
  const isTheirs = (name) => {
    const given = reasons.has(name) ? name : reasons.has(name.split(".")[0]) ? name.split(".")[0] : undefined;
    if (given !== undefined) used.add(given);
    return given !== undefined;
  };

  /** @type {Findings["problems"]} */
  const problems = { unlisted: [], missing: [], misfits: [], stale: [], undeclared: [] };
  /** @param {string} name */
  const isDeclared = (name) => {
    const [parent, member] = name.split(".");
    return declared.ours.has(parent) && (member === undefined || declared.ours.get(parent)?.members.includes(member) === true);
  };

  // What is to work here: all that has no reason not to.
  const wanted = [...theirs.keys()].filter((name) => !isTheirs(name));
  const values = wanted.filter((name) => {
    if (isDeclared(name)) return true;
    problems.unlisted.push(name);
    return false;
  });
  const isType = (/** @type {string} */ name) => !theirs.has(name) && !isTheirs(name);
  const types = [...declared.sdk.keys()].filter(isType).filter((name) => {
    if (declared.ours.has(name)) return true;
    problems.unlisted.push(`${name} (a type)`);
    return false;
  });

  // Clients: their namespaces are compared as what they are, function by function.
  const clients = {
    ours:
      modules.ours.TriggerClient &&
      surfaceOfClient("TriggerClient", new modules.ours.TriggerClient({ accessToken: KEY })),
    theirs: surfaceOfClient("TriggerClient", new modules.sdk.TriggerClient({ accessToken: KEY })),
  };
  const ofClient = [...clients.theirs.keys()].filter((name) => !isTheirs(name) && !isOfTheirs(name));
  /** Within a namespace of a client that stays with the official one. @param {string} name */
  function isOfTheirs(name) {
    return isTheirs(name.split(".").slice(0, 2).join(".")) || isTheirs(name.split(".").slice(1, 3).join("."));
  }

  const isLeaf = (/** @type {string} */ name) => !values.some((other) => other.startsWith(`${name}.`));
  const sample = (/** @type {string} */ name) => {
    const key = notes.samples[name] === undefined ? name.replace(/^TriggerClient\./, "") : name;
    if (notes.samples[key] !== undefined) used.add(`sample ${key}`);
    return notes.samples[key] ?? "";
  };
  const inClient = ofClient.filter((name) => name.split(".").length === 3);
  const pairs = [
    ...values.filter(isLeaf).map((name) => ({
      name,
      ours: `typeof ours.${name}${sample(name)}`,
      theirs: `typeof sdk.${name}${sample(name)}`,
    })),
    ...inClient.map((name) => ({
      name,
      ours: `typeof ourClient.${name.slice("TriggerClient.".length)}${sample(name)}`,
      theirs: `typeof theirClient.${name.slice("TriggerClient.".length)}${sample(name)}`,
    })),
    ...types.map((name) => ({ name, ours: `ours.${name}${sample(name)}`, theirs: `sdk.${name}${sample(name)}` })),
  ];
  const elsewhere = new Set(inClient);
  const options = notes.options.flatMap(({ names }) => names);
  const leftOut = (/** @type {string} */ name) => {
    const option = options.find((end) => name.endsWith(end));
    if (option !== undefined) used.add(`option ${option}`);
    return option !== undefined || isLeftOut(name);
  };
  const isLeftOut = (/** @type {string} */ name) =>
    elsewhere.has(name) || isTheirs(name) || (name.startsWith("TriggerClient.") && isOfTheirs(name));
  const verdicts = compareTypes(root, HEADER, pairs, leftOut);

  /** @param {string} name @param {Map<string, unknown>} mine @param {Map<string, unknown>} official */
  const atRunTime = (name, mine, official) => {
    if (!mine.has(name)) {
      problems.missing.push(name);
      return false;
    }
    const value = mine.get(name);
    const found = compareValues(name, value, official.get(name), isTheirs);
    const parameters = verdicts.get(name)?.parameters ?? Number.POSITIVE_INFINITY;
    if (typeof value === "function" && kindOf(value) === "function" && value.length > parameters) {
      found.push(`${name}: takes ${value.length} parameters at run time and is declared with ${parameters}`);
    }
    problems.misfits.push(...found);
    return found.length === 0;
  };
  const inTypes = (/** @type {string} */ name) => {
    const found = verdicts.get(name)?.problems ?? [];
    problems.misfits.push(...found);
    return found.length === 0;
  };

  /** @type {Row[]} */
  const valueRows = values.filter(isLeaf).map((name) => {
    const works = [atRunTime(name, ours, theirs), inTypes(name)].every(Boolean);
    return { name, kind: kindOf(theirs.get(name)), works, more: verdicts.get(name)?.more ?? [] };
  });
  const clientWorks = ofClient.map((name) =>
    [atRunTime(name, clients.ours ?? new Map(), clients.theirs), inTypes(name)].every(Boolean),
  );
  for (const row of valueRows) if (row.name === "TriggerClient") row.works &&= clientWorks.every(Boolean);
  const typeRows = types.map((name) => {
    const verdict = verdicts.get(name);
    const works = verdict !== undefined && verdict.fit !== "neither";
    if (!works) problems.misfits.push(...(verdict?.problems ?? []));
    return { name, kind: verdict?.fit ?? "neither", works, more: verdict?.more ?? [] };
  });

  // What is ours alone.
  const adds = [...ours.keys()].filter((name) => !theirs.has(name) && kindOf(ours.get(name)) !== "namespace");
  for (const name of adds)
    if (notes.adds[name] === undefined) problems.unlisted.push(`${name} (of our own: say in "adds" what it is for)`);
  const addedTypes = [...declared.ours.keys()].filter((name) => !ours.has(name) && !declared.sdk.has(name));

  // Declarations against what is there.
  for (const name of ours.keys()) if (!isDeclared(name)) problems.undeclared.push(name);
  for (const [name, { members }] of declared.ours) {
    if (kindOf(ours.get(name)) === "namespace") {
      for (const member of members) if (!ours.has(`${name}.${member}`)) problems.missing.push(`${name}.${member}`);
    }
  }
  for (const name of reasons) {
    if (!used.has(name)) problems.stale.push(`${name}: given a reason, but the official SDK has no such export`);
    else if (ours.has(name)) problems.stale.push(`${name}: said to be the official SDK's own, but it is here`);
  }
  for (const name of options)
    if (!used.has(`option ${name}`)) problems.stale.push(`${name}: no such option is missing`);
  for (const name of Object.keys(notes.samples))
    if (!used.has(`sample ${name}`)) problems.stale.push(`${name}: a sample of nothing`);
  for (const name of Object.keys(notes.adds))
    if (!adds.includes(name)) problems.stale.push(`${name}: said to be added, but it is not`);
  for (const [kind, found] of Object.entries(problems)) {
    problems[/** @type {keyof typeof problems} */ (kind)] = [...new Set(found)].sort();
  }
  return {
    version: notes.version,
    values: valueRows,
    types: typeRows,
    theirs: notes.theirs,
    options: notes.options,
    adds: adds.map((name) => [name, notes.adds[name] ?? ""]),
    addedTypes,
    problems,
  };
}
