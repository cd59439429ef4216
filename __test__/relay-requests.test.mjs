// The ways in which frameworks and servers call the relay: what it takes, which paths are its own, what it compresses.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { ask, CONFIGURATION, RUN, serving, warned } from "./support/relay-face.mjs";

describe("a realtime handler in frameworks", () => {
  const handler = createRealtimeHandler(CONFIGURATION);
  after(() => handler.close());

  it("takes what Next.js, Remix and React Router pass", async () => {
    const request = () => new Request("http://app.example/nothing");
    assert.equal((await handler(request(), { params: Promise.resolve({ path: ["nothing"] }) })).status, 404);
    assert.equal((await handler({ request: request(), params: {}, context: {} })).status, 404);
  });

  it("says what it takes when it is given something else", async () => {
    for (const given of [undefined, null, "x", {}, { req: { raw: 1 } }]) {
      await assert.rejects(handler(given), { code: "ERR_INVALID_REQUEST", message: /handler\.node/ });
    }
  });

  it("has no body for HEAD, and none of the headers of a connection", async () => {
    const answer = await ask(handler, "/nothing", { method: "HEAD" });
    assert.equal(answer.body, null);
    for (const name of ["connection", "keep-alive", "transfer-encoding", "strict-transport-security"]) {
      assert.equal(answer.headers.get(name), null, name);
    }
  });

  it("answers Node's http and http2", async () => {
    await serving(handler.node, async (url) => {
      const answer = await fetch(`${url}/nothing`, { method: "POST", body: "x".repeat(200_000) });
      assert.deepEqual([answer.status, await answer.text()], [404, "Not Found"]);
      assert.equal((await fetch(`${url}/nothing`, { method: "HEAD" })).status, 404);
    });
    await serving(
      handler.node,
      async (url) => {
        const session = http2.connect(url);
        const stream = session.request({ ":path": "/nothing" });
        const [headers] = await once(stream, "response");
        assert.equal(headers[":status"], 404);
        stream.resume();
        await once(stream, "close");
        session.close();
        await once(session, "close");
      },
      { create: http2.createServer },
    );
  });

  it("leaves paths of others to what comes next in Express", async () => {
    const seen = [];
    // Express takes the mount point out of `url`, and keeps it in `originalUrl`.
    const mounted = (req, res) => {
      req.originalUrl = req.url;
      req.url = req.url.replace(/^\/api\/trigger/, "");
      return handler.node(req, res, () => {
        seen.push(req.originalUrl);
        res.end("next");
      });
    };
    await serving(mounted, async (url) => {
      assert.equal(await (await fetch(`${url}/about`)).text(), "next");
      assert.notEqual(await (await fetch(`${url}/api/trigger${RUN}`)).text(), "next");
    });
    assert.deepEqual(seen, ["/about"]);
  });

  it("says what is wrong with a request that cannot be one of HTTP", async () => {
    const rewritten = (req, res) => {
      req.url = `${RUN} and more`;
      return handler.node(req, res);
    };
    await serving(rewritten, async (url) => {
      const answer = await fetch(url);
      assert.deepEqual([answer.status, await answer.json()], [400, { error: "the request cannot be one of HTTP" }]);
    });
  });

  it("says so when a body parser came first", async () => {
    const parsed = async (req, res) => {
      for await (const _ of req);
      await handler.node(req, res);
    };
    const warnings = await warned(() =>
      serving(parsed, async (url) => {
        const answer = await fetch(`${url}/api/v1/tasks/x/trigger`, { method: "POST", body: "{}" });
        assert.equal(answer.status, 500);
        assert.match((await answer.json()).error, /before body parsers such as express\.json\(\)/);
      }),
    );
    assert.equal(warnings.length, 1);
  });
});

describe("a relay over the emulator", () => {
  let emulator;
  let handler;
  before(async () => {
    emulator = await startEmulator();
    handler = createRealtimeHandler({
      accessToken: emulator.secretKey,
      baseURL: emulator.url,
      basePath: "/api/trigger",
    });
  });
  after(async () => {
    await handler.close();
    await emulator.stop();
  });

  it("serves nothing outside of its base path, whatever tricks a path plays", async () => {
    for (const path of [
      RUN,
      "/api/triggers/realtime/v1/runs/run_1",
      "/api/trigger//realtime/v1/runs/run_1",
      "/api/trigger/%2e%2e/realtime/v1/runs/run_1",
      "/api/trigger/x/../../realtime/v1/runs/run_1",
      "/api/trigger/realtime%2Fv1/runs/run_1",
      "/api%2Ftrigger/realtime/v1/runs/run_1",
      "/api/trigger\\realtime\\v1\\runs/..\\run_1",
      "/api/trigger/emulator/runs",
    ]) {
      assert.equal((await ask(handler, path)).status, 404, path);
    }
    assert.equal((await emulator.stats()).total, 0, "nothing was asked of the server");
  });
});

describe("compression", () => {
  it("is left to the framework by the web handler, and done for those who take it by the one for Node", async () => {
    const emulator = await startEmulator();
    const asOwner = { authorization: `Bearer ${emulator.secretKey}`, "content-type": "application/json" };
    const row = JSON.stringify({ payload: "x".repeat(5000) });
    const made = await fetch(`${emulator.url}/emulator/runs`, { method: "POST", headers: asOwner, body: row });
    const { id } = await made.json();
    const headers = { "accept-encoding": "gzip" };
    const authorize = () => ({ scopes: [`read:runs:${id}`] });
    const handler = createRealtimeHandler({ accessToken: emulator.secretKey, baseURL: emulator.url, authorize });
    const path = `/realtime/v1/runs/${id}?offset=-1`;
    // Next.js removes `content-encoding` from a route's answer, and leaves its body as it is.
    const answer = await ask(handler, path, { headers });
    assert.equal(answer.headers.get("content-encoding"), null);
    assert.ok((await answer.text()).includes(id));
    await serving(handler.node, async (url) => {
      const compressed = await fetch(url + path, { headers });
      assert.equal(compressed.headers.get("content-encoding"), "gzip");
      assert.ok((await compressed.text()).includes(id));
    });
    await handler.close();
    await emulator.stop();
  });
});
