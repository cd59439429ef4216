// What a viewer gets of a relay over the emulator, in each way to mount the relay.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { bearer, handlerOver, snapshot, startServer, until, WAYS } from "./support/relay.mjs";

/** An answer as it crossed the wire: not normalized, redirected or decompressed. */
function raw(url, path, headers = {}, method = "GET") {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = http.request({ hostname, port, path, headers, method, agent: false }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
    });
    request.on("error", reject).end();
  });
}

for (const { name, open } of WAYS) {
  describe(`a viewer of ${name}`, { timeout: 120_000 }, () => {
    let server;
    let handler;
    let way;
    let run;

    before(async () => {
      server = await startServer();
      handler = handlerOver(server, { keepMs: 100 });
      way = await open(handler);
      run = await server.makeRun({ status: "EXECUTING", metadata: { long: "x".repeat(5000) } });
    });
    after(async () => {
      await way.stop();
      await handler.close();
      await server.stop();
    });

    /** Waits until there are no viewers, and no requests to the server. */
    const isFree = () =>
      until(async () => {
        const { viewers, feeds, streams, upstream } = handler.stats();
        const all = viewers.now + feeds + streams + upstream.connections;
        return all === 0 && (await server.held()) === 0;
      }, "the upstream is let go");

    it("is told of a change that it waited for", async () => {
      const { live, headers } = await snapshot(way.ask, run);
      const poll = way.ask(live, { headers });
      await until(() => handler.stats().viewers.now === 1, "the poll is held");
      await server.change(run, { metadata: { step: "changed" } });
      const response = await poll;
      assert.equal(response.status, 200);
      assert.match(await response.text(), /changed/);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(response.headers.get("etag"), null);
      await isFree();
    });

    it("who leaves a held poll frees the upstream", async () => {
      const { live, headers } = await snapshot(way.ask, run);
      const leaving = new AbortController();
      const poll = way.ask(live, { headers, signal: leaving.signal }).catch((error) => error);
      await until(async () => handler.stats().viewers.now === 1 && (await server.held()) === 1, "the poll is held");
      assert.equal(handler.stats().upstream.connections, 1);
      leaving.abort();
      await poll;
      await isFree();
    });

    it("reads a stream as it is written, and frees it by leaving", async () => {
      const id = await server.makeRun({ status: "EXECUTING", realtimeStreams: ["ai"] });
      await server.write(id, "ai", [{ data: "first" }]);
      const leaving = new AbortController();
      const response = await way.ask(`/realtime/v1/streams/${id}/ai`, {
        headers: bearer(`read:runs:${id}`),
        signal: leaving.signal,
      });
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type"), /^text\/event-stream/);
      const reader = response.body.getReader();
      let text = "";
      const reads = async (word) => {
        while (!text.includes(word)) {
          const { done, value } = await reader.read();
          assert.ok(!done, `the stream ended before ${word}`);
          text += Buffer.from(value).toString();
        }
      };
      await reads("first");
      assert.equal(handler.stats().streams, 1);
      await server.write(id, "ai", [{ data: "second" }]);
      await reads("second");
      if (name === "the handler") await reader.cancel();
      else leaving.abort();
      await reader.closed.catch(() => {});
      await isFree();
    });

    it("who takes gzip gets it, and who does not gets none", async () => {
      const id = await server.makeRun({ metadata: { long: "abc".repeat(5000) } });
      const path = `/realtime/v1/runs/${id}?offset=-1`;
      const asked = async (encoding) => {
        const headers = { ...bearer(`read:runs:${id}`), "accept-encoding": encoding };
        if (way.url) return raw(way.url, path, headers);
        const response = await way.ask(path, { headers });
        const body = Buffer.from(await response.arrayBuffer());
        return { status: response.status, headers: Object.fromEntries(response.headers), body };
      };
      const [packed, plain] = [await asked("gzip"), await asked("identity")];
      assert.deepEqual([packed.status, plain.status], [200, 200]);
      assert.equal(plain.headers["content-encoding"], undefined);
      if (!way.url) {
        // A web handler leaves compression to the framework.
        assert.equal(packed.headers["content-encoding"], undefined);
        assert.deepEqual(packed.body, plain.body);
        return isFree();
      }
      assert.equal(packed.headers["content-encoding"], "gzip");
      assert.match(packed.headers.vary, /accept-encoding/i);
      assert.ok(packed.body.length < plain.body.length / 5);
      assert.deepEqual(gunzipSync(packed.body).toString(), plain.body.toString());
      await isFree();
    });

    it("HEAD has the headers of a GET and no body", async () => {
      const path = `/realtime/v1/runs/${run}?offset=-1`;
      const headers = bearer(`read:runs:${run}`);
      const head = await way.ask(path, { method: "HEAD", headers });
      const get = await way.ask(path, { headers });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      for (const header of ["electric-handle", "electric-offset", "content-type", "cache-control"]) {
        assert.equal(head.headers.get(header), get.headers.get(header), header);
      }
      await get.text();
    });

    it("a page of another origin may ask: its preflight is answered without a token", async () => {
      const response = await way.ask(`/realtime/v1/runs/${run}`, {
        method: "OPTIONS",
        headers: {
          origin: "https://app.example",
          "access-control-request-method": "GET",
          "access-control-request-headers": "authorization,x-trigger-source",
        },
      });
      assert.ok(response.status === 200 || response.status === 204, `${response.status}`);
      assert.match(response.headers.get("access-control-allow-headers"), /authorization|\*/);
      assert.ok(response.headers.get("access-control-allow-origin"));
      await response.text();
    });

    it("finds the server's paths below any plain mount point, and below no other", async () => {
      const headers = bearer(`read:runs:${run}`);
      const path = `/realtime/v1/runs/${run}`;
      for (const mount of ["", "/api/trigger", "/a%20b/c"]) {
        const response = await way.ask(`${mount}${path}?offset=-1`, { headers });
        assert.equal(response.status, 200, mount);
        await response.text();
        // Frameworks that add a slash (`trailingSlash`) would redirect the server's redirect back, for ever.
        const slashed = await way.ask(`${mount}${path}/?offset=-1`, { headers });
        assert.equal(slashed.status, 200, "a slash at the end is served as none");
        await slashed.text();
      }
      const before = (await server.stats()).total;
      const tricks = [
        `//realtime/v1/runs/${run}`,
        `/a//realtime/v1/runs/${run}`,
        `/a/../realtime/v1/runs/${run}`,
        `/a/./realtime/v1/runs/${run}`,
        `/a/%2e%2e/realtime/v1/runs/${run}`,
        `/a%2f..%2frealtime/v1/runs/${run}`,
        `/a%2Fb/realtime/v1/runs/${run}`,
        `/a%5c..%5c/realtime/v1/runs/${run}`,
        `/a\\b/realtime/v1/runs/${run}`,
        `/a%252f/realtime/v1/runs/${run}`,
        `/a/..;/realtime/v1/runs/${run}`,
        `/realtime%2Fv1/runs/${run}`,
        `/realtime/v1/runs/..%2f..%2f..%2femulator%2fruns`,
        `/realtime/v1/runs/%2e%2e/x`,
        "/api/v1/../../emulator/runs",
        "/api/v1/projects/x/envvars/prod",
        "/api/v1/auth/jwt/claims",
        "/api/trigger/emulator/runs",
        "/emulator/stats",
      ];
      for (const trick of way.url ? tricks : tricks.filter((one) => !/\.\.\/|\/\.\/|%2e|\\|\.\.;/i.test(one))) {
        const answer = way.url
          ? await raw(way.url, `${trick}?offset=-1`, headers)
          : await way.ask(`${trick}?offset=-1`, { headers });
        assert.ok([400, 404].includes(answer.status), `${trick}: ${answer.status}`);
      }
      assert.equal((await server.stats()).total, before, "nothing of it was asked of the server");
    });

    it("sends a long body through and gets the server's answer", async () => {
      const payload = JSON.stringify({ text: "y".repeat(500_000) });
      const response = await way.ask("/api/v1/tasks/echo/trigger", {
        method: "POST",
        headers: { ...bearer("trigger:tasks:echo", "write:tasks:echo"), "content-type": "application/json" },
        body: JSON.stringify({ payload, options: { payloadType: "application/json" } }),
      });
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify(answer));
      assert.match(answer.id, /^run_/);
      assert.equal(handler.stats().passed, 1);
    });
  });
}

