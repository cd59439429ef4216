/** What faults strike: the ten targets of `contract.mjs`. */

import { call } from "./targets/call.mjs";
import { batch, run, tag, withStreams } from "./targets/feeds.mjs";
import { page, pageStream } from "./targets/page.mjs";
import { streamV1, streamV2 } from "./targets/streams.mjs";
import { relayViewer } from "./targets/viewer.mjs";

/** @type {import("./contract.mjs").Target[]} */
export const targets = [run, tag, batch, withStreams, streamV1, streamV2, call, relayViewer, page, pageStream];
