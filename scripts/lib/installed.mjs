// Whether `node_modules` holds what `package-lock.json` asks for.

import { readFile } from "node:fs/promises";
import path from "node:path";

/**
 * @typedef {{ version?: string, integrity?: string, resolved?: string, optional?: boolean, devOptional?: boolean,
 *   peer?: boolean, link?: boolean }} LockEntry
 * @typedef {{ packages?: Record<string, LockEntry> }} Lock
 */

/**
 * Compares the lock with the record npm leaves inside `node_modules`. Contents and not file times: a checkout
 * changes times, and an install of another branch's lock is newer and still wrong.
 *
 * @param {Lock} wanted `package-lock.json`
 * @param {Lock} installed `node_modules/.package-lock.json`
 * @returns {boolean}
 */
export function matches(wanted, installed) {
  const want = wanted.packages ?? {};
  const have = installed.packages ?? {};
  for (const [place, entry] of Object.entries(want)) {
    if (place === "") continue;
    const found = have[place];
    // Packages for other platforms, and optional peers, are in the lock but not on the disk.
    if (!found && (entry.optional || entry.devOptional || entry.peer)) continue;
    if (!found || found.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return Object.keys(have).every((place) => place in want);
}

/**
 * @param {string} root The project's folder.
 * @returns {Promise<boolean>} False too when either file is missing or cannot be read.
 */
export async function isInstalled(root) {
  try {
    const [wanted, installed] = await Promise.all(
      ["package-lock.json", "node_modules/.package-lock.json"].map(async (name) =>
        JSON.parse(await readFile(path.join(root, name), "utf8")),
      ),
    );
    return matches(wanted, installed);
  } catch {
    return false;
  }
}
