// Searches everything that a program emits for its secrets, in every form in which one can be read back.

import { runProgram } from "./program.mjs";

/** The shortest part of a secret that counts, in characters: half of a key's secret part, and more than chance. */
const PART = 8;

/** The texts of a secret that are nobody's business: of a key what follows its kind, of a token all but its header. */
function partsOf(/** @type {string} */ secret) {
  if (secret.startsWith("eyJ")) return secret.split(".").slice(1);
  return [secret.replace(/^tr_(dev|prod|stg|preview|pat|oat)_/, "")];
}

/** A text as it is, and decoded in every way in which a secret in it could be hidden. */
function* readings(/** @type {string} */ text) {
  yield ["as it is", text];
  if (/%[0-9a-f]{2}/i.test(text)) {
    yield [
      "percent-encoded",
      text.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16))),
    ];
  }
  if (/\\u00|\\x/.test(text)) {
    yield [
      "escaped",
      text.replace(/\\+(?:u00|x)([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16))),
    ];
  }
  if (/&#/.test(text))
    yield [
      "as entities",
      text.replace(/&#(x?)([0-9a-f]+);/gi, (_, x, code) => String.fromCharCode(Number.parseInt(code, x ? 16 : 10))),
    ];
  for (const [run] of text.matchAll(/(?:[0-9a-f]{2}){8,}/gi))
    yield ["in hexadecimal", Buffer.from(run, "hex").toString("latin1")];
  for (const [run] of text.matchAll(/[\w+/-]{11,}/g)) {
    for (let skip = 0; skip < 4; skip++) yield ["in base64", Buffer.from(run.slice(skip), "base64").toString("latin1")];
  }
  yield ["backwards", [...text].reverse().join("")];
}

/**
 * Where a text holds a part of a secret.
 *
 * @param {string} text
 * @param {Record<string, string>} secrets by name
 * @returns {string[]} what was found, without the secret
 */
export function leaksIn(text, secrets) {
  const windows = new Map();
  for (const [name, secret] of Object.entries(secrets)) {
    for (const part of partsOf(secret)) {
      for (let at = 0; at + PART <= part.length; at++) windows.set(part.slice(at, at + PART), name);
    }
  }
  const found = new Set();
  for (const [how, reading] of readings(text)) {
    for (let at = 0; at + PART <= reading.length; at++) {
      const name = windows.get(reading.slice(at, at + PART));
      if (name !== undefined) found.add(`${name}, ${how}`);
    }
  }
  return [...found];
}

/** What a program begins with: `tell` prints a value in every way in which an app or a debugger would. */
const TELL = `
  const { inspect } = require("node:util");
  const say = (what, text) => console.log("\\u0001" + JSON.stringify([what, text]));
  function tell(what, value) {
    const safely = (how, make) => {
      let text;
      try { text = make(); } catch (error) { text = String(error && error.message); }
      if (text !== undefined) say(what + ": " + how, String(text));
    };
    safely("inspect", () => inspect(value, { depth: 12, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }));
    safely("JSON", () => JSON.stringify(value));
    safely("String", () => String(value));
    for (let at = value, depth = 0; typeof at === "object" && at !== null && depth < 8; at = at.cause, depth++) {
      safely("stack " + depth, () => at.stack);
      safely("message " + depth, () => at.message);
      for (const name of Reflect.ownKeys(at)) safely("own " + depth, () => inspect(at[name], { depth: 12 }) );
    }
  }
`;

/**
 * Everything that a program emits: what it gives to `tell`, and what it prints itself, line by line.
 *
 * @param {string} source CommonJS; `tell(what, value)`, `baseURL` and `accessToken` are in scope
 * @param {Parameters<typeof runProgram>[1]} options
 * @returns {Promise<{ emitted: [string, string][], code: number | null, hung: boolean }>}
 */
export async function emittedBy(source, options) {
  const { out, err, code, hung } = await runProgram(TELL + source, options);
  /** @type {[string, string][]} */
  const emitted = [];
  for (const line of out.split("\n").filter(Boolean)) {
    if (line.startsWith("\u0001")) emitted.push(JSON.parse(line.slice(1)));
    else emitted.push(["standard output", line]);
  }
  for (const line of err.split("\n").filter(Boolean)) emitted.push(["standard error", line]);
  return { emitted, code, hung };
}

/**
 * The leaks of everything that was emitted.
 *
 * @param {[string, string][]} emitted
 * @param {Record<string, string>} secrets
 */
export function leaksOf(emitted, secrets) {
  const seen = new Map();
  const leaks = [];
  for (const [what, text] of emitted) {
    if (!seen.has(text)) seen.set(text, leaksIn(text, secrets));
    for (const leak of seen.get(text)) leaks.push({ what, leak, text });
  }
  return leaks;
}
