// The code blocks of the documentation: the README, the pages of docs/, and the skills.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./run.mjs";

/**
 * @typedef {object} Block
 * @property {string} page relative to the project
 * @property {number} line of its first line of code
 * @property {string} language as written after the fence; empty for none
 * @property {string} code
 */

/** The pages, relative to the project. */
export function pages() {
  const within = (/** @type {string} */ folder, /** @type {RegExp} */ wanted) =>
    /** @type {string[]} */ (readdirSync(path.join(root, folder), { recursive: true }))
      .map((name) => path.posix.join(folder, name.split(path.sep).join("/")))
      .filter((name) => wanted.test(name))
      .sort();
  return ["README.md", ...within("docs", /^docs\/[^/]+\.md$/), ...within("skills", /\/SKILL\.md$/)];
}

/** @returns {Block[]} every block of every page */
export function blocks() {
  return pages().flatMap((page) => blocksOf(page, readFileSync(path.join(root, page), "utf8")));
}

/**
 * @param {string} page
 * @param {string} text
 * @returns {Block[]}
 */
export function blocksOf(page, text) {
  return [...text.matchAll(/^ *```(\w*)\n(.*?)^ *```$/gms)].map((found) => ({
    page,
    line: text.slice(0, found.index).split("\n").length + 1,
    language: found[1] ?? "",
    code: found[2] ?? "",
  }));
}

/** Languages that TypeScript's compiler reads. */
export const COMPILED = ["ts", "tsx", "js"];

/** A file's name for a block, that says where it is. @param {Block} block */
export const fileOf = ({ page, line, language }) =>
  `${page.replace(/\.md$/, "").replaceAll(/\W+/g, "-")}-${line}.${language}`;
