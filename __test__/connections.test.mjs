// Connections that were forgotten on the way: packets on them are dropped, and neither side closed them. A NAT, a load
// balancer and a machine that was frozen do so.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { auth, configure, createRealtimeHandler, tasks } from "trigger-native";
import { cleanEnvironment } from "./support/client.mjs";

/** As long as idle connections are trusted, and a little. */
const PAUSE_MS = 4_300;
/** An attempt's time-out is 30 s: whatever met a dead connection takes longer than this. */
const AT_ONCE_MS = 10_000;

/** A server that can forget its connections. */
async function forgetful() {
  const sockets = new Set();
  const forgotten = new WeakSet();
  const triggers = [];
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (forgotten.has(request.socket)) return;
    if (request.url.includes("/trigger")) triggers.push(request.headers["x-trigger-request-idempotency-key"]);
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ id: "run_1234", sub: "env_1234", pub: true }));
    });
  });
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    baseURL: `http://127.0.0.1:${server.address().port}`,
    triggers,
    forget: () => {
      for (const socket of sockets) forgotten.add(socket);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe("a connection that was forgotten on the way", { concurrency: true }, () => {
  const accessToken = "tr_dev_connectionsconnection";
  let servers;
  let own;
  before(async () => {
    servers = [await forgetful(), await forgetful(), await forgetful()];
    own = servers[0];
    configure({ baseURL: own.baseURL, accessToken });
  });
  after(() => {
    for (const server of servers) server.close();
  });

  it("is not met by a call after a pause", async () => {
    await tasks.trigger("task", 1);
    await sleep(PAUSE_MS);
    own.forget();
    const began = performance.now();
    await tasks.trigger("task", 2);
    assert.ok(performance.now() - began < AT_ONCE_MS);
    assert.equal(own.triggers.length, 2);
    assert.equal(new Set(own.triggers).size, 2, "each with a key of its own");
  });

  it("is not met by a trigger through the relay after a pause", async () => {
    const [, server] = servers;
    const handler = createRealtimeHandler({ baseURL: server.baseURL, accessToken });
    // Made by the relay's own key: the relay verifies it without a request.
    const token = await auth.createTriggerPublicToken("task", { multipleUse: true });
    const trigger = async () => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const url = "http://app.example/api/v1/tasks/task/trigger";
      const answer = await handler(new Request(url, { method: "POST", headers, body: '{"payload":"1"}' }));
      assert.equal(answer.status, 200, await answer.text());
    };
    await trigger();
    await sleep(PAUSE_MS);
    server.forget();
    const began = performance.now();
    await trigger();
    assert.ok(performance.now() - began < AT_ONCE_MS);
    assert.equal(server.triggers.length, 2, "and is sent once");
    await handler.close();
  });

  it("is not met by a process that was frozen and goes on", {
    skip: process.platform === "win32" && "Windows has no signals that stop a process",
  }, async () => {
    const [, , server] = servers;
    const source = `
      const { tasks, configure } = require("./index.js");
      configure(${JSON.stringify({ baseURL: server.baseURL, accessToken })});
      process.stdin.on("data", async () => {
        const began = performance.now();
        await tasks.trigger("task", 1);
        console.log(performance.now() - began);
      });
      console.log("ready");`;
    const cwd = fileURLToPath(new URL("../", import.meta.url));
    const child = spawn(process.execPath, ["-e", source], { cwd, env: cleanEnvironment(), stdio: ["pipe", "pipe", 2] });
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      await lines.next();
      child.stdin.write("\n");
      await lines.next();
      child.kill("SIGSTOP");
      await sleep(PAUSE_MS);
      server.forget();
      child.kill("SIGCONT");
      child.stdin.write("\n");
      const { value: ms } = await lines.next();
      assert.ok(Number(ms) < AT_ONCE_MS, `${ms} ms`);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
