// Requests, written byte by byte, that try to mean one thing to the relay and another to the server. And proxied ones.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { createRealtimeHandler } from "trigger-native";

import { KEY, startFront, startWithRuns, token } from "./support/viewers.mjs";

/** Sends bytes to a listener; resolves to its answers, once it ends or is silent for so long after its first byte. */
function send(url, text, quiet = 2_000) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
    let answered = "";
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on("data", (piece) => {
      answered += piece.toString("latin1");
      socket.setTimeout(quiet);
    });
    socket.on("error", (error) => (error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error)));
    socket.on("close", () => resolve(answered));
    socket.write(Buffer.from(text, "latin1"));
  });
}

const statuses = (answered) => [...answered.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

describe("a listener over raw connections", () => {
  let world;
  let handler;
  let url;
  let path;
  let mine;
  let all;
  before(async () => {
    world = await startWithRuns();
    handler = createRealtimeHandler({ accessToken: KEY, baseURL: world.emulator.url });
    ({ url } = await handler.listen());
    path = `/realtime/v1/runs/${world.runs[0].id}?offset=-1`;
    mine = `Authorization: Bearer ${token([`read:runs:${world.runs[1].id}`])}`;
    all = `Authorization: Bearer ${token(["read:runs"])}`;
  });
  after(async () => {
    await handler?.close();
    await world?.emulator.stop();
  });

  /** A GET of a run with these header lines. */
  const get = (lines, target = path) =>
    send(url, [`GET ${target} HTTP/1.1`, "Host: app.example", ...lines, "Connection: close", "", ""].join("\r\n"));

  test("takes the scheme in any case, and nothing that only looks like it", async () => {
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      assert.deepEqual(statuses(await get([all.replace("Bearer", scheme)])), [200], scheme);
    }
    for (const scheme of ["Bearerx", "Basic", "Bearer,", "\u00a0Bearer"]) {
      const [status] = statuses(await get([all.replace("Bearer", scheme)]));
      assert.ok([400, 401].includes(status), `${scheme}: ${status}`);
    }
  });

  test("refuses more than one Authorization, in whichever order and case", async () => {
    for (const lines of [
      [all, mine],
      [mine, all],
      [all, mine.replace("Authorization", "authorization")],
      [all, all],
      [all, "Authorization:"],
    ]) {
      assert.deepEqual(statuses(await get(lines)), [401], lines.join());
      // The same for a proxied request.
      const [status] = statuses(await get(lines, `/api/v3/runs/${world.runs[0].id}`));
      assert.ok(status >= 400 && status < 500, `${status}`);
    }
  });

  test("refuses what is no header", async () => {
    for (const lines of [
      // A folded header: some readers take the line for a part of the value, others for a header of its own.
      ["X-A: b", ` ${all}`],
      [all, " folded"],
      ["Authorization", all.slice("Authorization: ".length)],
      [all.replace(":", " :")],
      [all.replace("Authorization", "Authoriz\0ation")],
      [`${all}\0`],
      [all.replace("Bearer ", "Bearer \0")],
      [all.replace("Bearer ", "Bearer \r")],
    ]) {
      const told = statuses(await get(lines));
      assert.ok(
        told.every((status) => status === 400 || status === 401),
        `${JSON.stringify(lines)}: ${told}`,
      );
    }
  });

  test("refuses a request without a host, unless it is of HTTP/1.0, which needs none", async () => {
    assert.deepEqual(statuses(await send(url, `GET ${path} HTTP/1.1\r\n${all}\r\n\r\n`, 300)), [400]);
    assert.match(await send(url, `GET ${path} HTTP/1.0\r\n${all}\r\n\r\n`), /^HTTP\/1\.0 200 /);
  });

  test("reads one request where its length is told in two ways, or refuses it", async () => {
    const before = (await world.emulator.stats()).total;
    const hidden = `GET ${path} HTTP/1.1\r\nHost: app.example\r\n${all}\r\n\r\n`;
    for (const [length, coding] of [
      [4, "Transfer-Encoding: chunked"],
      [4, "Transfer-Encoding: xchunked"],
      [4, "Transfer-Encoding: chunked, identity"],
      [4, "Transfer-Encoding : chunked"],
      [4, "Content-Length: 5"],
      ["+4", "X-A: b"],
      ["4, 5", "X-A: b"],
    ]) {
      const first = ["POST /api/v1/tasks/a/trigger HTTP/1.1", "Host: app.example", `Content-Length: ${length}`, coding];
      const told = statuses(await send(url, `${first.join("\r\n")}\r\n\r\n0\r\n\r\n${hidden}`, 500));
      // The first request has no route. What is hidden behind it may be answered only if every reader sees a request.
      assert.ok(told[0] === 400 || told[0] === 401, `${length}, ${coding}: ${told}`);
      if (told.length > 1) assert.ok(coding === "Transfer-Encoding: chunked", `${length}, ${coding}: ${told}`);
    }
    assert.equal(
      (await world.emulator.stats()).byRoute["POST /api/v1/tasks/{id}/trigger"] ?? 0,
      3,
      "those of the setup",
    );
    assert.ok((await world.emulator.stats()).total - before < 8);
  });

  test("goes by its own path where a target names another host", async () => {
    for (const target of [
      `http://elsewhere.example${path}`,
      `https://169.254.169.254${path}`,
      `http://user:password@elsewhere.example${path}`,
    ]) {
      const told = statuses(await get([all], target));
      assert.ok(told.length === 1 && [200, 400, 404].includes(told[0]), `${target}: ${told}`);
    }
    for (const target of ["elsewhere.example:80", "*", `//elsewhere.example${path}`, `\\\\elsewhere${path}`]) {
      const told = statuses(await get([all], target));
      assert.ok(
        told.every((status) => status === 400 || status === 404),
        `${target}: ${told}`,
      );
    }
    for (const before of ["//elsewhere.example", "/a//b", "/a/../b", "/a%2Fb", "/a%5cb"]) {
      const bearer = all.slice("Authorization: ".length);
      const request = new Request("http://app.example/", { headers: { authorization: bearer } });
      Object.defineProperty(request, "url", { value: `http://app.example${before}${path}` });
      assert.equal((await handler(request)).status, 404, before);
      assert.deepEqual(statuses(await get([all], `${before}${path}`)), [404], before);
    }
    const connect = await send(url, `CONNECT elsewhere.example:80 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n`, 500);
    assert.ok(
      statuses(connect).every((status) => status >= 400),
      connect,
    );
  });

  test("reaches nothing by a path that climbs, hides a slash or asks twice", async () => {
    const before = await world.emulator.stats();
    for (const target of [
      "/realtime/v1/../../emulator/stats",
      "/realtime/v1/runs/../../../emulator/runs",
      "/realtime/v1/runs/..%2f..%2femulator",
      "/realtime/v1/runs/%2e%2e/%2e%2e",
      "/realtime/v1/runs/a%2f..%2fb",
      "/realtime/v1/runs/a\\..\\b",
      "/realtime/v1/runs/%00",
      "/realtime/v1/runs/a%0d%0aX-A:b",
      "/realtime/v1/runs/%C0%AE%C0%AE",
      "/REALTIME/v1/runs/a",
      "/realtime/v1/runs/a;b",
      "/api/v1/whoami",
      "/emulator/stats",
    ]) {
      const told = statuses(await get([all], target));
      assert.ok(
        told.every((status) => status === 400 || status === 404),
        `${target}: ${told}`,
      );
    }
    const { byRoute } = await world.emulator.stats();
    assert.equal(byRoute.unknown, before.byRoute.unknown, "nothing that is not on the list was asked for");
  });
});

