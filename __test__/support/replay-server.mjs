/**
 * Serves one feed case of a recording over real HTTP.
 *
 * A client is answered by where it stands (offset, handle, live or not), not by how many requests
 * it made: clients may skip the catch-up request after a complete snapshot, prefetch it, or repeat
 * a request. Each position has its recorded answers in order. Once they are used up, a live request
 * is held open, as one whose recorded client left before the answer is, and any other request gets
 * the last answer again.
 */

import { once } from "node:events";
import http from "node:http";
import { gzipSync } from "node:zlib";
import { feedKey, position } from "./cases.mjs";
import { cut, random } from "./chunks.mjs";
import { FeedModel } from "./model.mjs";
import { watched } from "./scripted.mjs";

/** Set by the connection, not by the answer; or applied anew to the replayed body. */
export const OWN_HEADERS = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "date",
]);

/** Everything stops after this long, whatever a test forgot. */
const LIFE_MS = 60_000;

/** How long a client that should still yield something is waited for. */
const PATIENCE_MS = 4_000;

/** A gate that does not open holds an answer back for no longer than this. */
const GATE_MS = 3_000;

function sideKey(method, path, query) {
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // Compared as it was sent.
  }
  const sorted = new URLSearchParams([...query].sort());
  return `${method} ${decoded}?${sorted}`;
}

/** Recorded and possibly cut short by a client that left: complete if it reads as JSON. */
function isComplete(exchange) {
  if (exchange.endedBy === "server") return true;
  try {
    JSON.parse(exchange.response.texts.join(""));
    return true;
  } catch {
    return false;
  }
}

