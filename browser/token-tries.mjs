/** Further tries of a function that gives tokens. Few fail: this module is loaded with the first that does. */

import { backoff } from "./live.mjs";
import { MAX_TOKEN_MS } from "./token.mjs";

/** How often a function that throws is asked. */
const TRIES = 5;
/** Where a function gives nothing. Applications give it by one of these names. */
const NAMES = "the function that gives tokens (accessToken, refreshAccessToken)";

/**
 * The token of a function whose first try gave none.
 *
 * @param {import("./token.mjs").TokenFunction} source
 * @param {Promise<string | undefined>} first what it gave: nothing, an error, or, for too long, neither
 * @returns {Promise<string>}
 * @throws what the last try threw
 */
export async function tries(source, first) {
  let token = within(first, 0);
  for (let attempt = 0; ; attempt++) {
    try {
      const got = await token;
      if (got) return got;
      break;
    } catch (error) {
      if (attempt + 1 === TRIES) throw error || new Error(`${NAMES} failed, and did not say why`);
    }
    await new Promise((resolve) => setTimeout(resolve, backoff(attempt)));
    token = within((async () => source())(), MAX_TOKEN_MS);
  }
  throw new Error(`${NAMES} gave none: leave it out if authorize() needs none`);
}

/** What the promise of such a function gives within so many milliseconds. @template T @param {Promise<T>} promise @param {number} ms */
export async function within(promise, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${NAMES} did not answer within ${MAX_TOKEN_MS / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
