/**
 * Feed cases: the parts of a recording in which one client follows one run's feed from its start.
 */

/** The key of a feed: its path, and its query without the protocol's own parameters. */
const PROTOCOL = new Set(["offset", "handle", "live", "cursor", "log", "expired_handle", "shape_id"]);

const RUN_FEED = /^\/realtime\/v1\/runs\/([^/]+)$/;

/**
 * @typedef {object} FeedCase
 * @property {string} name
 * @property {import('./recordings.mjs').Recording} recording
 * @property {string} runId
 * @property {string[]} skipColumns
 * @property {string} accessToken what the recorded client sent; a key or a public token, invented
 * @property {import('./recordings.mjs').Exchange[]} exchanges the feed's own
 * @property {import('./recordings.mjs').Exchange[]} others every exchange of the recording that is no run feed
 */

/** The state a feed request asks from: what the server's answer depends on. */
export function position(query) {
  return [query.get("offset") ?? "", query.get("handle") ?? "", query.get("live") === "true"].join("|");
}

/** The parameters that choose the feed, in a fixed order. */
export function feedKey(path, query) {
  const chosen = [...query].filter(([name]) => !PROTOCOL.has(name)).sort();
  return `${path}?${new URLSearchParams(chosen)}`;
}

/** A stream can be read by its key alone: one path segment after the run's id. */
export const STREAM = /^\/realtime\/v1\/streams\/([^/]+)\/([^/]+)$/;

/** Whether a stream was read. */
export function isStreamRead({ method, path }) {
  return method === "GET" && STREAM.test(path);
}

export const CLAIMS_PATH = "/api/v1/auth/jwt/claims";
export const TOKENS_PATH = "/api/v1/auth/public-tokens";

/** Whether claims or a token were asked for. */
export function isTokenCall({ method, path }) {
  return method === "POST" && (path === CLAIMS_PATH || path === TOKENS_PATH);
}

function isRunFeed(exchange) {
  return exchange.method === "GET" && RUN_FEED.test(exchange.path);
}

/**
 * A client of today names the Electric version; without it the server answers with the headers of
 * a legacy client (docs/server-protocol.md 1), which no client under test ever asks for.
 */
function askedByTodaysClient(exchange) {
  return exchange.headers.has("x-trigger-electric-version");
}

/** Starts a feed: a snapshot request that is not the second half of a must-refetch. */
function isStart(exchange) {
  const { query } = exchange;
  return query.get("offset") === "-1" && !query.has("handle") && query.get("live") !== "true";
}

/**
 * @param {import('./recordings.mjs').Recording} recording
 * @returns {FeedCase[]}
 */
export function runFeedCases(recording) {
  const others = recording.exchanges.filter((exchange) => !isRunFeed(exchange) && exchange.response);
  const cases = [];
  /** @type {Map<string, FeedCase>} the case each feed is in, by feed and credentials */
  const open = new Map();
  for (const exchange of recording.exchanges) {
    if (!isRunFeed(exchange) || !askedByTodaysClient(exchange)) continue;
    const accessToken = (exchange.headers.get("authorization") ?? "").replace(/^Bearer /, "");
    const key = `${feedKey(exchange.path, exchange.query)} ${accessToken}`;
    if (isStart(exchange)) {
      const runId = decodeURIComponent(RUN_FEED.exec(exchange.path)[1]);
      const started = {
        name: `${recording.name} #${exchange.n}`,
        recording,
        runId,
        skipColumns: (exchange.query.get("skipColumns") ?? "").split(",").filter((column) => column !== ""),
        // A request without credentials cannot be asked for through either client: both refuse a
        // missing key themselves. The recorded answer is the same whatever the key.
        accessToken: accessToken === "" ? "tr_dev_nokeywasrecordedhere" : accessToken,
        exchanges: [exchange],
        others,
      };
      cases.push(started);
      open.set(key, started);
    } else {
      open.get(key)?.exchanges.push(exchange);
    }
  }
  return cases.filter((feedCase) => feedCase.exchanges[0].response !== null);
}
