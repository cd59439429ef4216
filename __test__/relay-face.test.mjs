// The relay's face: what its options refuse, how frameworks call it, what an app's own authorization gives.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

const CONFIGURATION = { accessToken: "tr_dev_relayface", baseURL: "http://127.0.0.1:9" };
const RUN = "/realtime/v1/runs/run_1?offset=-1";

/** Calls of the handler at `url`, with a viewer's headers. */
const ask = (handler, path, init) => handler(new Request(`http://app.example${path}`, init));

/** What `work` warns of on the process. */
async function warned(work) {
  const texts = [];
  const listen = (warning) => texts.push(warning.message);
  process.on("warning", listen);
  try {
    await work();
    // Warnings come in the next turn.
    await new Promise(setImmediate);
  } finally {
    process.off("warning", listen);
  }
  return texts;
}

/** A server of Node's `http` or `http2`, for as long as `work` takes. */
async function serving(listener, work, { create = http.createServer } = {}) {
  const server = create(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await work(`http://127.0.0.1:${server.address().port}`, server);
  } finally {
    server.closeAllConnections?.();
    server.close();
    await once(server, "close");
  }
}

describe("options of a realtime handler", () => {
  const wrong = [
    ["an unknown name", { baseUrl: "x" }, /unknown option "baseUrl".*baseURL/],
    ["no object", "x", /must be an object/],
    ["a key that a function makes", { accessToken: () => "x" }, /the secret key itself, not a function/],
    ["a key that is no text", { accessToken: 5 }, /accessToken must be a string/],
    ["a server without a scheme", { baseURL: "api.trigger.dev" }, /baseURL must be the http\(s\) URL/],
    ["a server of another scheme", { baseURL: "ftp://a.b" }, /baseURL must be the http\(s\) URL/],
    ["a base path without a slash", { basePath: "api" }, /basePath must be the path of your route/],
    ["a base path with a host", { basePath: "https://a.b/api" }, /without wildcards, query or host/],
    ["a base path with a wildcard", { basePath: "/api/*" }, /without wildcards/],
    ["a base path that climbs", { basePath: "/api/.." }, /basePath/],
    ["a base path with an encoded slash", { basePath: "/a%2Fb" }, /basePath/],
    ["a family there is not", { allow: ["runs", "all"] }, /allow has "all" in it, expected some of runs, tags/],
    ["families that are no list", { allow: "runs" }, /allow must be an array/],
    ["a limit there is not", { limits: { perToken: 5 } }, /unknown option "perToken" in limits.*viewersPerToken/],
    ["a limit of none", { limits: { viewers: 0 } }, /viewers must be a whole number above 0/],
    ["a hold of no time", { holdMs: 0 }, /holdMs must be a whole number of milliseconds/],
    ["metrics without a path", { metrics: "metrics" }, /metrics must be true/],
    ["authorize that is no function", { authorize: {} }, /authorize must be a function/],
  ];
  for (const [what, options, message] of wrong) {
    it(`refuse ${what}`, () => {
      assert.throws(() => createRealtimeHandler(options), { code: "ERR_INVALID_OPTIONS", message });
    });
  }

  it("may be missing, null or undefined", () => {
    createRealtimeHandler();
    createRealtimeHandler({ accessToken: undefined, baseURL: null, allow: undefined, basePath: "/" });
  });
});

