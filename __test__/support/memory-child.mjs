/**
 * Reads `count` runs of a tag feed with one client, in a process of its own with `--expose-gc`, and
 * reports how much more memory is held at the end than after the first run.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [which, baseURL, count] = process.argv.slice(2);
const client = require(which === "official" ? "@trigger.dev/sdk" : "../../index.js");
client.configure({ baseURL, accessToken: "tr_dev_memory" });
const controller = new AbortController();
const { signal } = controller;
const iterator = client.runs.subscribeToRunsWithTag("a", undefined, { signal })[Symbol.asyncIterator]();
await iterator.next();
globalThis.gc();
const before = process.memoryUsage();
for (let n = 1; n < Number(count); n++) await iterator.next();
globalThis.gc();
const after = process.memoryUsage();
process.send({ rss: after.rss - before.rss, heap: after.heapUsed - before.heapUsed });
controller.abort();
process.disconnect();
process.exit(0);
