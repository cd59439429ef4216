"use strict";

/** The request of a viewer: its URL as it was written, and the `Request` that the app is shown. */

/**
 * The request that the app is shown. Its host was checked before: it has one, even where it names it twice.
 *
 * @param {string} method
 * @param {string} target
 * @param {string[]} lines names and values of headers, in turn
 * @param {string} scheme
 * @param {AbortSignal} [signal]
 */
function requestFrom(method, target, lines, scheme, signal) {
  const headers = new Headers();
  let host = "localhost";
  let hasHost = false;
  for (let at = 0; at < lines.length; at += 2) {
    const [name, value] = [lines[at], lines[at + 1]];
    if (name.toLowerCase() !== "host") headers.append(name, value);
    else [host, hasHost] = [value, true];
  }
  if (hasHost) headers.set("host", host);
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
