// The secrets that programs are given whose output is searched, and the search.

import assert from "node:assert/strict";
import { tokenFor } from "./relay.mjs";
import { leaksOf } from "./secrets.mjs";

export const KEY = "tr_dev_Qm7ZvK2xWp9RtB4nJc6L";
export const TOKEN = tokenFor(["read:runs", "read:tags:aVerySecretTag"], { sub: "env_secretenvironment" });
export const PASSWORD = "pW9zXq4kLm2vTn8b";
export const SECRETS = { "the key": KEY, "the token": TOKEN, "the password": PASSWORD };

/**
 * Fails where one of them is in what a program emitted, or where that is less than `least` texts.
 *
 * @param {import("node:test").TestContext} t
 * @param {[string, string][]} emitted
 * @param {number} least
 */
export function search(t, emitted, least) {
  assert.ok(emitted.length >= least, `${emitted.length} texts: ${JSON.stringify(emitted.slice(-3))}`);
  t.diagnostic(`texts searched: ${emitted.length}`);
  const leaks = leaksOf(emitted, SECRETS);
  if (process.env.TEST_VERBOSE)
    for (const { what, leak, text } of leaks) console.error(`- ${what}: ${leak}: ${text.slice(0, 300)}`);
  // The text would be one more place that shows it.
  assert.deepEqual([...new Set(leaks.map(({ what, leak }) => `${what}: ${leak}`))], []);
}
