/** Answers that are no live response. They are rare: this module is loaded with the first. */

/**
 * The error for all wants of an answer that is no live response. Without a status, it passes: `after` how many milliseconds,
 * where it says so.
 *
 * @param {string} url
 * @param {Response} response
 * @returns {Promise<Partial<import("./feed.mjs").Refusal>>}
 */
export async function refusalOf(url, response) {
  const { status, headers } = response;
  const text = await response.text();
  if (status === 408 || status === 429 || (status >= 500 && headers.get("x-should-retry") !== "false")) {
    const seconds = Number(headers.get("retry-after"));
    return seconds > 0 ? { after: seconds * 1000 } : {};
  }
  /** @type {{ error?: string, hint?: string }} */
  let told = {};
  try {
    told = JSON.parse(text) ?? told;
  } catch {
    // A page of whatever answered.
  }
  const why = (status !== 404 && told.error) || "is the relay mounted there, and does it take POST?";
  return { status, message: `${url} answered ${status}: ${why}`, hint: told.hint };
}
