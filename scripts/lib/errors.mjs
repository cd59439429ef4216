// The files generated from the registry of error codes: docs/errors.md, and the type of a code.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** @typedef {{ class: string | readonly string[], when: string, fix: string }} Entry */

const REGISTRY = "js/errors/codes.js";

const HEAD = `# Errors

Written by \`npm run errors -- --write\`; do not edit.

Every error of this package has a stable \`code\`: compare that, never the message, which says what is wrong in the case at
hand. The type \`ErrorCode\` lists the codes. \`catch (error) { if (error.code === "ERR_TIMEOUT") … }\`

- The classes of a server's refusal, \`ApiError\` and its kin, have the official SDK's names and fields. Their \`code\` is the
  server's own where it sent one, else the one below.
- \`TriggerNativeError\` is the base of \`ConfigError\`, \`ArgumentError\`, \`TimeoutError\`, \`ProtocolError\`, \`NoProgressError\` and
  \`DecodeError\`.
- \`BatchTriggerError\`, \`BatchNotSealedError\` and \`WaitpointTimeoutError\` have the official fields, and no code.

| Code | Class | When | Fix |
|---|---|---|---|
`;

/**
 * The registry.
 *
 * @param {string} root
 * @returns {Record<string, Entry>}
 */
export function registryOf(root) {
  return createRequire(import.meta.url)(path.join(root, REGISTRY)).CODES;
}

/** @param {Record<string, Entry>} codes */
export function pageOf(codes) {
  const row = (/** @type {[string, Entry]} */ [code, { class: names, when, fix }]) =>
    `| \`${code}\` | ${[names]
      .flat()
      .map((name) => `\`${name}\``)
      .join(", ")} | ${when} | ${fix} |\n`;
  return HEAD + Object.entries(codes).map(row).join("");
}

const TYPE = /(export type ErrorCode =\n)(?:.*\n)*?( {2}\| .*);\n/;

/**
 * `types/error.d.ts` with the type of the codes.
 *
 * @param {string} text the file as it is
 * @param {Record<string, Entry>} codes
 */
export function withType(text, codes) {
  const lines = Object.keys(codes).map((code) => `  | "${code}"`);
  return text.replace(TYPE, (_, head) => `${head}${lines.join("\n")};\n`);
}

/**
 * The files that are written, as they are and as they should be.
 *
 * @param {string} root
 */
export function written(root) {
  const codes = registryOf(root);
  const read = (/** @type {string} */ name) => {
    try {
      return readFileSync(path.join(root, name), "utf8");
    } catch {
      return "";
    }
  };
  const types = read("types/error.d.ts");
  return [
    { name: "docs/errors.md", is: read("docs/errors.md"), expected: pageOf(codes) },
    { name: "types/error.d.ts", is: types, expected: withType(types, codes) },
  ];
}
