// Which requests go through the proxy that the environment names. The forms of NO_PROXY are tested in `src/http/proxy.rs`.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe, it } from "node:test";
import { runProgram } from "./support/program.mjs";

const PROGRAM = `
  const { configure, runs } = require("./index.js");
  configure({ baseURL, accessToken, requestOptions: { retry: { maxAttempts: 1 } } });
  (async () => {
    await runs.cancel("run_1234");
    await runs.subscribeToRun("run_1234").next().catch((error) => console.log(error.status));
  })();
`;

const REFUSED = `
  const { configure, runs } = require("./index.js");
  configure({ baseURL, accessToken });
  (async () => {
    for (const work of [() => runs.cancel("run_1234"), () => runs.subscribeToRun("run_1234").next()]) {
      await work().then(() => console.log("went out"), (error) => console.log(error.code, error.message));
    }
  })();
`;

describe("a proxy of the environment", () => {
  const seen = [];
  const servers = [];
  let proxy;
  let baseURL;

  /** Notes whom it was asked for. */
  const listen = async (name) => {
    const server = http.createServer((request, response) => {
      seen.push(`${name} ${request.method} ${request.url.startsWith("http") ? "for another" : "itself"}`);
      const isCall = request.method === "POST";
      response.statusCode = isCall ? 200 : 404;
      response.setHeader("content-type", "application/json").end(isCall ? '{"id":"run_1234"}' : '{"error":"none"}');
    });
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${server.address().port}`;
  };

  before(async () => {
    proxy = await listen("proxy");
    baseURL = await listen("server");
  });
  after(() => {
    for (const server of servers) server.close();
  });

  const asked = async (env, url = baseURL) => {
    seen.length = 0;
    const { err, code } = await runProgram(PROGRAM, { baseURL: url, env, timeoutMs: 20_000 });
    assert.equal(code, 0, err);
    return [...seen];
  };
  const direct = ["server POST itself", "server GET itself"];
  const proxied = ["proxy POST for another", "proxy GET for another"];

  it("never gets what is for this machine", async () => {
    assert.deepEqual(await asked({ HTTP_PROXY: proxy, ALL_PROXY: proxy }), direct);
  });

  it("that is written wrongly is named, and nothing goes past it", async () => {
    const env = { HTTP_PROXY: `"${proxy.replace("//", "//me:word@")}"`, NO_PROXY: "<-loopback>" };
    seen.length = 0;
    const { out, err } = await runProgram(REFUSED, { baseURL, env, timeoutMs: 20_000 });
    const lines = out.trim().split("\n");
    assert.equal(lines.length, 2, err);
    for (const line of lines) assert.match(line, /^ERR_INVALID_PROXY the environment variable HTTP_PROXY is no URL/);
    assert.doesNotMatch(out, /word/);
    assert.deepEqual(seen, []);
    assert.deepEqual(await asked({ HTTP_PROXY: env.HTTP_PROXY }), direct, "what needs none is not asked for one");
  });

  it("gets it where that is asked for", async () => {
    assert.deepEqual(await asked({ HTTP_PROXY: proxy, NO_PROXY: "<-loopback>" }), proxied);
  });

  it("gets what is for others, calls and feeds, and not what NO_PROXY names", async () => {
    const elsewhere = "http://trigger.invalid:3030";
    assert.deepEqual(await asked({ HTTP_PROXY: proxy, NO_PROXY: "trigger.invalid:80" }, elsewhere), proxied);
    const named = { HTTP_PROXY: proxy, NO_PROXY: `<-loopback>,${baseURL.slice("http://".length)}` };
    assert.deepEqual(await asked(named), direct);
    assert.deepEqual(await asked({ HTTP_PROXY: proxy, no_proxy: "*" }), direct);
  });
});
