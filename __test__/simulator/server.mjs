/** The simulated server on a socket: what is sent may come late, in pieces, in part, or be another answer. */

import { once } from "node:events";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { reset } from "../support/reset.mjs";
import { Feeds } from "./feeds.mjs";

const HTML = "<html><head><title>502 Bad Gateway</title></head></html>";

/** Answers in place of the server's. */
const INSTEAD = [
  { status: 503, headers: { "retry-after": "0" }, body: "" },
  { status: 503, headers: {}, body: '{"error":"later"}' },
  { status: 429, headers: {}, body: '{"error":"too many"}' },
  { status: 502, headers: { "content-type": "text/html" }, body: HTML },
  { status: 500, headers: {}, body: "" },
  { status: 408, headers: {}, body: "" },
];

/** A page of a proxy: a feed's reader takes it for trouble. */
const PAGE = { status: 200, headers: { "content-type": "text/html" }, body: HTML };

/** A stream is pinged when it is opened, and then so often, as the server does with v1 (docs/server-protocol.md 5). */
const PING_MS = 10_000;

/** What a request follows, wherever it is. Feeds that share a path take no turns at trouble: one could meet it for ever. */
function feedOf(url) {
  const what = new URLSearchParams(url.searchParams);
  for (const place of ["offset", "handle", "cursor", "live"]) what.delete(place);
  return `${url.pathname}?${what}`;
}

/** @param {import('./world.mjs').World} world @param {ReturnType<typeof import('./world.mjs').dice>} rng */
export async function serve(world, rng) {
  const feeds = new Feeds(world);
  const sockets = new Set();
  const failures = [];
  /** Troubles in a row, by feed or stream. */
  const inARow = new Map();
  const state = { calm: true, answers: 0 };

  function trouble(feed) {
    const count = inARow.get(feed) ?? 0;
    const has = !state.calm && count < 3 && rng.oneIn(6);
    inARow.set(feed, has ? count + 1 : 0);
    return has ? rng.pick(["instead", "cut", "cut", "late", "page"]) : undefined;
  }

  /** Sends a part of the bytes of an answer, and breaks the connection. */
  function cut(response, { status, headers, body }) {
    const head = Object.entries({ ...headers, "content-length": Buffer.byteLength(body) });
    const text = `HTTP/1.1 ${status} x\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
    const bytes = Buffer.from(text);
    response.socket.write(bytes.subarray(0, rng.below(bytes.length)));
    response.socket.destroySoon();
  }

  async function answerFeed(url, response) {
    const kind = trouble(feedOf(url));
    const answer = kind === "instead" ? rng.pick(INSTEAD) : kind === "page" ? PAGE : await feeds.answer(url);
    state.answers += 1;
    if (response.destroyed || !response.socket) return;
    if (kind === "cut") return cut(response, answer);
    response.writeHead(answer.status, answer.headers);
    const body = Buffer.from(answer.body);
    if (kind === "late" || rng.oneIn(4)) {
      const at = rng.below(body.length + 1);
      response.write(body.subarray(0, at));
      await sleep(kind === "late" ? rng.below(900) : 0);
      response.end(body.subarray(at));
      return;
    }
    response.end(body);
  }

  async function answerStream(url, request, response) {
    const kind = trouble(url.pathname);
    state.answers += 1;
    if (kind === "instead") {
      const { status, headers, body } = rng.pick(INSTEAD);
      response.writeHead(status, headers).end(body);
      return;
    }
    const [, run, key] = /^\/realtime\/v1\/streams\/([^/]+)\/([^/]+)$/.exec(url.pathname);
    const stream = world.streams.get(`${run}/${key}`);
    const last = request.headers["last-event-id"];
    // v1 resumes strictly after an id, v2 after a number.
    const after = last === undefined ? -1 : Number(last.split("-")[0]);
    const head = { "content-type": "text/event-stream" };
    if (stream.v2) head["x-stream-version"] = "v2";
    response.writeHead(200, head);
    let [at, bytes] = [0, kind === "cut" ? rng.below(900) : Number.POSITIVE_INFINITY];
    const send = async (text) => {
      let buffer = Buffer.from(text);
      if (buffer.length > bytes) buffer = buffer.subarray(0, bytes);
      bytes -= buffer.length;
      if (!response.write(buffer)) await once(response, "drain").catch(() => {});
      if (bytes <= 0) response.socket?.destroySoon();
    };
    const rest = () => {
      const fresh = stream.entries.slice(at).filter(({ id }) => id > after);
      at = stream.entries.length;
      return fresh;
    };
    const ping = () =>
      `event: ping\ndata: ${JSON.stringify({ timestamp: 1, tail: { seq_num: stream.entries.length } })}\n\n`;
    let quietSince = performance.now();
    let pingAt = quietSince;
    response.flushHeaders();
    while (!response.destroyed) {
      const fresh = rest();
      if (fresh.length > 0) {
        await send(stream.v2 ? batch(fresh, stream.entries.length) : fresh.map(event).join(""));
        quietSince = performance.now();
      }
      if (performance.now() >= pingAt) {
        await send(stream.v2 ? ping() : ": ping\n\n");
        pingAt = performance.now() + PING_MS;
      }
      // The window of a stream that is over and quiet ends.
      const n = Number(run.slice("run_".length));
      if (stream.v2 && world.isFinished(n) && at === stream.entries.length && performance.now() - quietSince > 300) {
        await send("data: [DONE]\n\n");
        response.end();
        return;
      }
      await Promise.race([changed(), sleep(500)]);
    }
  }

  const waiting = new Set();
  const changed = () => new Promise((resolve) => waiting.add(resolve));
  world.onChange(() => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  });

  const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://server.invalid");
    response.on("error", () => {});
    const answering = url.pathname.startsWith("/realtime/v1/streams/")
      ? answerStream(url, request, response)
      : answerFeed(url, response);
    answering.catch((error) => {
      // Writing to a connection that broke is no failure of the simulation.
      if (!response.destroyed && response.socket && !response.socket.destroyed) failures.push(error);
      response.destroy();
    });
  });
  server.keepAliveTimeout = 0;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    /** Every connection breaks. */
    restart() {
      for (const socket of sockets) reset(socket);
    },
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      for (const resolve of waiting) resolve();
      if (failures.length > 0) throw failures[0];
    },
  };
}

const event = ({ id, value }) => `id: ${id}-0\ndata: ${value}\n\n`;

function batch(entries, tail) {
  const records = entries.map(({ id, value, append }) => ({
    seq_num: id,
    timestamp: 1,
    body: JSON.stringify({ data: value ?? append, id: `a${append}` }),
  }));
  return `event: batch\nid: 0,1,2\ndata: ${JSON.stringify({ records, tail: { seq_num: tail } })}\n\n`;
}
