/** `trigger-native/client`: follows runs and streams through the relay's live stream (docs/client.md). */

import { follow } from "./followed.mjs";
import { makeHub } from "./hub.mjs";
import { shareTabs } from "./tabs.mjs";
import { makeTransport } from "./transport.mjs";

/**
 * @type {(options?: import("../types/connect.d.ts").ConnectOptions, page?: any) => import("../types/connect.d.ts").Connection}
 * `page` is for tests: what the global object is elsewhere, with `fetch`, `navigator.locks` and `BroadcastChannel`
 */
export function connect({ url = "/api/trigger", accessToken, share = true } = {}, page = globalThis) {
  const hub = makeHub(url, page);
  const transport = makeTransport(hub);
  // A process of Node may have both, and has no tabs.
  const canShare = share && page.document && page.navigator?.locks && page.BroadcastChannel;
  hub.carrier = canShare ? shareTabs(hub, transport, share) : transport;

  /**
   * @param {import("./feed.mjs").Subject} subject
   * @param {unknown} isNamed whether what it follows is known
   * @param {import("../types/connect.d.ts").FollowRunsOptions} [options]
   * @param {import("./feed.mjs").FeedOptions} [more]
   * @param {number} [timeoutMs]
   * @returns {any} the types of `Connection` say which
   */
  const followed = (subject, isNamed, options = {}, more = {}, timeoutMs) => {
    const { enabled = true, skipColumns } = options;
    // Other tabs are sent a list of its own: they take none that a framework watches.
    if (skipColumns?.[0]) subject.skipColumns = skipColumns.slice();
    const wanted = enabled && isNamed ? subject : undefined;
    return follow(hub, wanted, options.accessToken ?? accessToken, more, "run" in subject ? undefined : [], timeoutMs);
  };

  return {
    run(run, options) {
      // Without the end of its run, where that is not the end of interest.
      return followed({ run, lasting: options?.stopOnCompletion === false || undefined }, run, options);
    },
    runs({ tags, createdAt }, options) {
      tags = [tags].flat().filter(Boolean);
      return followed({ tags, createdAt }, tags[0], options);
    },
    batch: (batch, options) => followed({ batch }, batch, options),
    stream(run, key = "default", options = {}) {
      const { input, lastEventId: from, maxParts, timeoutInSeconds } = options;
      return followed(
        { stream: { run, key, input } },
        run && key,
        options,
        { from, maxParts },
        /** @type {number} */ (timeoutInSeconds) * 1000,
      );
    },
    close: hub.close,
  };
}
