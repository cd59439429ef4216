// Node's own http server.

import { createServer } from "node:http";
import { follow, relay, start } from "./app.mjs";
import { send } from "./send.mjs";

const server = createServer(async (req, res) => {
  const events = /^\/api\/runs\/(\w+)\/events$/.exec(req.url);
  if (req.url.startsWith("/api/trigger/")) return relay.node(req, res);
  if (req.method === "GET" && events) return send(res, follow(events[1], { headers: req.headers }));
  if (req.method === "POST" && req.url === "/api/runs") {
    const started = await start().catch((error) => ({ error: error.message }));
    return send(res, Response.json(started, { status: "error" in started ? 502 : 201 }));
  }
  return send(res, new Response("Not found", { status: 404 }));
});

server.listen(process.env.PORT ?? 3000, "127.0.0.1");
