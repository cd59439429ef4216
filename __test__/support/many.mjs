/** Feeds of many runs: their cases in the recordings, and a server that scripts them. */
import { once } from "node:events";
import http from "node:http";
import { feedKey } from "./cases.mjs";
import { row, SCHEMA } from "./rows.mjs";
import { watched } from "./scripted.mjs";

const FEED = /^\/realtime\/v1\/(?:runs|batches\/([^/]+))$/;

/**
 * The parts of a recording in which one client follows the runs with a tag, or of a batch.
 *
 * @param {import('./recordings.mjs').Recording} recording
 */
export function manyRunsCases(recording) {
  // Only raw requests ask for runs without tags, or with tags given twice: neither client does.
  const asks = ({ method, path, query }) =>
    method === "GET" && FEED.test(path) && (hasTags(query) || FEED.exec(path)[1] !== undefined);
  const today = (exchange) => exchange.headers.has("x-trigger-electric-version");
  const others = recording.exchanges.filter((exchange) => !asks(exchange) && exchange.response);
  const open = new Map();
  for (const exchange of recording.exchanges.filter((each) => asks(each) && today(each))) {
    const { query } = exchange;
    const key = feedKey(exchange.path, query);
    if (query.get("offset") === "-1" && !open.has(key)) {
      const skipColumns = query.get("skipColumns")?.split(",");
      const batch = FEED.exec(exchange.path)[1];
      const filters = { createdAt: query.get("createdAt") ?? undefined, skipColumns };
      open.set(key, {
        name: `${recording.name} #${exchange.n}`,
        recording,
        target: batch ? { batch: decodeURIComponent(batch) } : { tags: query.get("tags").split(","), filters },
        accessToken: (exchange.headers.get("authorization") ?? "").replace(/^Bearer /, ""),
        exchanges: [],
        others,
      });
    }
    open.get(key)?.exchanges.push(exchange);
  }
  return [...open.values()].filter(({ exchanges }) => exchanges[0].response !== null);
}

/** Whether a request for a feed of tags has the form that clients send. @param {URLSearchParams} query */
const hasTags = (query) => query.getAll("tags").length === 1 && query.get("tags") !== "";

/** A whole row of the run `n`. */
export const runRow = (n, fields = {}) => row({ id: `row${n}`, friendlyId: `run_many${n}`, ...fields });

/** The row of a run that is over. */
export const doneRow = (n, fields = {}) =>
  runRow(n, { status: "COMPLETED_SUCCESSFULLY", completedAt: "2026-01-02T03:04:07.000", ...fields });

/** A message with a whole row. */
export const tell = (value) => ({ key: `"public"."TaskRun"/"${value.id}"`, value, headers: { operation: "update" } });

/**
 * A server of one feed. `answer(at, request)` gives the messages after `at` answers (0: the
 * snapshot), a promise of them, or `{ status, headers, body }`; `undefined` holds the request.
 * Offsets count answers, so that a client can go on from any place.
 *
 * @param {(at: number, request: http.IncomingMessage) => any} answer
 */
export async function startFeed(answer) {
  /** @type {{ url: URL, authorization: string | undefined }[]} */
  const requests = [];
  const failures = [];
  const ended = watched(answer, failures);
  const server = http.createServer(async (request, response) => {
    try {
      const url = new URL(request.url, "http://peer.invalid");
      requests.push({ url, authorization: request.headers.authorization });
      const offset = url.searchParams.get("offset");
      const at = offset === "-1" ? 0 : Number(offset.split("_")[1]);
      // The official client asks once more after a whole snapshot, and live at the same time.
      if (offset !== "-1" && url.searchParams.get("live") !== "true") return;
      const given = await answer(at, request);
      if (given === undefined || response.destroyed) return;
      if (!Array.isArray(given)) {
        response.writeHead(given.status, { "content-type": "application/json", ...given.headers });
        response.end(given.body ?? "{}");
        return;
      }
      response.writeHead(200, {
        "content-type": "application/json",
        "electric-handle": url.searchParams.get("handle") ?? "many",
        "electric-offset": `1_${at + 1}`,
        "electric-cursor": String(at + 1),
        "electric-schema": SCHEMA,
      });
      response.end(JSON.stringify([...given, { headers: { control: "up-to-date" } }]));
    } catch (error) {
      failures.push(error);
      response.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    snapshots: () => requests.filter(({ url }) => url.searchParams.get("offset") === "-1").length,
    /** Stops; throws if the script failed, so that a broken peer cannot pass for a server. */
    stop() {
      server.close();
      server.closeAllConnections();
      ended();
    },
  };
}
