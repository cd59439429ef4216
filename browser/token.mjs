/** Access tokens, which a function may give. */

import { backoff } from "./live.mjs";

/** @typedef {import("../types/connect.d.ts").ConnectOptions["accessToken"]} TokenSource */

/** How often a function that throws is asked. */
const TRIES = 5;

/** The tokens that functions gave: all that use one share its token. @type {WeakMap<Function, Promise<string>>} */
const given = new WeakMap();

/**
 * The token of a source.
 *
 * @param {TokenSource} source
 * @param {string} [refused] the token that the relay refused: the function is asked again, unless it has been since
 * @returns {Promise<string | undefined>}
 */
export async function tokenOf(source, refused) {
  if (typeof source !== "function") return source;
  const token = given.get(source);
  // Whoever comes first has the function asked, and the others get what it gave.
  if (token && refused && (await token) === refused && given.get(source) === token) given.delete(source);
  if (!given.has(source)) {
    const asked = ask(source);
    given.set(source, asked);
    asked.catch(() => given.delete(source));
  }
  return given.get(source);
}

/** @param {() => string | undefined | Promise<string | undefined>} source */
async function ask(source) {
  for (let attempt = 0; ; attempt++) {
    try {
      const token = await source();
      if (token) return token;
      break;
    } catch (error) {
      if (attempt + 1 === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, backoff(attempt)));
    }
  }
  throw new Error((await import("./refusal.mjs")).NO_TOKEN);
}
