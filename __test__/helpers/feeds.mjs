// The run feeds in the recordings, as lists of answers; and the official client run over such
// answers without a network.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { readRecordings } from "../../scripts/lib/recordings.mjs";

const official = createRequire(import.meta.url)(
  fileURLToPath(
    new URL("../../node_modules/@trigger.dev/core/dist/commonjs/v3/apiClient/runStream.js", import.meta.url),
  ),
);

/**
 * @typedef {object} Feed
 * @property {string} name
 * @property {string} schema The `electric-schema` header.
 * @property {string[]} bodies The answers' bodies, in order.
 */

/** @returns {Feed[]} Every run feed of every recording. */
export function recordedFeeds() {
  const feeds = [];
  for (const recording of readRecordings()) {
    /** @type {Map<string, Feed>} */
    const open = new Map();
    for (const { request, response } of recording.exchanges) {
      const [method, target] = request.line.split(" ");
      const url = new URL(target, "http://server");
      if (method !== "GET" || !/^\/realtime\/v1\/(runs|batches)\b/.test(url.pathname)) continue;
      if (response?.status !== 200 || !response.body.startsWith("[")) continue;
      const snapshot = (url.searchParams.get("offset") ?? "-1") === "-1";
      for (const name of ["offset", "handle", "live", "cursor", "log", "expired_handle"]) url.searchParams.delete(name);
      const name = `${recording.name} ${url.pathname}${url.search}`;
      const schema = response.headers.find(([header]) => header.toLowerCase() === "electric-schema")?.[1];
      if (snapshot) {
        const feed = { name, schema, bodies: [] };
        open.set(name, feed);
        feeds.push(feed);
      }
      open.get(name)?.bodies.push(response.body);
    }
  }
  return feeds;
}

const LAST = "run_last";

/**
 * What the official client has yielded last for each run after these answers, or the error it
 * died of.
 *
 * @param {Feed} feed
 * @param {object} [client] What it fetches stored packets with.
 * @returns {Promise<Map<string, any>>}
 */
export async function officialRuns({ schema, bodies }, client) {
  const answers = [...bodies, lastBody(schema)];
  const end = new AbortController();
  const fetchClient = async (url, { signal }) => {
    // By the offset: the official client prefetches, and throws away what it did not need.
    const place = Number.parseInt(new URL(url).searchParams.get("offset"), 10) + 1;
    const body = answers[place];
    if (body !== undefined) {
      return new Response(body, {
        headers: {
          "content-type": "application/json",
          "electric-handle": "handle",
          "electric-offset": `${place}_0`,
          "electric-cursor": String(place),
          "electric-schema": schema,
        },
      });
    }
    return new Promise((_, reject) => {
      const abort = () => reject(signal.reason ?? new Error("aborted"));
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
  };
  const runs = new Map();
  const subscription = official.runShapeStream("http://127.0.0.1/realtime/v1/runs/run_x", {
    closeOnComplete: false,
    fetchClient,
    signal: end.signal,
    client,
  });
  // The official client hangs where it should fail (defect 1): a failsafe.
  let failsafe;
  const hung = new Promise((_, reject) => {
    failsafe = setTimeout(() => reject(new Error("the official client hangs")), 10_000);
  });
  const read = async () => {
    for await (const run of subscription) {
      if (run.id === LAST) return;
      runs.set(run.id, run);
    }
  };
  try {
    await Promise.race([read(), hung]);
  } finally {
    clearTimeout(failsafe);
    end.abort();
  }
  return runs;
}

/** A row of its own, so that it is known when all before it were yielded. */
function lastBody(schema) {
  const value = { id: LAST, taskIdentifier: "last", friendlyId: LAST, status: "PENDING" };
  value.createdAt = value.updatedAt = "2026-01-01T00:00:00";
  for (const column of Object.keys(JSON.parse(schema))) value[column] ??= null;
  for (const column of ["number", "usageDurationMs", "costInCents", "baseCostInCents"]) value[column] = "0";
  value.isTest = "f";
  return JSON.stringify([
    { key: LAST, value, headers: { operation: "insert" } },
    { headers: { control: "up-to-date" } },
  ]);
}
