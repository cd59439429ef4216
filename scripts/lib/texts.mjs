// The texts of the project's files, for what reads them as a whole: the generated pages, and the tests of the documentation.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The folders with files that documentation names. */
export const FOLDERS = [
  "src",
  "js",
  "browser",
  "types",
  "tests",
  "__test__",
  "scripts",
  "demo",
  "bench",
  "docs",
  "examples",
  "skills",
];

const TEXT = /\.(rs|js|mjs|ts|mts|cts|md|json)$/;

/**
 * The text of every file that may be named, by its path with slashes: those of the folders, and those at the top.
 *
 * @param {string} root
 * @returns {Map<string, string>}
 */
export function projectFiles(root) {
  const within = (/** @type {string} */ folder) =>
    /** @type {string[]} */ (readdirSync(path.join(root, folder), { recursive: true })).map((name) =>
      path.posix.join(folder, name.split(path.sep).join("/")),
    );
  const names = [...readdirSync(root), ...FOLDERS.flatMap(within)].filter((name) => TEXT.test(name));
  return new Map(names.map((name) => [name, readFileSync(path.join(root, name), "utf8")]));
}
