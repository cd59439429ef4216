// The relay in frameworks: Express 5 and Hono themselves, Next.js and Remix by the arguments that they pass.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { serve as serveHono } from "@hono/node-server";
import express from "express";
import { Hono } from "hono";
import { bearer, handlerOver, serve, snapshot, startServer, until } from "./support/relay.mjs";

describe("the relay in frameworks", { timeout: 60_000 }, () => {
  let server;
  let handler;
  let run;
  before(async () => {
    server = await startServer();
    handler = handlerOver(server, { keepMs: 100 });
    run = await server.makeRun({ status: "EXECUTING" });
  });
  after(async () => {
    await handler.close();
    await server.stop();
  });

  /** Checks an app on `url` with the relay mounted at `mount`. */
  async function works(url, mount) {
    const ask = (path, init) => fetch(`${url}${mount}${path}`, init);
    const id = await server.makeRun({ status: "EXECUTING" });
    const { live, headers } = await snapshot(ask, id);
    const poll = ask(live, { headers });
    await until(() => handler.stats().viewers.now === 1, "the poll is held");
    await server.change(id, { metadata: { told: "here" } });
    assert.match(await (await poll).text(), /told/);

    const leaving = new AbortController();
    const next = await snapshot(ask, id);
    const left = ask(next.live, { headers, signal: leaving.signal }).catch(() => {});
    await until(() => handler.stats().viewers.now === 1, "the second poll is held");
    leaving.abort();
    await left;
    await until(() => handler.stats().viewers.now === 0, "who left is gone");

    const triggered = await ask("/api/v1/tasks/echo/trigger", {
      method: "POST",
      headers: { ...bearer("trigger:tasks:echo", "write:tasks:echo"), "content-type": "application/json" },
      body: JSON.stringify({ payload: `"${"z".repeat(100_000)}"`, options: { payloadType: "application/json" } }),
    });
    assert.equal(triggered.status, 200, await triggered.text());
    const preflight = await ask(`/realtime/v1/runs/${id}`, { method: "OPTIONS", headers: { origin: "https://a.b" } });
    assert.ok(preflight.headers.get("access-control-allow-origin"));
  }

  it("Express: below a path, before body parsers, and beside routes of the app", async () => {
    const app = express();
    app.use("/api/trigger", handler.node);
    app.use(express.json());
    app.get("/about", (_request, response) => response.send("about us"));
    const { url, stop } = await serve(app);
    await works(url, "/api/trigger");
    assert.equal(await (await fetch(`${url}/about`)).text(), "about us");
    await stop();
  });

  it("Express: at the root, what is not the relay's goes on to the app", async () => {
    const app = express();
    app.use(handler.node);
    app.get("/about", (_request, response) => response.send("about us"));
    const { url, stop } = await serve(app);
    await works(url, "");
    assert.equal(await (await fetch(`${url}/about`)).text(), "about us");
    assert.equal((await fetch(`${url}/nothing`)).status, 404);
    await stop();
  });

  it("Express: behind middleware that reads what writeHead() is given as older compression does", async () => {
    const app = express();
    app.use((_request, response, next) => {
      const { writeHead } = response;
      response.writeHead = function (status, headers) {
        this.statusCode = status;
        if (Array.isArray(headers)) for (const [name, value] of headers) this.setHeader(name, value);
        else for (const name of Object.keys(headers ?? {})) this.setHeader(name, headers[name]);
        return writeHead.call(this, status);
      };
      next();
    });
    app.use("/api/trigger", handler.node);
    const { url, stop } = await serve(app);
    await works(url, "/api/trigger");
    const names = async (answer) => [...(await answer).headers.keys()].filter((name) => name !== "x-powered-by");
    const path = `/api/trigger/realtime/v1/runs/${run}?offset=-1`;
    const headers = bearer(`read:runs:${run}`);
    const bare = await serve(handler.node);
    assert.deepEqual(await names(fetch(url + path, { headers })), await names(fetch(bare.url + path, { headers })));
    await bare.stop();
    await stop();
  });

  it("Node: a header that is given twice arrives twice", async () => {
    const own = handlerOver(server, {
      authorize: () =>
        new Response("no", {
          status: 403,
          headers: [
            ["set-cookie", "a=1"],
            ["set-cookie", "b=2"],
          ],
        }),
    });
    const { url, stop } = await serve(own.node);
    const answer = await fetch(`${url}/realtime/v1/runs/${run}`);
    assert.deepEqual([answer.status, answer.headers.getSetCookie()], [403, ["a=1", "b=2"]]);
    await stop();
    await own.close();
  });

  it("Hono: through its server for Node", async () => {
    const app = new Hono();
    app.get("/about", (c) => c.text("about us"));
    app.all("/api/trigger/*", (c) => handler(c.req.raw));
    const listening = serveHono({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
    if (!listening.listening) await once(listening, "listening");
    const url = `http://127.0.0.1:${listening.address().port}`;
    await works(url, "/api/trigger");
    assert.equal(await (await fetch(`${url}/about`)).text(), "about us");
    listening.closeAllConnections();
    listening.close();
    await once(listening, "close");
  });

  it("Next.js and Remix: whatever they pass beside the request", async () => {
    const path = `/api/trigger/realtime/v1/runs/${run}?offset=-1`;
    const request = () => new Request(`http://app.example${path}`, { headers: bearer(`read:runs:${run}`) });
    const params = { path: ["realtime", "v1", "runs", run] };
    const [plain, next, remix] = await Promise.all([
      handler(request()),
      handler(request(), { params: Promise.resolve(params) }),
      handler({ request: request(), params: { "*": params.path.join("/") }, context: {} }),
    ]);
    const texts = await Promise.all([plain, next, remix].map((answer) => answer.text()));
    assert.deepEqual([plain.status, next.status, remix.status], [200, 200, 200]);
    assert.ok(texts[0].includes(run));
    assert.deepEqual(texts.slice(1), [texts[0], texts[0]]);
  });
});
