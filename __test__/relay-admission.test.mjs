// The relay reads, decides on and sends upstream the same values, however a viewer spells them. And which origins' pages
// are let in where the app's own session decides.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { handlerOver, startServer, tokenFor, WAYS } from "./support/relay.mjs";

const KEY = "tr_dev_doornotasecret";
const SCHEMA = JSON.stringify(
  Object.fromEntries(
    ["id", "friendlyId", "status", "createdAt", "updatedAt", "payload"].map((n) => [n, { type: "text" }]),
  ),
);

/** A server that reads queries as the real one does (of a parameter given twice the last), and records its requests. */
async function startTenants() {
  const now = new Date().toISOString().slice(0, -1);
  const row = (tag, n) => ({
    key: `k-${tag}-${n}`,
    value: {
      id: `c${tag}${n}`,
      friendlyId: `run_${tag}_${n}`,
      status: "COMPLETED_SUCCESSFULLY",
      createdAt: now,
      updatedAt: now,
      payload: `of ${tag}`,
    },
    headers: { operation: "insert" },
  });
  // More finished runs than a copy keeps: its snapshots come from the server, with the relay's own key.
  const mine = Array.from({ length: 10_050 }, (_, n) => row("mine", n));
  const end = { headers: { control: "up-to-date" } };
  const bodies = { mine: JSON.stringify([...mine, end]), other: JSON.stringify([row("victim", 0), end]) };
  const asked = [];
  const server = http.createServer((req, res) => {
    if (req.url.includes("jwt/claims")) return res.end('{"sub":"env_1","pub":true}');
    const url = new URL(req.url, "http://x");
    const { tags, live, ...rest } = Object.fromEntries(url.searchParams);
    if (live === "true") return;
    asked.push({ tags, names: [...url.searchParams.keys()], headers: req.headers, path: url.pathname, rest });
    res.writeHead(200, {
      "content-type": "application/json",
      "electric-handle": "runs_0_1_x",
      "electric-offset": "1_0",
      "electric-schema": SCHEMA,
    });
    res.end(tags === "mine" ? bodies.mine : bodies.other);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The first part of an answer's body. */
async function beginning(answer) {
  const reader = answer.body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return Buffer.from(value ?? []).toString();
}

/** The answer to a raw request. */
async function raw(url, lines) {
  const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(`${lines.join("\r\n")}\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const piece of socket) text += piece;
  return Number(text.split(" ")[1]);
}

describe("a viewer of one tenant", { timeout: 120_000 }, () => {
  let server;
  before(async () => {
    server = await startTenants();
  });
  after(() => server.stop());

  /** What an app could read otherwise than the server. */
  const TWICE = [
    "tags=mine&tags=victim",
    "tags=victim&tags=mine",
    "tags=mine&%74ags=victim",
    "tags=mine&t%61%67s=victim",
    "tags=mine&tags=",
    "tags=mine&tags",
    "tags=mine&skipColumns=payload&skipColumns=x&tags%3Dvictim",
    "tags=mine&createdAt=2h&createdAt=1h",
    "tags=mine&offset=-1",
  ];
  const VICTIM = ["tags=victim", "", "tags=victim%2Cother"];
  const MINE = [
    "tags=mine",
    "tags=mine&tags[]=victim&tags%5B%5D=victim&tags[0]=victim",
    "tags=mine&Tags=victim&TAGS=victim&tags.=victim&tag=victim",
    "tags=mine&skipColumns=a%26tags%3Dvictim",
    "tags=mine&createdAt=1h%26tags%3Dvictim",
    "tags=mine&handle=h%26tags%3Dvictim&cursor=9%26tags%3Dvictim",
    "tags=mine&where=true&columns=payload&table=x&expired_handle=y&log=changes_only",
    "tags=mine;tags=victim",
    "tags=mine%26tags%3Dvictim",
    "tags=mine+victim",
  ];
  const HEADERS = [
    {},
    { "x-trigger-branch": "victim" },
    {
      "x-forwarded-host": "victim.example",
      forwarded: "host=victim.example",
      "x-original-url": "/realtime/v1/runs?tags=victim",
    },
    {
      authorization: "Bearer victim",
      "last-event-id": "5",
      "timeout-seconds": "5",
      cookie: "a=b",
      "x-tenant": "victim",
    },
  ];

  for (const { name, open } of WAYS) {
    it(`reads no other tenant's runs through ${name}, however it writes its request`, async () => {
      const handler = createRealtimeHandler({
        accessToken: KEY,
        baseURL: server.url,
        authorize: () => ({ scopes: ["read:tags:mine"] }),
      });
      const { ask, stop } = await open(handler);
      const read = async (query, headers = {}) => {
        const answer = await ask(`/realtime/v1/runs?${query}&offset=-1`, { headers });
        const text = await answer.text();
        assert.ok(!text.includes("of victim"), `${query}: ${text.slice(0, 200)}`);
        return answer.status;
      };
      server.asked.length = 0;
      for (const query of TWICE) assert.equal(await read(query), 400, query);
      for (const query of VICTIM) assert.equal(await read(query), 403, query);
      assert.equal(server.asked.length, 0, "nobody asked the server");
      for (const query of MINE) {
        // Every tag but "mine" is another tenant's.
        const status = await read(query);
        assert.ok(status === 200 || status === 403, `${query}: ${status}`);
      }
      for (const headers of HEADERS) assert.equal(await read("tags=mine", headers), 200);
      assert.ok(server.asked.length > 5, "the copy is partial: snapshots are the server's");
      for (const { tags, names, headers, path, rest } of server.asked) {
        assert.equal(path, "/realtime/v1/runs");
        assert.equal(tags, "mine");
        assert.equal(new Set(names).size, names.length, `each once: ${names}`);
        // On a slow machine the copy changes meanwhile, and is requested once more, with the server's own handle.
        const known = ["tags", "createdAt", "skipColumns", "offset", "log", "handle"];
        for (const one of names) assert.ok(known.includes(one), one);
        assert.ok(rest.handle === undefined || rest.handle === "runs_0_1_x", rest.handle);
        assert.ok(rest.createdAt === undefined || rest.createdAt === "1h", rest.createdAt);
        assert.equal(headers.authorization, `Bearer ${KEY}`);
        for (const one of [
          "x-trigger-branch",
          "cookie",
          "x-forwarded-host",
          "forwarded",
          "x-original-url",
          "x-tenant",
        ]) {
          assert.equal(headers[one], undefined, one);
        }
      }
      await stop();
      await handler.close();
    });
  }

  it("is told what the server tells of tags that cannot be: they are no feed, and not the environment's", async () => {
    const handler = createRealtimeHandler({
      accessToken: KEY,
      baseURL: server.url,
      authorize: () => ({ scopes: ["read:runs"] }),
    });
    server.asked.length = 0;
    for (const tags of ["a,", ",", "a,,b", "%22", "a%5Cb", "a%00", "a%0A"]) {
      const answer = await handler(new Request(`http://app.example/realtime/v1/runs?tags=${tags}&offset=-1`));
      assert.equal(answer.status, 400, tags);
    }
    assert.equal(server.asked.length, 0);
    await handler.close();
  });
});

