"use strict";

/** The request of a viewer: its URL as it was written, and the `Request` that the app is shown. */

/**
 * The request that the app is shown. Its host was checked before: it has one, even where it names it twice.
 *
 * @param {string} method
 * @param {string} target
 * @param {[string, string][]} lines
 * @param {string} scheme
 * @param {AbortSignal} [signal]
 */
function requestFrom(method, target, lines, scheme, signal) {
  const headers = new Headers();
  let host = "localhost";
  for (const [name, value] of lines) {
    if (name.toLowerCase() !== "host") headers.append(name, value);
    else host = value;
  }
  if (lines.some(([name]) => name.toLowerCase() === "host")) headers.set("host", host);
  return new Request(`${scheme}://${host}${target}`, { method, headers, signal });
}

/** The host of a whole URL. @param {string} url */
function hostOf(url) {
  return URL.canParse(url) ? new URL(url).host : undefined;
}

/** Path and query of a URL, as they are written. @param {string} url */
function targetOf(url) {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  const target = start < 0 ? "/" : url.slice(start);
  const hash = target.indexOf("#");
  return hash < 0 ? target : target.slice(0, hash);
}

module.exports = { hostOf, requestFrom, targetOf };
