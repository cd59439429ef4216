// Polls of a browser without TLS: a few are held, others are answered within a second, so that its six connections are
// not all taken (docs/relay-feeds.md, F12).

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { selfSigned } from "./support/certificate.mjs";
import { asking } from "./support/live.mjs";
import { bearer, handlerOver, serve, snapshot, startServer, until, WAYS } from "./support/relay.mjs";

const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const HELD = 3;
/** Longer than a poll that is answered early may take, and shorter than one that is held. */
const SOON_MS = 5_000;

describe("polls of a browser without TLS", { timeout: 60_000, concurrency: true }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun({ status: "EXECUTING" });
  });
  after(() => server.stop());

  /** Begins `count` polls, and gives the answers that came. */
  async function poll(ask, count, headers, answered = [], id = run) {
    const all = { ...bearer(`read:runs:${id}`), ...headers };
    const { live } = await snapshot(ask, id, all);
    const left = new AbortController();
    for (let n = 0; n < count; n++) {
      ask(live, { headers: all, signal: left.signal }).then(
        async (response) => answered.push({ response, body: await response.text() }),
        () => {},
      );
    }
    return { answered, live, leave: () => left.abort() };
  }

  for (const { name, open } of WAYS) {
    it(`are held but for those beyond ${HELD}, through ${name}`, async () => {
      const handler = handlerOver(server);
      const { ask, stop } = await open(handler);
      const { answered, live, leave } = await poll(ask, 5, { "user-agent": CHROME });
      await until(() => answered.length === 2, "two are answered", SOON_MS);
      for (const { response, body } of answered) {
        assert.deepEqual([response.status, body], [200, '[{"headers":{"control":"up-to-date"}}]']);
        const place = new URLSearchParams(live.split("?")[1]);
        assert.equal(response.headers.get("electric-offset"), place.get("offset"));
        assert.equal(response.headers.get("electric-handle"), place.get("handle"));
        assert.match(response.headers.get("electric-cursor"), /^\d{13}$/);
      }
      assert.equal(handler.stats().limited.heldPerBrowser, 2);
      await sleep(1_100);
      assert.equal(answered.length, 2, "the others are held");
      assert.equal(handler.stats().viewers.now, HELD);
      // One that leaves gives its place to another.
      leave();
      await until(() => handler.stats().viewers.now === 0, "they are gone", SOON_MS);
      const again = await poll(ask, HELD, { "user-agent": CHROME });
      await sleep(1_100);
      assert.equal(again.answered.length, 0);
      again.leave();
      await stop();
      await handler.close();
    });
  }

  it("have fewer places where open live responses take the places of polls", async () => {
    const handler = handlerOver(server);
    const { url, close } = await handler.listen();
    const ask = (path, init) => fetch(url + path, init);
    const left = new AbortController();
    const headers = { ...bearer(`read:runs:${run}`), "user-agent": CHROME };
    for (let n = 0; n < HELD; n++) {
      const response = await ask("/relay/v1/live", { ...asking([{ id: "a", run }], headers), signal: left.signal });
      assert.equal(response.status, 200);
    }
    const { answered } = await poll(ask, 1, { "user-agent": CHROME });
    await until(() => answered.length === 1, "it is answered", SOON_MS);
    left.abort();
    await until(() => handler.stats().viewers.now === 0, "they are gone", SOON_MS);
    const { answered: again, leave } = await poll(ask, HELD, { "user-agent": CHROME });
    await sleep(1_100);
    assert.equal(again.length, 0, "they are held");
    leave();
    await close();
    await handler.close();
  });

  it("have their news at once", async () => {
    const handler = handlerOver(server);
    const { url, close } = await handler.listen();
    const own = await server.makeRun({ status: "EXECUTING" });
    const ask = (path, init) => fetch(url + path, init);
    const { answered } = await poll(ask, 5, { "user-agent": CHROME }, [], own);
    await until(() => handler.stats().viewers.now === 5, "they ask");
    await server.change(own, { metadata: '{"n":1}' });
    await until(() => answered.length === 5, "all are answered", SOON_MS);
    assert.equal(answered.filter(({ body }) => body.includes('{\\"n\\":1}')).length >= HELD, true);
    await close();
    await handler.close();
  });

  for (const [who, headers] of [
    ["that is no browser's", { "user-agent": "node" }],
    ["of a page behind a proxy with TLS", { "user-agent": CHROME, "x-forwarded-proto": "https" }],
    ["of a page whose origin has TLS", { "user-agent": CHROME, origin: "https://app.example" }],
  ]) {
    it(`are held, every one ${who}`, async () => {
      const handler = handlerOver(server);
      const { url, close } = await handler.listen();
      const { answered, leave } = await poll((path, init) => fetch(url + path, init), 6, headers);
      await until(() => handler.stats().viewers.now === 6, "they are held");
      await sleep(1_100);
      assert.deepEqual([answered.length, handler.stats().viewers.now], [0, 6]);
      leave();
      await close();
      await handler.close();
    });
  }

  it("are held, every one that comes over HTTP/2 or TLS to Node's own servers", async () => {
    const { cert, key } = selfSigned();
    const handler = handlerOver(server);
    const secure = http2.createSecureServer({ cert, key }, handler.node).listen(0, "127.0.0.1");
    const plain = http2.createServer(handler.node).listen(0, "127.0.0.1");
    await Promise.all([once(secure, "listening"), once(plain, "listening")]);
    const { live } = await snapshot((path, init) => handler(new Request(`https://app.example${path}`, init)), run);
    const sessions = [secure, plain].map((of) =>
      http2.connect(`${of === secure ? "https" : "http"}://127.0.0.1:${of.address().port}`, { ca: cert }),
    );
    let answered = 0;
    for (const session of sessions) {
      session.on("error", () => {});
      for (let n = 0; n < 4; n++) {
        const request = session.request({ ":path": live, ...bearer(`read:runs:${run}`), "user-agent": CHROME });
        request.on("response", () => (answered += 1)).on("error", () => {});
      }
    }
    await until(() => handler.stats().viewers.now === 8, "they are held");
    await sleep(1_100);
    assert.equal(answered, 0);
    for (const session of sessions) session.destroy();
    secure.close();
    plain.close();
    await handler.close();
  });

  it("are told apart by the address that a proxy names", async () => {
    const handler = handlerOver(server);
    const site = await serve(handler.node);
    const ask = (path, init) => fetch(site.url + path, init);
    const answered = [];
    const of = (address) => poll(ask, HELD, { "user-agent": CHROME, "x-forwarded-for": address }, answered);
    const polls = [await of("192.0.2.1"), await of("192.0.2.2")];
    await until(() => handler.stats().viewers.now === 2 * HELD, "they are held");
    await sleep(1_100);
    assert.equal(answered.length, 0);
    for (const { leave } of polls) leave();
    await site.stop();
    await handler.close();
  });

  it("are held up to the number that the app gives", async () => {
    const handler = handlerOver(server, { limits: { heldPerBrowser: 1 } });
    const { url, close } = await handler.listen();
    const { answered, leave } = await poll((path, init) => fetch(url + path, init), 3, { "user-agent": CHROME });
    await until(() => answered.length === 2, "two are answered", SOON_MS);
    assert.equal(handler.stats().viewers.now, 1);
    leave();
    await close();
    await handler.close();
  });

  it("have open streams among them", async () => {
    const handler = handlerOver(server);
    const { url, close } = await handler.listen();
    const headers = { ...bearer(`read:runs:${run}`), "user-agent": CHROME };
    const agent = new http.Agent({ maxSockets: 20 });
    const streams = await Promise.all(
      Array.from({ length: HELD }, async () => {
        const request = http.get(`${url}/realtime/v1/streams/${run}/ai`, { headers, agent });
        const [response] = await once(request, "response");
        response.resume().on("error", () => {});
        return request.on("error", () => {});
      }),
    );
    const { answered, leave } = await poll((path, init) => fetch(url + path, init), 1, { "user-agent": CHROME });
    await until(() => answered.length === 1, "the poll is answered", SOON_MS);
    leave();
    for (const request of streams) request.destroy();
    await close();
    await handler.close();
  });
});
