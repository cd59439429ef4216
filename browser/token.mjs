/** Access tokens, which a function may give. */

/** @typedef {import("../types/connect.d.ts").ConnectOptions["accessToken"]} TokenSource */
/** @typedef {() => string | undefined | Promise<string | undefined>} TokenFunction */

/** How long a function may take, in milliseconds. One that takes longer counts as one that throws. */
export const MAX_TOKEN_MS = 30_000;

/** The tokens that functions gave: all of a connection that use one share its token. @typedef {WeakMap<Function, Promise<string>>} Given */

/**
 * The token of a source.
 *
 * @param {Given} given of the connection: the next one may be another user's
 * @param {TokenSource} source
 * @param {string} [refused] the token that the relay refused: the function is asked again, unless it has been since
 * @returns {Promise<string | undefined>}
 */
export async function tokenOf(given, source, refused) {
  if (typeof source !== "function") return source;
  const token = given.get(source);
  // Whoever comes first has the function asked, and the others get what it gave.
  if ((await token) === refused && given.get(source) === token) given.delete(source);
  if (!given.has(source)) {
    given.set(source, ask(source));
    /** @type {Promise<string>} */ (given.get(source)).catch(() => given.delete(source));
  }
  return given.get(source);
}

/** @param {TokenFunction} source */
async function ask(source) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const first = (async () => source())();
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, MAX_TOKEN_MS);
  });
  const token = await Promise.race([first, late]).catch(() => {});
  clearTimeout(timer);
  return token || (await import("./token-tries.mjs")).tries(source, first);
}
