/**
 * A server at the level of the socket, which can answer as no HTTP library would. A script decides
 * the answer to each request. It stops by itself: after `lifeMs`, or when a client has made
 * `maxRequests` requests, after which connections are dropped.
 */

import { once } from "node:events";
import net from "node:net";
import { reset } from "./reset.mjs";
import { answersOf, watched } from "./scripted.mjs";

/**
 * @typedef {object} FaultRequest
 * @property {number} n from 1
 * @property {string} method
 * @property {string} target path and query, as on the wire
 * @property {string} path
 * @property {URLSearchParams} query
 * @property {Record<string, string>} headers names in lower case
 * @property {boolean} live
 * @property {boolean} start asks for a snapshot
 * @property {number} at milliseconds since the server started
 *
 * @typedef {object} Connection
 * @property {(data: Buffer | string) => void} write
 * @property {() => void} close sends FIN
 * @property {() => void} reset sends RST
 * @property {(ms: number) => Promise<void>} wait
 * @property {boolean} open
 * @property {Promise<void>} closed resolves when the connection is gone
 */

function parseHead(head, n, at) {
  const [line, ...rest] = head.split("\r\n");
  const [method, target] = line.split(" ");
  const headers = {};
  for (const each of rest) {
    const colon = each.indexOf(":");
    headers[each.slice(0, colon).toLowerCase()] = each.slice(colon + 1).trim();
  }
  const url = new URL(target, "http://peer.invalid");
  const query = url.searchParams;
  const live = query.get("live") === "true";
  return { n, method, target, path: url.pathname, query, headers, live, start: query.get("offset") === "-1", at };
}

/**
 * @param {((request: FaultRequest) => import('./answers.mjs').Answer) & { unasked?: () => string[] }} script
 * @param {{ maxRequests?: number, lifeMs?: number }} [options]
 */
export async function startFaultServer(script, { maxRequests = 5_000, lifeMs = 45_000 } = {}) {
  const started = Date.now();
  /** @type {FaultRequest[]} */
  const requests = [];
  /** @type {Error[]} */
  const failures = [];
  const sockets = new Set();
  const timers = new Set();
  let waiters = [];
  const ended = watched(script, failures);

  function connection(socket) {
    return {
      write: (data) => socket.writable && socket.write(data),
      close: () => socket.end(),
      reset: () => reset(socket),
      wait: (ms) =>
        new Promise((resolve) => {
          const timer = setTimeout(() => {
            timers.delete(timer);
            resolve();
          }, ms);
          timers.add(timer);
        }),
      get open() {
        return !socket.destroyed;
      },
      get closed() {
        return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once("close", resolve)));
      },
    };
  }

  async function answer(request, socket) {
    requests.push(request);
    waiters = waiters.filter((waiter) => !waiter());
    if (requests.length > maxRequests) {
      socket.destroy();
      return;
    }
    await script(request)(connection(socket));
  }

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => sockets.delete(socket));
    // A client that goes away is part of the scenarios.
    socket.on("error", () => {});
    let buffered = Buffer.alloc(0);
    socket.on("data", (data) => {
      buffered = Buffer.concat([buffered, data]);
      for (;;) {
        const end = buffered.indexOf("\r\n\r\n");
        if (end < 0) return;
        const request = parseHead(buffered.toString("latin1", 0, end), requests.length + 1, Date.now() - started);
        const length = Number(request.headers["content-length"] ?? 0);
        if (buffered.length < end + 4 + length) return;
        request.body = buffered.toString("utf8", end + 4, end + 4 + length);
        buffered = buffered.subarray(end + 4 + length);
        answer(request, socket).catch((error) => {
          failures.push(error);
          socket.destroy();
        });
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  function close() {
    clearTimeout(life);
    for (const timer of timers) clearTimeout(timer);
    server.close();
    for (const socket of sockets) socket.destroy();
  }
  const life = setTimeout(close, lifeMs);
  life.unref();

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    /** Connections that are open now. */
    get connections() {
      return sockets.size;
    },
    /** Resolves once `condition(requests)` holds; looked at after each request. */
    until(condition) {
      return new Promise((resolve) => {
        const look = () => {
          if (!condition(requests)) return false;
          resolve();
          return true;
        };
        if (!look()) waiters.push(look);
      });
    },
    /** Stops; throws if the script failed, so that a broken peer cannot pass for a fault. */
    async stop() {
      close();
      ended();
    },
  };
}

/**
 * A script of one feed: what the snapshot requests and the live requests get, in order. The last
 * answer of each list is repeated; one that was never asked for fails the test. Any other request of
 * the feed (the official client's prefetch) is held.
 *
 * @param {{ start: import('./answers.mjs').Answer[], live?: import('./answers.mjs').Answer[] }} lists
 */
export function feedScript({ start, live }) {
  const [starts, lives] = [answersOf("start", start), answersOf("live", live ?? [])];
  const script = (request) => {
    if (request.live && live) return lives.next();
    if (request.start) return starts.next();
    return () => {};
  };
  return Object.assign(script, { unasked: () => [...starts.unasked(), ...lives.unasked()] });
}
