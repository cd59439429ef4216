// The lifetime of a relay: while it listens, once it is closed, and when it is no longer referenced.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import net from "node:net";
import { describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { ask, CONFIGURATION, RUN } from "./support/relay-face.mjs";

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
