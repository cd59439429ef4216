// Hono speaks in web requests and responses, as this package does.

import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { follow, relay, start } from "./app.mjs";

const app = new Hono();

app.all("/api/trigger/*", (c) => relay(c.req.raw));
app.post("/api/runs", async (c) => c.json(await start(), 201));
app.get("/api/runs/:id/events", (c) => follow(c.req.param("id"), c.req.raw));

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000), hostname: "127.0.0.1" });
