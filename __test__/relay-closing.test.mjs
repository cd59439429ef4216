// What is under way when a listener or the handler is closed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { getRequestListener } from "@hono/node-server";
import { createRealtimeHandler } from "trigger-native";
import { connect } from "trigger-native/client";
import { asking } from "./support/live.mjs";
import { bearer, handlerOver, startServer, tokenFor, WAYS } from "./support/relay.mjs";
import { CONFIGURATION, RUN } from "./support/relay-face.mjs";

const PATH = "/relay/v1/live";

/** The ways to ask a listener: each gives the pieces of the answer's body, and fails where that is cut. */
const PROTOCOLS = {
  "HTTP/1.1": async function* (url, { headers, body }) {
    const response = await fetch(url + PATH, { method: "POST", headers, body });
    yield* response.body.pipeThrough(new TextDecoderStream());
  },
  "HTTP/2": async function* (url, { headers, body }) {
    const session = http2.connect(url);
    try {
      const request = session.request({ ":path": PATH, ":method": "POST", ...headers });
      request.end(body);
      yield* request.setEncoding("utf8");
      assert.equal(request.rstCode, http2.constants.NGHTTP2_NO_ERROR);
    } finally {
      session.destroy();
    }
  },
};

describe("a live response", { timeout: 60_000 }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun({ status: "EXECUTING" });
  });
  after(() => server.stop());

  for (const [protocol, piecesOf] of Object.entries(PROTOCOLS)) {
    for (const closed of ["listener", "handler"]) {
      it(`over ${protocol} ends whole, and tells its page to ask again, when the ${closed} is closed`, async () => {
        const handler = handlerOver(server);
        const listener = await handler.listen();
        const wants = asking([{ id: "a", run }], bearer(`read:runs:${run}`));
        let text = "";
        let closing;
        for await (const piece of piecesOf(listener.url, wants)) {
          text += piece;
          if (text.includes("event: ready")) closing ??= { listener, handler }[closed].close();
        }
        assert.match(text, /event: again\n.*\n\n$/s);
        await closing;
        await handler.close();
      });
    }
  }
});

describe("a server that stops", { timeout: 60_000 }, () => {
  for (const [way, answers] of Object.entries({
    "handler.node": (handler) => handler.node,
    "handler(request)": (handler) => getRequestListener(handler),
  })) {
    it(`does not wait for pages that ask its closed handler again, over ${way}`, async (t) => {
      const server = await startServer();
      t.after(() => server.stop());
      const run = await server.makeRun({ status: "EXECUTING" });
      const handler = handlerOver(server);
      const app = http.createServer(answers(handler));
      // A connection without a request is kept for longer than the test has.
      app.keepAliveTimeout = 600_000;
      await once(app.listen(0, "127.0.0.1"), "listening");
      const connection = connect({
        url: `http://127.0.0.1:${app.address().port}`,
        accessToken: tokenFor([`read:runs:${run}`]),
      });
      t.after(() => connection.close());
      await new Promise((resolve) => {
        connection.run(run).subscribe(({ state }) => state === "live" && resolve());
      });
      await handler.close();
      const { status, headers } = await fetch(`http://127.0.0.1:${app.address().port}${RUN}`);
      assert.deepEqual([status, headers.get("connection")], [503, "close"]);
      await new Promise((resolve) => app.close(resolve));
    });
  }
});

it("viewers who leave closed handlers leave nothing in the answers of others", () => {
  const { CLIENT_CLOSED, endConnection } = createRequire(import.meta.url)("../js/relay/response.js");
  for (let viewer = 0; viewer < 3; viewer++) {
    assert.deepEqual(endConnection(CLIENT_CLOSED), { status: 499, headers: ["connection", "close"] });
  }
  assert.deepEqual(CLIENT_CLOSED, { status: 499, headers: [] });
});

it("a closed handler answers over HTTP/2 without a header that is none of it", { timeout: 60_000 }, async (t) => {
  const warnings = [];
  const heard = ({ name }) => warnings.push(name);
  process.on("warning", heard);
  t.after(() => process.off("warning", heard));
  const handler = createRealtimeHandler(CONFIGURATION);
  await handler.close();
  const app = http2.createServer(handler.node);
  await once(app.listen(0, "127.0.0.1"), "listening");
  const session = http2.connect(`http://127.0.0.1:${app.address().port}`);
  const request = session.request({ ":path": RUN });
  const [headers] = await once(request, "response");
  request.resume();
  await once(request, "end");
  session.close();
  await new Promise((resolve) => app.close(resolve));
  assert.deepEqual([headers[":status"], headers.connection, warnings], [503, undefined, []]);
});

describe("a request that waits for authorize()", { timeout: 60_000 }, () => {
  /** An `authorize` that never answers, with a time-out far beyond the test's, and a promise of its call. */
  function hanging() {
    let called;
    const asked = new Promise((resolve) => {
      called = resolve;
    });
    const authorize = () => {
      called();
      return new Promise(() => {});
    };
    return { asked, options: { ...CONFIGURATION, authorize, authorizeTimeoutMs: 600_000 } };
  }

  for (const { name, open } of WAYS) {
    it(`is answered 503 through ${name} when the handler is closed`, async () => {
      const { asked, options } = hanging();
      const handler = createRealtimeHandler(options);
      const way = await open(handler);
      const answer = way.ask(RUN);
      await asked;
      await handler.close();
      const response = await answer;
      assert.deepEqual([response.status, await response.json()], [503, { error: "The relay was closed" }]);
      await way.stop();
    });
  }

  it("is answered 503 when its listener alone is closed", async () => {
    const { asked, options } = hanging();
    const handler = createRealtimeHandler(options);
    const listener = await handler.listen();
    const answer = fetch(listener.url + RUN);
    await asked;
    await listener.close();
    assert.equal((await answer).status, 503);
    await handler.close();
  });

  for (const [moment, close] of Object.entries({
    "while it waits": "setImmediate(() => handler.close())",
    "by authorize() itself": "handler.close()",
  })) {
    it(`is answered 503 and keeps no process alive once the handler is closed ${moment}`, () => {
      const program = `
        const { createRealtimeHandler } = require("trigger-native");
        const configuration = ${JSON.stringify(CONFIGURATION)};
        const authorize = () => new Promise(() => void ${close});
        const handler = createRealtimeHandler({ ...configuration, authorize, authorizeTimeoutMs: 600_000 });
        handler(new Request("http://app.example${RUN}")).then(({ status }) => console.log(status));`;
      const { status, stdout } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8", timeout: 30_000 });
      assert.deepEqual([status, stdout], [0, "503\n"]);
    });
  }
});