describe("many viewers of one process", { timeout: 120_000 }, () => {
  it("10 feeds with 50 viewers each take one upstream a feed, and all are told", async () => {
    const server = await startServer();
    const handler = handlerOver(server, { upstream: { connections: 12 } });
    try {
      const [{ open }] = WAYS;
      const { ask } = await open(handler);
      const ids = await Promise.all(Array.from({ length: 10 }, () => server.makeRun({ status: "EXECUTING" })));
      const polls = ids.flatMap((id) =>
        Array.from({ length: 50 }, async () => {
          const { live, headers } = await snapshot(ask, id);
          return [id, await (await ask(live, { headers })).text()];
        }),
      );
      await until(() => handler.stats().viewers.now === 500, "500 polls are held");
      await until(async () => (await server.held()) === 10, "each feed is followed");
      const { feeds, upstream } = handler.stats();
      assert.deepEqual([feeds, upstream.connections], [10, 10]);
      await Promise.all(ids.map((id) => server.change(id, { metadata: { only: `for ${id}` } })));
      for (const [id, text] of await Promise.all(polls)) assert.ok(text.includes(`for ${id}`));
      assert.equal(handler.stats().viewers.peak, 500);
      assert.equal(handler.stats().updates, 500);
    } finally {
      await handler.close();
      await server.stop();
    }
  });

  it("close() ends what is held, and what is followed", async () => {
    const server = await startServer();
    const handler = handlerOver(server);
    const [{ open }] = WAYS;
    const { ask } = await open(handler);
    const id = await server.makeRun({ status: "EXECUTING" });
    const { live, headers } = await snapshot(ask, id);
    const poll = ask(live, { headers });
    await until(async () => handler.stats().viewers.now === 1 && (await server.held()) === 1, "the poll is held");
    await handler.close();
    const { status } = await poll;
    assert.ok(status === 200 || status === 503, `${status}`);
    await until(async () => (await server.held()) === 0, "the upstream is let go");
    await server.stop();
  });
});
