// Koa.

import Koa from "koa";
import { follow, relay, start } from "./app.mjs";

const app = new Koa();

// Before body parsers: it takes bodies as they come.
app.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/api/trigger/")) return next();
  ctx.respond = false;
  await relay.node(ctx.req, ctx.res);
});
app.use(async (ctx) => {
  const [, id] = /^\/api\/runs\/(\w+)\/events$/.exec(ctx.path) ?? [];
  if (id) ctx.body = follow(id, ctx);
  if (ctx.method !== "POST" || ctx.path !== "/api/runs") return;
  ctx.status = 201;
  ctx.body = await start();
});
// A browser that leaves a response of events is no failure.
app.on("error", (error) => error.code === "ERR_STREAM_PREMATURE_CLOSE" || console.error(error));

app.listen(process.env.PORT ?? 3000, "127.0.0.1");