describe("a realtime handler without a key", () => {
  it("is made all the same, and says at the first request what to set, once", () => {
    const program = `
      const { createRealtimeHandler } = require("trigger-native");
      const handler = createRealtimeHandler();
      let warnings = 0;
      process.on("warning", ({ message }) => { if (message.includes("TRIGGER_SECRET_KEY")) warnings += 1; });
      (async () => {
        const answers = [];
        for (const path of ["/a", "${RUN}"]) {
          const answer = await handler(new Request("http://app.example" + path));
          answers.push([answer.status, (await answer.json()).error]);
        }
        process.env.TRIGGER_SECRET_KEY = "tr_dev_x";
        answers.push([(await handler(new Request("http://app.example/a"))).status]);
        console.log(JSON.stringify({ answers, warnings }));
      })();`;
    const env = { PATH: process.env.PATH };
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", program], { env, encoding: "utf8" });
    const { answers, warnings } = JSON.parse(stdout || stderr);
    assert.equal(answers[0][0], 500);
    assert.match(answers[0][1], /TRIGGER_SECRET_KEY/);
    assert.equal(answers[1][0], 500);
    assert.equal(answers[2][0], 404, "the key that was set since is taken");
    assert.equal(warnings, 1);
  });

  it("refuses a public token in its place", async () => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "HS256" })}.${part({ pub: true })}.c2ln`;
    const handler = createRealtimeHandler({ ...CONFIGURATION, accessToken: token });
    const answers = [];
    const warnings = await warned(async () => answers.push(await ask(handler, RUN)));
    assert.equal(answers[0].status, 500);
    const { error } = await answers[0].json();
    assert.match(error, /needs a secret key/);
    assert.ok(!error.includes(token) && warnings.length === 1 && !warnings[0].includes(token));
  });

  it("is told so by listen()", async () => {
    await assert.rejects(createRealtimeHandler({ ...CONFIGURATION, baseURL: "http://a.b/?x" }).listen(), {
      code: "ERR_INVALID_BASE_URL",
    });
  });
});

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
    // As Express does: the mount point is taken out of `url`, and kept in `originalUrl`.
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

describe("authorize", () => {
  /** What is answered, and what the process is told, where `authorize` does that. */
  async function through(authorize, init) {
    const handler = createRealtimeHandler({ ...CONFIGURATION, authorize });
    const answers = [];
    const warnings = await warned(async () => {
      answers.push(await ask(handler, "/nothing", init));
      const listening = await handler.listen();
      answers.push(await fetch(`${listening.url}/nothing`, { ...init, redirect: "manual" }));
      await serving(handler.node, async (url) => {
        const answer = await fetch(`${url}/nothing`, { ...init, redirect: "manual" });
        answers.push(new Response(await answer.text(), answer));
      });
    });
    await handler.close();
    return { answers, warnings };
  }

  const ways = ["the handler", "listen()", "Node's http"];

  it("lets through whom it grants something", async () => {
    for (const given of [
      { scopes: ["read:runs"] },
      { scopes: { read: { runs: "run_1" } }, skipColumns: ["payload"] },
    ]) {
      const { answers, warnings } = await through(async () => given);
      for (const [at, answer] of answers.entries()) assert.equal(answer.status, 404, ways[at]);
      assert.deepEqual(warnings, []);
    }
  });

  it("refuses whom it grants nothing", async () => {
    for (const given of [null, undefined, false]) {
      const { answers } = await through(() => given);
      for (const [at, answer] of answers.entries()) {
        assert.equal(answer.status, 401, ways[at]);
        assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      }
    }
  });

  it("may answer itself, also by throwing", async () => {
    const answer = () =>
      new Response("elsewhere", { status: 302, headers: { location: "/login", "set-cookie": "a=b" } });
    const thrower = () => {
      throw answer();
    };
    for (const authorize of [answer, thrower]) {
      const { answers } = await through(authorize);
      for (const [at, given] of answers.entries()) {
        assert.equal(given.status, 302, ways[at]);
        assert.equal(given.headers.get("location"), "/login");
        assert.equal(await given.text(), "elsewhere");
      }
    }
  });

  it("tells the process what it threw, and the viewer nothing", async () => {
    const { answers, warnings } = await through(() => {
      throw new Error("password hunter2");
    });
    for (const [at, answer] of answers.entries()) {
      assert.equal(answer.status, 500, ways[at]);
      assert.ok(!(await answer.text()).includes("hunter2"));
    }
    assert.ok(warnings.length === 1 && warnings[0].includes("hunter2"));
  });

  it("is told what it returned wrong", async () => {
    for (const [given, message] of [
      [true, /authorize\(\) gave a boolean/],
      [{ scope: [] }, /unknown option "scope"/],
      [{ scopes: [1] }, /scopes must be an array/],
      [{ scopes: { admin: true } }, /scopes\.admin/],
      [{ id: "" }, /id must be a string that is not empty/],
    ]) {
      const { answers, warnings } = await through(() => given);
      for (const [at, answer] of answers.entries()) assert.equal(answer.status, 500, ways[at]);
      assert.match(warnings.join(), message);
    }
  });

  it("sees method, URL and headers, and is not asked about preflights", async () => {
    const seen = [];
    const init = { method: "POST", headers: { cookie: "session=1" } };
    const authorize = (request) => {
      seen.push([request.method, new URL(request.url).pathname, request.headers.get("cookie")]);
      return null;
    };
    await through(authorize, init);
    assert.deepEqual(seen, Array(3).fill(["POST", "/nothing", "session=1"]));
    const { answers } = await through(authorize, { ...init, method: "OPTIONS" });
    for (const answer of answers) assert.notEqual(answer.status, 401);
    assert.equal(seen.length, 3);
  });

  it("may read a copy of the body, and is told when it read the body itself", async () => {
    const init = { method: "POST", body: "x" };
    for (const [read, status] of [
      [(request) => request.clone().text(), 404],
      [(request) => request.text(), 500],
    ]) {
      const handler = createRealtimeHandler({
        ...CONFIGURATION,
        async authorize(request) {
          assert.equal(await read(request), "x");
          return { scopes: ["read:runs"] };
        },
      });
      const answers = [];
      await warned(async () => answers.push(await ask(handler, "/nothing", init)));
      assert.equal(answers[0].status, status);
      await handler.close();
    }
  });
});

describe("a handler that listens", () => {
  it("refuses what cannot be an address", async () => {
    const handler = createRealtimeHandler(CONFIGURATION);
    await assert.rejects(handler.listen({ port: -1 }), { code: "ERR_INVALID_OPTIONS", message: /port/ });
    await assert.rejects(handler.listen({ host: "app.example" }), {
      code: "ERR_INVALID_OPTIONS",
      message: /IP address/,
    });
    const taken = await handler.listen();
    await assert.rejects(handler.listen({ port: Number(new URL(taken.url).port) }), { code: "ERR_RELAY_PORT" });
    await handler.close();
  });

  it("ends with close(), its own and the handler's", async () => {
    const handler = createRealtimeHandler(CONFIGURATION);
    const one = await handler.listen({ host: "localhost" });
    const two = await handler.listen();
    await one.close();
    await one.close();
    await assert.rejects(fetch(`${one.url}/nothing`));
    assert.equal((await fetch(`${two.url}/nothing`)).status, 404);
    await handler.close();
    await handler.close();
    await assert.rejects(fetch(`${two.url}/nothing`));
    assert.equal((await ask(handler, RUN)).status, 503);
    await assert.rejects(handler.listen(), { code: "ERR_CLOSED" });
  });

  it("refuses headers beyond the limit", async () => {
    const handler = createRealtimeHandler({ ...CONFIGURATION, limits: { headerBytes: 10_000 } });
    const listening = await handler.listen();
    const { hostname, port } = new URL(listening.url);
    const socket = net.connect(Number(port), hostname);
    socket.end(`GET /nothing HTTP/1.1\r\nhost: a\r\nx-long: ${"x".repeat(20_000)}\r\n\r\n`);
    let text = "";
    for await (const piece of socket) text += piece;
    assert.match(text, /^HTTP\/1\.1 431 /);
    await handler.close();
  });

  it("alone keeps the process alive", () => {
    const program = (rest) => `
      const { createRealtimeHandler } = require("trigger-native");
      const handler = createRealtimeHandler(${JSON.stringify(CONFIGURATION)});
      handler(new Request("http://app.example/nothing")).then(${rest});`;
    const run = (rest, options) => spawnSync(process.execPath, ["-e", program(rest)], { encoding: "utf8", ...options });
    assert.equal(run("() => console.log('idle')").stdout, "idle\n");
    const closed = "() => handler.listen().then(() => setTimeout(() => { console.log('open'); handler.close(); }, 50))";
    assert.deepEqual([run(closed).stdout, run(closed).status], ["open\n", 0]);
  });
});

describe("a handler that nobody holds", () => {
  it("is collected", () => {
    const program = `
      const { createRealtimeHandler } = require("trigger-native");
      let collected = 0;
      const registry = new FinalizationRegistry(() => { collected += 1; });
      async function make() {
        const handler = createRealtimeHandler(${JSON.stringify(CONFIGURATION)});
        registry.register(handler, 1);
        await handler(new Request("http://app.example/nothing"));
      }
      (async () => {
        for (let n = 0; n < 10; n++) await make();
        for (let turn = 0; turn < 50 && collected < 9; turn++) {
          gc();
          await new Promise((go) => setTimeout(go, 10));
        }
        console.log(collected >= 9);
      })();`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", "-e", program], { encoding: "utf8" });
    assert.equal(stdout, "true\n", stderr);
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
    // Next.js takes `content-encoding` off what a route answers, and leaves the body as it is.
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
