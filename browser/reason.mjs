/** Why something cannot be followed at all. That is rare: this module is loaded with the first that cannot. */

/** Where the mount point is no URL. */
const NO_URL = 'Where there is no page, connect() needs a whole URL: url: "https://app.example/api/trigger"';
/** Where it is none on a page, which would complete a path. */
const BAD_URL = 'connect() was given no URL: it takes a path, url: "/api/trigger", or a whole URL';
/** Where a page has what is for servers. It says nothing of the key. */
const SECRET =
  "accessToken is a secret key, which everybody who opens the page could read: give it a public token, which " +
  "auth.createPublicToken() makes on your server";

/**
 * The error that ends what could not be asked for.
 *
 * @param {import("./hub.mjs").Hub} hub
 * @param {unknown} token
 * @param {unknown} thrown by a function of the application, where neither the URL nor the token is at fault
 * @returns {Error}
 */
export function reason(hub, token, thrown) {
  let url;
  try {
    url = new URL(hub.url());
  } catch {
    return new Error(hub.page.location ? BAD_URL : NO_URL);
  }
  if (url.username || url.password)
    return new Error("connect() takes no url with a name or password: fetch refuses it");
  if (hub.isUnfit(""))
    return new Error(`connect() needs a url that fetch takes, of http: or https:, not of ${url.protocol}`);
  if (hub.isUnfit(token)) return new Error(SECRET);
  const error = /** @type {any} */ (thrown);
  return typeof error?.message === "string" ? error : new Error(`${error}`);
}
