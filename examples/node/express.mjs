// Express 5.

import express from "express";
import { follow, relay, start } from "./app.mjs";
import { send } from "./send.mjs";

const app = express();

// Before body parsers: it takes bodies as they come.
app.use("/api/trigger", relay.node);
app.post("/api/runs", async (_, res) => res.status(201).json(await start()));
app.get("/api/runs/:id/events", (req, res) => send(res, follow(req.params.id, { headers: req.headers })));

app.listen(process.env.PORT ?? 3000, "127.0.0.1");