describe("a request that names two things", { timeout: 60_000 }, () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  it("is refused, before the app is asked and everywhere alike", async () => {
    const seen = [];
    const handler = handlerOver(server, {
      authorize: (request) => {
        seen.push(request.url);
        return null;
      },
    });
    const listening = await handler.listen();
    const node = http.createServer({ requireHostHeader: false }, handler.node);
    node.listen(0, "127.0.0.1");
    await once(node, "listening");
    const secret = "/realtime/v1/runs/run_secret?offset=-1";
    const LINES = [
      [`GET ${secret} HTTP/1.1`, "host: app.example/realtime/v1/runs/run_public?x="],
      [`GET ${secret} HTTP/1.1`, "host: app.example#"],
      [`GET ${secret} HTTP/1.1`, "host: app.example?x="],
      [`GET ${secret} HTTP/1.1`, "host: user@app.example"],
      [`GET ${secret} HTTP/1.1`, "host: app.example\\a"],
      [`GET ${secret} HTTP/1.1`, "host: 1.2.3.4.5"],
      [`GET ${secret} HTTP/1.1`, "host:"],
      [`GET ${secret} HTTP/1.1`, "host: a", "host: b"],
      [`GET http://evil.example${secret} HTTP/1.1`, "host: app.example"],
      [`GET http://app.example@evil.example${secret} HTTP/1.1`, "host: evil.example"],
      [`GET ${secret} HTTP/1.1`, "host: a", "last-event-id: 1", "last-event-id: 2"],
      [`GET ${secret} HTTP/1.1`, "host: a", "x-trigger-branch: 1", "X-Trigger-Branch: 2"],
    ];
    for (const [way, url] of [
      ["listen()", listening.url],
      ["node", `http://127.0.0.1:${node.address().port}`],
    ]) {
      for (const lines of LINES) assert.equal(await raw(url, lines), 400, `${way}: ${lines}`);
      assert.deepEqual(seen, [], way);
      assert.equal(await raw(url, [`GET ${secret} HTTP/1.1`, "host: app.example:8080"]), 401);
      assert.equal(await raw(url, [`GET http://app.example:8080${secret} HTTP/1.1`, "host: app.example:8080"]), 401);
      assert.deepEqual(seen.splice(0), [`http://app.example:8080${secret}`, `http://app.example:8080${secret}`], way);
    }
    node.closeAllConnections();
    node.close();
    await handler.close();
  });

  it("carries one token to the server, written anew", async () => {
    const seen = [];
    const echo = http.createServer((req, res) => {
      seen.push(req.headers.authorization);
      res.end("{}");
    });
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    const handler = createRealtimeHandler({ accessToken: KEY, baseURL: `http://127.0.0.1:${echo.address().port}` });
    const ask = async (authorization) =>
      (await handler(new Request("http://app.example/api/v3/runs/run_1", { headers: { authorization } }))).status;
    for (const text of ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c", "a.b.c"])
      assert.equal(await ask(text), 200, text);
    assert.deepEqual(seen, Array(4).fill("Bearer a.b.c"));
    for (const text of ["Bearer a, Bearer b", "Basic a.b.c", "Bearer", "Bearer a b"])
      assert.equal(await ask(text), 401, text);
    assert.equal(seen.length, 4);
    echo.closeAllConnections();
    echo.close();
    await handler.close();
  });
});