async function listen(handler) {
  const server = http.createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function origin(server) {
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * @typedef {object} Received
 * @property {string} method
 * @property {string} url path and query
 * @property {http.IncomingHttpHeaders} headers
 * @property {string} body
 * @property {boolean} stored it went to the object store's origin
 */

/**
 * @param {{ exchanges: import('./recordings.mjs').Exchange[], others: import('./recordings.mjs').Exchange[] }} feedCase
 * @param {object} [options]
 * @param {'recorded' | 'whole' | 'byte' | 'random'} [options.chunks] default `recorded`
 * @param {number} [options.seed] for `random`
 * @param {(expected: number) => Promise<void>} [options.gate] awaited before a live answer, with the
 *   number of rows a client that skips unchanged ones has been given so far: lets a test hold the
 *   wire until its reader has taken them
 * @param {Record<string, { contentType: string, body: string }>} [options.objects] what presigned
 *   URLs answer, by path; the recordings hold only their URLs, so the default names the path
 */
export async function startReplay(feedCase, options = {}) {
  const { chunks = "recorded", seed = 1, gate, objects = {} } = options;
  const next = random(seed);
  /** @type {Received[]} */
  const received = [];
  /** @type {string[]} */
  const unmatched = [];
  const model = new FeedModel();
  let gateTimeouts = 0;
  let heldLive = 0;
  let heldOther = 0;
  let lastActivity = null;

  /** @type {Map<string, (import('./recordings.mjs').Exchange)[]>} */
  const feed = new Map();
  for (const exchange of feedCase.exchanges) {
    const key = `${feedKey(exchange.path, exchange.query)} ${position(exchange.query)}`;
    if (!feed.has(key)) feed.set(key, []);
    feed.get(key).push(exchange);
  }
  const feeds = new Set(feedCase.exchanges.map((exchange) => feedKey(exchange.path, exchange.query)));
  const side = new Map();
  for (const exchange of feedCase.others) {
    const key = sideKey(exchange.method, exchange.path, exchange.query);
    if (!side.has(key)) side.set(key, []);
    side.get(key).push(exchange);
  }
  /** How many answers of each key were given. */
  const given = new Map();
  function take(key, answers) {
    const index = given.get(key) ?? 0;
    given.set(key, index + 1);
    return answers[index];
  }

  function note(request, body, stored) {
    lastActivity = Date.now();
    received.push({ method: request.method, url: request.url, headers: request.headers, body, stored });
  }

  function mode(count) {
    switch (chunks) {
      case "recorded":
        return { kind: "recorded", count };
      case "random":
        return { kind: "random", next };
      default:
        return { kind: chunks };
    }
  }

  /** Presigned URLs point at the store of this server, on an origin of its own. */
  function rewrite(text) {
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch {
      return text;
    }
    if (typeof parsed?.presignedUrl !== "string") return text;
    const url = new URL(parsed.presignedUrl);
    return JSON.stringify({ ...parsed, presignedUrl: `${origin(store)}${url.pathname}${url.search}` });
  }

  async function send(exchange, response) {
    const recorded = exchange.response;
    const text = rewrite(recorded.texts.join(""));
    const gzip = recorded.contentEncoding === "gzip";
    const bytes = gzip ? gzipSync(text) : Buffer.from(text);
    const headers = recorded.headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
    if (gzip) headers.push(["content-encoding", "gzip"]);
    response.writeHead(recorded.status, headers.flat());
    for (const part of cut(bytes, mode(recorded.texts.length))) {
      if (response.destroyed) return;
      lastActivity = Date.now();
      if (!response.write(part)) await Promise.race([once(response, "drain"), once(response, "close")]);
      else if (chunks !== "whole") await new Promise((resolve) => setImmediate(resolve));
    }
    if (isComplete(exchange)) response.end();
    lastActivity = Date.now();
  }

  async function readBody(request) {
    let body = "";
    request.setEncoding("utf8");
    for await (const part of request) body += part;
    return body;
  }

  async function answerFeed(url, response) {
    const key = `${feedKey(url.pathname, url.searchParams)} ${position(url.searchParams)}`;
    const live = url.searchParams.get("live") === "true";
    const answers = feed.get(key) ?? [];
    const exchange = take(key, answers) ?? (live ? undefined : answers.at(-1));
    if (!exchange?.response) {
      if (live) heldLive += 1;
      else heldOther += 1;
      return;
    }
    if (live && gate) {
      let timer;
      const opened = gate(model.changes.length).then(() => true);
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, GATE_MS, false);
      });
      if (!(await Promise.race([opened, late]))) gateTimeouts += 1;
      clearTimeout(timer);
    }
    model.answer({ status: exchange.response.status, body: exchange.response.texts.join(""), live });
    await send(exchange, response);
  }

  async function handle(request, response) {
    const body = await readBody(request);
    note(request, body, false);
    const url = new URL(request.url, "http://127.0.0.1");
    if (request.method === "GET" && feeds.has(feedKey(url.pathname, url.searchParams))) {
      await answerFeed(url, response);
      return;
    }
    const key = sideKey(request.method, url.pathname, url.searchParams);
    const answers = side.get(key);
    if (answers) {
      await send(take(key, answers) ?? answers.at(-1), response);
      return;
    }
    unmatched.push(`${request.method} ${request.url}`);
    response.writeHead(404, { "content-type": "application/json" });
    response.end('{"error":"Not in the recording"}');
  }

  async function handleStored(request, response) {
    note(request, await readBody(request), true);
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const object = objects[pathname] ?? { contentType: "application/json", body: JSON.stringify({ stored: pathname }) };
    response.writeHead(200, { "content-type": object.contentType });
    response.end(object.body);
  }

  function guarded(handler) {
    return (request, response) => {
      handler(request, response).catch((error) => {
        failures.push(error);
        response.destroy();
      });
    };
  }
  /** @type {Error[]} */
  const failures = [];
  const ended = watched({}, failures);
  const store = await listen(guarded(handleStored));
  const server = await listen(guarded(handle));
  const life = setTimeout(() => close(), LIFE_MS);
  life.unref();

  function close() {
    clearTimeout(life);
    for (const each of [server, store]) {
      each.close();
      each.closeAllConnections();
    }
  }

  return {
    url: origin(server),
    received,
    unmatched,
    model,
    /** Answers that were given although the gate stayed shut. */
    get gateTimeouts() {
      return gateTimeouts;
    },
    /**
     * Resolves once nothing more can come of this feed: the client waits in a live request that is
     * held, and nothing was received or sent for `ms`. A client that was given more rows than it
     * yielded (`enough` is false) is waited for a while longer. A refusal settles a feed only for a
     * client that says nothing of refusals (`muteOnRefusal`, defect 1); another must end by itself.
     */
    async settled({ ms = 150, enough = () => true, muteOnRefusal = false } = {}) {
      while (server.listening) {
        const idle = lastActivity === null ? 0 : Date.now() - lastActivity;
        // A held catch-up request may be a prefetch; a client that does nothing else waits for it.
        const over = heldLive > 0 || (muteOnRefusal && model.fatal !== null) || (heldOther > 0 && idle >= PATIENCE_MS);
        if (over && idle >= ms && (enough() || idle >= PATIENCE_MS)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    /** Stops serving; throws if a handler failed, so that a broken peer cannot pass for a server. */
    async stop() {
      close();
      ended();
    },
  };
}
