"use strict";

/** The request of a viewer: its URL as it was written, what the app sees of it, and that its viewer may leave. */

/** A viewer who may leave, at any time. */
class Leaving {
  #isOver = false;
  /** @type {(() => void)[]} */
  #work = [];

  now() {
    this.#isOver = true;
    for (const work of this.#work.splice(0)) work();
  }

  /**
   * Has `work` done when the viewer leaves, or now.
   *
   * @param {() => void} work
   * @returns {boolean} whether it was done
   */
  calls(work) {
    if (this.#isOver) work();
    else this.#work.push(work);
    return this.#isOver;
  }

  signal() {
    const controller = new AbortController();
    this.calls(() => controller.abort());
    return controller.signal;
  }
}

/**
 * The request that the app looks at. Whose host it names was looked at before: there is one, however often.
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

module.exports = { Leaving, hostOf, requestFrom, targetOf };
