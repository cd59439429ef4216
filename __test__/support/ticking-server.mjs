// A server whose every run changes about once a second, for as long as somebody follows it: deliveries are always under way.

import http from "node:http";
import { insert, row, SCHEMA, update, upToDate } from "./rows.mjs";

/** The times between a poll and its answer, in milliseconds: spread, so that no moment is without deliveries. */
const TICKS_MS = [200, 500, 800, 1_100, 1_400];

/** @returns {Promise<{ url: string, stop(): Promise<void> }>} */
export async function startTickingServer() {
  let asked = 0;
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const url = new URL(request.url ?? "/", "http://server");
    const id = url.pathname.match(/^\/realtime\/v1\/runs\/(\w+)$/)?.[1];
    if (!id) return response.writeHead(404).end();
    const isLive = url.searchParams.get("live") === "true";
    const version = isLive ? Number(url.searchParams.get("offset")?.split("_")[1] ?? 0) + 1 : 1;
    const state = { ...row({ friendlyId: id, status: "EXECUTING" }), usageDurationMs: String(version) };
    const headers = {
      "content-type": "application/json",
      "electric-handle": `h-${id}`,
      "electric-offset": `${version}_${version}`,
      ...(isLive ? { "electric-cursor": String(version) } : { "electric-schema": SCHEMA }),
    };
    const answer = () =>
      response.writeHead(200, headers).end(JSON.stringify([isLive ? update(state) : insert(state), upToDate()]));
    if (!isLive) return answer();
    const timer = setTimeout(answer, TICKS_MS[asked++ % TICKS_MS.length]);
    response.on("close", () => clearTimeout(timer));
  });
  await new Promise((resolve) =>
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => resolve(undefined)),
  );
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