describe("what passes through", () => {
  let echo;
  let handler;
  let listening;
  before(async () => {
    echo = await startFront();
    handler = createRealtimeHandler({ accessToken: KEY, baseURL: echo.url });
    listening = await handler.listen();
  });
  after(async () => {
    await handler?.close();
    await echo?.stop();
  });

  const headers = {
    authorization: "Bearer tr_pub_viewer",
    connection: "authorization, x-hop",
    "x-hop": "1",
    cookie: "session=1",
    "x-forwarded-for": "10.0.0.1",
    forwarded: "for=10.0.0.1",
    "proxy-authorization": "Basic eDp5",
    "x-trigger-client": "browser",
  };
  const ROUTES = [
    ["POST", "/api/v1/tasks/a/trigger"],
    ["POST", "/api/v1/waitpoints/tokens/w/complete"],
    ["GET", "/api/v3/runs/r"],
  ];

  test("carries the viewer's own token, and neither the relay's key nor cookies", async () => {
    for (const [method, path] of ROUTES) {
      const lines = Object.entries({ host: "app.example", ...headers }).map(([name, value]) => `${name}: ${value}`);
      echo.seen.length = 0;
      const answered = await send(
        listening.url,
        [`${method} ${path}?a=b HTTP/1.1`, ...lines, "", ""].join("\r\n"),
        300,
      );
      assert.deepEqual(statuses(answered), [200], path);
      const { connection: _, ...plain } = headers;
      const request = new Request(`http://app.example${path}?a=b`, { method, headers: plain });
      assert.equal((await handler(request)).status, 200);
      assert.equal(echo.seen.length, 2);
      for (const seen of echo.seen) {
        assert.equal(seen.path, `${path}?a=b`);
        assert.equal(seen.headers.authorization, headers.authorization);
        assert.equal(seen.headers["x-trigger-client"], "browser");
        assert.equal(seen.headers.host, new URL(echo.url).host);
        for (const name of ["cookie", "x-forwarded-for", "forwarded", "proxy-authorization"]) {
          assert.equal(seen.headers[name], undefined, `${path}: ${name}`);
        }
        assert.ok(!seen.raw.join().includes(KEY), path);
      }
      assert.equal(echo.seen[0].headers["x-hop"], undefined);
    }
  });

  test("is nothing without a token, and carries the relay's key only for who sent it", async () => {
    for (const [method, path] of ROUTES) {
      echo.seen.length = 0;
      const answer = await fetch(`${listening.url}${path}`, { method, headers: { cookie: "session=1" } });
      assert.equal(answer.status, 401);
      assert.equal(echo.seen.length, 0);
      await fetch(`${listening.url}${path}`, { method, headers: { authorization: `Bearer ${KEY}` } });
      assert.equal(echo.with(KEY).length, 1);
    }
  });

  test("asks no server but the relay's, whatever the request says of hosts", async () => {
    echo.seen.length = 0;
    for (const lines of [
      ["GET http://elsewhere.example/api/v3/runs/r HTTP/1.1", "host: elsewhere.example"],
      ["GET /api/v3/runs/r HTTP/1.1", "host: elsewhere.example", "x-forwarded-host: elsewhere.example"],
      ["GET /api/v3/runs/r?url=http://elsewhere.example HTTP/1.1", "host: a", "x-original-url: /emulator"],
    ]) {
      const text = [...lines, "authorization: Bearer tr_pub_viewer", "connection: close", "", ""].join("\r\n");
      assert.ok(statuses(await send(listening.url, text, 500)).every((status) => [200, 400, 404].includes(status)));
    }
    for (const { path, headers } of echo.seen) {
      assert.ok(path.startsWith("/api/v3/runs/r"), path);
      assert.equal(headers.host, new URL(echo.url).host);
    }
  });
});
