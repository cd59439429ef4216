// Everything that a relay holds for viewers is bounded: beyond a bound there is a refusal that says when to try again,
// and a count.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { bearer, handlerOver, startServer, until, WAYS } from "./support/relay.mjs";
import { warned } from "./support/relay-face.mjs";

const KEY = "tr_dev_boundsnotasecret";

/** A server that never answers, and the number of its requests. */
async function startSilent() {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    sockets,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("the bounds of a relay", { timeout: 60_000 }, () => {
  for (const { name, open } of WAYS) {
    it(`hold what is passed through, valid token or not, through ${name}`, async () => {
      const server = await startSilent();
      const limits = { passing: 4, viewersPerToken: 3 };
      const handler = createRealtimeHandler({ accessToken: KEY, baseURL: server.url, limits });
      const { ask, stop } = await open(handler);
      const leave = new AbortController();
      const pass = (token) =>
        ask("/api/v3/runs/run_1", { headers: { authorization: `Bearer ${token}` }, signal: leave.signal });
      const held = ["a", "a", "a", "b"].map((token) => pass(token).catch(() => {}));
      await until(() => handler.stats().passing.now === 4, "four are under way");
      for (const token of ["a", "c"]) {
        const answer = await pass(token);
        assert.equal(answer.status, 429);
        assert.ok(answer.headers.get("retry-after"));
        await answer.text();
      }
      assert.ok(server.sockets.size <= 4);
      assert.deepEqual(handler.stats().limited.passing + handler.stats().limited.viewersPerToken, 2);
      leave.abort();
      await Promise.all(held);
      await until(() => handler.stats().passing.now === 0, "who leaves gives the place back");
      await stop();
      await handler.close();
      await server.stop();
    });

    it(`hold calls of authorize, and the time that one may take, through ${name}`, async () => {
      const answers = [];
      const handler = createRealtimeHandler({
        accessToken: KEY,
        baseURL: "http://127.0.0.1:9",
        metrics: true,
        limits: { authorizing: 2 },
        authorizeTimeoutMs: 400,
        authorize: () => new Promise(() => {}),
      });
      const { ask, stop } = await open(handler);
      const warnings = await warned(async () => {
        const held = [1, 2].map(() => ask("/realtime/v1/runs/run_1?offset=-1"));
        await until(() => handler.stats().authorizing.now === 2, "two are under way");
        const third = await ask("/realtime/v1/runs/run_1?offset=-1");
        assert.equal(third.status, 429);
        assert.ok(third.headers.get("retry-after"));
        for (const answer of await Promise.all(held)) {
          answers.push(answer.status);
          assert.ok(answer.headers.get("retry-after"));
        }
      });
      assert.deepEqual(answers, [503, 503]);
      assert.match(warnings.join(), /authorize\(\) did not answer within 400 ms/);
      assert.deepEqual(handler.stats().authorizing, { now: 0, peak: 2 });
      assert.equal(handler.stats().limited.authorizing, 1);
      assert.match(await (await ask("/metrics")).text(), /limited_total\{limit="authorizing"\} 1/);
      await stop();
      await handler.close();
    });
  }

  it("let requests whose viewers only wait make way to others, sent or read however slowly", async () => {
    const server = http.createServer((req, res) => {
      res.writeHead(200);
      req.on("error", () => {}).on("end", () => res.end("x".repeat(5_000)));
      req.resume();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const baseURL = `http://127.0.0.1:${server.address().port}`;
    const handler = createRealtimeHandler({ accessToken: KEY, baseURL, limits: { passing: 2 } });
    const { url } = await handler.listen();
    // One viewer sends no more of its body, and one reads nothing of its answer.
    const sender = net.connect(Number(new URL(url).port), "127.0.0.1");
    const lines = ["POST /api/v1/tasks/a/trigger HTTP/1.1", "host: a", "authorization: Bearer a.b.c"];
    sender.write([...lines, "content-length: 100", "", "{"].join("\r\n"));
    const reader = http2.connect(url, { settings: { initialWindowSize: 0 } });
    await once(reader, "remoteSettings");
    const unread = reader.request({ ":path": "/api/v3/runs/run_1", authorization: "Bearer d.e.f" }).resume();
    unread.on("error", () => {});
    await once(unread, "response");
    await until(() => handler.stats().passing.now === 2, "both are under way");
    const told = once(sender, "data");
    const reset = new Promise((resolve) => unread.once("close", resolve));
    const ask = async (token) => {
      const answer = await fetch(`${url}/api/v3/runs/run_2`, { headers: { authorization: `Bearer ${token}` } });
      return answer.text().then(() => answer.status);
    };
    // Other requests are let in once each of the two has been idle for a second.
    await until(async () => (await ask("g.h.i")) === 200, "one makes way");
    assert.ok(handler.stats().passing.now <= 2);
    const held = net.connect(Number(new URL(url).port), "127.0.0.1");
    held.write([...lines, "content-length: 100", "", "{"].join("\r\n"));
    await until(() => handler.stats().passing.now === 2, "both places are taken again");
    await until(async () => (await ask("g.h.i")) === 200, "the other one makes way");
    assert.match(String((await told)[0]), /^HTTP\/1\.1 429 /);
    reader.settings({ initialWindowSize: 65_535 });
    await reset;
    assert.notEqual(unread.rstCode, 0);
    held.destroy();
    await until(() => handler.stats().passing.now === 0, "no place is lost");
    assert.equal(handler.stats().upstream.connections, 0);
    reader.destroy();
    sender.destroy();
    await handler.close();
    server.closeAllConnections();
    server.close();
  });

  it("hold viewers whose polls only the server can answer, as what is passed through", async () => {
    // With a key that may read and not ask for its claims, each viewer's tag feed is read with the viewer's own token.
    const key = "tr_dev_sk_111111111111111111111111";
    const asked = new Set();
    const server = http.createServer((req, res) => {
      if (req.method !== "GET") return res.writeHead(401).end("{}");
      asked.add(res);
      res.on("close", () => asked.delete(res));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const baseURL = `http://127.0.0.1:${server.address().port}`;
    const handler = createRealtimeHandler({ accessToken: key, baseURL, limits: { passing: 2 } });
    const headers = bearer("read:tags:x");
    const leave = new AbortController();
    const poll = () => {
      const url = "http://localhost/realtime/v1/runs?tags=x&offset=5_0&handle=1-2&live=true";
      return handler(new Request(url, { headers, signal: leave.signal }));
    };
    const held = [poll(), poll()].map((answer) => answer.catch(() => {}));
    await until(() => asked.size === 2, "two are at the server");
    assert.deepEqual(handler.stats().passing.now, 2);
    const third = await poll();
    assert.equal(third.status, 429);
    assert.ok(third.headers.get("retry-after"));
    assert.equal(handler.stats().limited.passing, 1);
    // An answer counts until its body ends.
    const [one] = asked;
    one.writeHead(200, { "content-type": "application/json" }).write("[");
    const slow = await Promise.race(held);
    assert.equal((await poll()).status, 429);
    one.end("]");
    assert.equal(await slow.text(), "[]");
    await until(() => handler.stats().passing.now === 1, "its place is free");
    leave.abort();
    await Promise.all(held);
    await until(() => handler.stats().passing.now === 0 && handler.stats().viewers.now === 0, "all have left");
    await handler.close();
    server.closeAllConnections();
    server.close();
  });

  it("let streams and feeds that nobody reads make way, first for who began them", async () => {
    const server = await startServer();
    const run = await server.makeRun({ status: "EXECUTING" });
    const handler = handlerOver(server, { limits: { feeds: 3, feedsPerToken: 2 }, keepMs: 60_000 });
    const { url } = await handler.listen();
    const visit = async (path, headers = bearer("read:runs"), stays = false) => {
      const leave = new AbortController();
      const answer = await fetch(url + path, { headers, signal: leave.signal });
      if (!stays) leave.abort();
      const gone = () => handler.stats().viewers.now === 0;
      if (!stays && answer.ok) await until(gone, "the viewer is gone");
      return { status: answer.status, leave };
    };
    const stream = (key) => `/realtime/v1/streams/${run}/${key}`;
    for (const key of ["a", "b", "c", "d"]) assert.equal((await visit(stream(key))).status, 200, key);
    assert.ok(handler.stats().streams <= 2, "one viewer keeps two");
    for (const tag of ["a", "b", "c", "d"]) {
      assert.equal((await visit(`/realtime/v1/runs?tags=${tag}&offset=-1`)).status, 200, tag);
    }
    // The feed of the streams' run, which tells when they end, is nobody's own.
    assert.equal(handler.stats().feeds, 3);
    const held = [await visit(stream("x"), undefined, true), await visit(stream("y"), undefined, true)];
    assert.equal((await visit(stream("z"))).status, 429, "both of its streams are read");
    assert.equal(handler.stats().limited.feedsPerToken, 1);
    assert.equal((await visit(stream("z"), bearer("read:runs", "x:y"), true)).status, 200, "another viewer may");
    assert.equal((await visit(stream("w"), bearer("read:runs", "x:z"), true)).status, 429, "three are read");
    assert.equal(handler.stats().limited.feeds, 1);
    for (const { leave } of held) leave.abort();
    await handler.close();
    await server.stop();
  });

  it("refuse a query that is too long, before the app is asked", async () => {
    let asked = 0;
    const handler = createRealtimeHandler({
      accessToken: KEY,
      baseURL: "http://127.0.0.1:9",
      limits: { queryBytes: 100 },
      authorize: () => {
        asked += 1;
        return null;
      },
    });
    for (const { open } of WAYS) {
      const { ask, stop } = await open(handler);
      assert.equal((await ask(`/realtime/v1/runs?tags=${"a".repeat(100)}`)).status, 414);
      assert.equal((await ask(`/realtime/v1/runs?tags=${"a".repeat(80)}`)).status, 401);
      await stop();
    }
    assert.equal(asked, 3);
    assert.equal(handler.stats().limited.queryBytes, 3);
    assert.equal(handler.stats().refusals.size, 3);
    await handler.close();
  });
});
