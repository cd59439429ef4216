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

/**
 * The peer's address, empty where it is not known. Null over HTTP/2 and over TLS, where a browser has connections enough.
 *
 * @param {{ httpVersionMajor?: number, socket?: { encrypted?: boolean, remoteAddress?: string } }} req
 */
function peerOf(req) {
  // The socket of HTTP/2 throws once its session has ended.
  if ((req.httpVersionMajor ?? 1) > 1 || req.socket?.encrypted) return null;
  return req.socket?.remoteAddress ?? "";
}

/** The same, of a web request: its URL tells of TLS, and nothing of the address. @param {string} url */
function peerOfUrl(url) {
  return url.startsWith("https:") ? null : "";
}

/** Path and query of a URL, as they are written. @param {string} url */
function targetOf(url) {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  const target = start < 0 ? "/" : url.slice(start);
  const hash = target.indexOf("#");
  return hash < 0 ? target : target.slice(0, hash);
}

module.exports = { hostOf, peerOf, peerOfUrl, requestFrom, targetOf };
