/** `trigger-native/client`: follows runs and streams through the relay's live stream (docs/client.md). */

import { Followed } from "./followed.mjs";
import { Hub } from "./hub.mjs";
import { Transport } from "./transport.mjs";

/**
 * What a page gives, for tests to replace.
 *
 * @typedef {{ fetch?: typeof fetch, page?: any }} Internals
 */

/** @type {(options?: import("../types/connect.d.ts").ConnectOptions, internals?: Internals) => import("../types/connect.d.ts").Connection} */
export function connect({ url = "/api/trigger", accessToken } = {}, internals = {}) {
  const page = internals.page ?? globalThis;
  const reach = {
    url() {
      try {
        return new URL(url, page.location?.href).href.replace(/\/+$/, "");
      } catch {
        throw new TypeError(`url has to be a whole URL where there is no page to complete it: ${url}`);
      }
    },
    /** @type {typeof fetch} */
    fetch: (...request) => (internals.fetch ?? fetch)(...request),
  };
  const hub = new Hub(reach, (own) => new Transport(reach, () => own), page);

  /**
   * @param {import("./feed.mjs").Subject} subject
   * @param {boolean} isNamed whether what it follows is known
   * @param {import("../types/connect.d.ts").FollowRunsOptions & import("../types/connect.d.ts").FollowStreamOptions} [options]
   * @param {Partial<import("./followed.mjs").Options>} [more]
   * @returns {any} the types of `Connection` say which
   */
  const follow = (subject, isNamed, options = {}, more = {}) => {
    const { enabled = true, skipColumns } = options;
    if (skipColumns?.length) subject.skipColumns = skipColumns;
    const wanted = enabled && isNamed ? subject : undefined;
    return new Followed(
      hub,
      wanted,
      { accessToken: options.accessToken ?? accessToken, ...more },
      subject.run ? undefined : [],
    );
  };

  return {
    run: (id, options) =>
      follow({ run: `${id}` }, !!id, options, { isLasting: options?.stopOnCompletion === false || undefined }),
    runs({ tags, createdAt }, options) {
      const list = [tags ?? []].flat();
      return follow({ tags: list, createdAt }, list.length > 0 && list.every(Boolean), options);
    },
    batch: (id, options) => follow({ batch: `${id}` }, !!id, options),
    stream: (run, key = "default", options = {}) =>
      follow({ stream: { run: `${run}`, key, input: options.input || undefined } }, !!run && !!key, options, {
        isStream: true,
        maxParts: options.maxParts,
        lastEventId: options.lastEventId,
        timeoutMs: options.timeoutInSeconds === undefined ? undefined : options.timeoutInSeconds * 1000,
      }),
    close: () => hub.close(),
  };
}