describe("a page of another origin", { timeout: 60_000 }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun({ status: "EXECUTING", realtimeStreams: ["ai"] });
    await server.write(run, "ai", [{ data: "one" }]);
  });
  after(() => server.stop());
  const session = { cookie: "session=1", "timeout-seconds": "1" };
  const authorize = (request) => (request.headers.get("cookie") === "session=1" ? { scopes: ["read:runs"] } : null);

  for (const { name, open } of WAYS) {
    it(`reads nothing with a visitor's session through ${name}, unless the app names it`, async () => {
      const handler = handlerOver(server, { authorize, allowOrigins: ["https://friend.example"] });
      const { ask, url, stop } = await open(handler);
      const own = url ?? "http://app.example";
      for (const path of [
        `/realtime/v1/streams/${run}/ai`,
        `/realtime/v1/runs/${run}?offset=-1`,
        `/api/v3/runs/${run}`,
      ]) {
        for (const [more, isRefused] of [
          [{ origin: "https://evil.example" }, true],
          [{ origin: "null" }, true],
          [{ "sec-fetch-site": "cross-site" }, true],
          [{ origin: own }, false],
          [{ origin: own, "sec-fetch-site": "same-origin" }, false],
          [{ origin: "https://friend.example", "sec-fetch-site": "cross-site" }, false],
          [{}, false],
        ]) {
          // Headers that browsers set themselves, and that fetch() here would not send as given.
          const answer = await ask(path, { headers: { ...session, ...more } });
          const text = await beginning(answer);
          const said = `${path} ${JSON.stringify(more)}: ${answer.status} ${text.slice(0, 100)}`;
          if (isRefused) assert.equal(answer.status, 403, said);
          else assert.ok(answer.status === 200 || path.startsWith("/api/"), said);
          const isFriend = more.origin === "https://friend.example";
          assert.equal(answer.headers.get("access-control-allow-credentials"), isFriend ? "true" : null, said);
          if (isFriend) assert.equal(answer.headers.get("access-control-allow-origin"), more.origin, said);
        }
      }
      const preflight = (origin) =>
        ask(`/realtime/v1/runs/${run}`, {
          method: "OPTIONS",
          headers: {
            origin,
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
          },
        });
      assert.equal((await preflight("https://evil.example")).status, 403);
      const allowed = await preflight("https://friend.example");
      assert.equal(allowed.status, 200);
      assert.equal(allowed.headers.get("access-control-allow-credentials"), "true");
      const stranger = await ask(`/realtime/v1/runs/${run}`, { headers: { origin: "https://friend.example" } });
      assert.equal(stranger.status, 401);
      assert.equal(stranger.headers.get("access-control-allow-origin"), "https://friend.example", "it can read why");
      const near = await ask(`/realtime/v1/runs/${run}`);
      assert.equal(near.status, 401);
      for (const [header, value] of near.headers) {
        if (/^(access-control-allow-origin|vary|date)$/.test(header)) continue;
        assert.equal(stranger.headers.get(header), value, `${header} is as for a page of the app's own`);
      }
      assert.equal(await stranger.text(), await near.text());
      await stop();
      await handler.close();
    });
  }

  it("reads what its token opens, and is allowed no credentials", async () => {
    const handler = handlerOver(server);
    const { url } = await handler.listen();
    const headers = {
      authorization: `Bearer ${tokenFor(["read:runs"])}`,
      origin: "https://page.example",
      "timeout-seconds": "1",
    };
    for (const path of [
      `/realtime/v1/streams/${run}/ai`,
      `/api/v3/runs/${run}`,
      `/realtime/v1/runs/${run}?offset=-1`,
    ]) {
      const answer = await fetch(url + path, { headers });
      await beginning(answer);
      assert.equal(answer.status, 200, path);
      assert.ok(["*", "https://page.example"].includes(answer.headers.get("access-control-allow-origin")), path);
      assert.equal(answer.headers.get("access-control-allow-credentials"), null, path);
    }
    await handler.close();
  });

  it("is named as browsers name it, or the handler is not made", () => {
    for (const allowOrigins of [
      "*",
      ["*"],
      ["app.example"],
      ["https://app.example/"],
      ["https://App.example"],
      [5],
      [undefined],
    ]) {
      assert.throws(() => createRealtimeHandler({ allowOrigins }), {
        code: "ERR_INVALID_OPTIONS",
        message: /allowOrigins/,
      });
    }
  });
});
