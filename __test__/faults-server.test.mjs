/** The fault peer itself: what it sends is seen by a plain HTTP client as meant. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { describe, test } from "node:test";
import * as answers from "./support/answers.mjs";
import { feedScript, startFaultServer } from "./support/fault-server.mjs";
import { reset } from "./support/reset.mjs";
import { executing, insert, row, upToDate } from "./support/rows.mjs";

async function ask(answer, { timeoutMs = 2_000, path = "/realtime/v1/runs/r?offset=-1" } = {}) {
  const server = await startFaultServer(() => answer);
  try {
    const response = await fetch(server.url + path, { signal: AbortSignal.timeout(timeoutMs), redirect: "manual" });
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      requests: server.requests,
    };
  } finally {
    await server.stop();
  }
}

const list = [insert(row()), upToDate()];

test("a connection breaks off also where it was about to end", async () => {
  for (const isEnding of [false, true]) {
    const server = net.createServer((socket) => {
      socket.write("x");
      if (isEnding) socket.end();
      reset(socket);
      // Node would fail here with EINVAL, and the process would never end.
      socket.on("error", (error) => server.emit("error", error));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = net.connect(server.address().port, "127.0.0.1").resume();
    client.on("error", () => {});
    await new Promise((resolve) => client.on("close", resolve));
    server.close();
    await once(server, "close");
  }
});

describe("the fault server", { concurrency: 8 }, () => {
  test("answers a whole snapshot", async () => {
    const { status, headers, text, requests } = await ask(answers.snapshot(row()));
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(text), list);
    for (const name of ["electric-handle", "electric-offset", "electric-schema"]) assert.ok(headers.get(name), name);
    assert.equal(requests[0].start, true);
  });

  test("trickles an answer without changing it", async () => {
    const { text } = await ask(answers.trickle(answers.messageBytes(list), { size: 1, everyMs: 0 }));
    assert.deepEqual(JSON.parse(text), list);
  });

  for (const how of ["length", "chunked", "reset"]) {
    test(`drops a body (${how})`, () => assert.rejects(ask(answers.cutBody(list, {}, how))));
  }

  test("goes silent in a body", () =>
    assert.rejects(ask(answers.cutBody(list, {}, "silence"), { timeoutMs: 200 }), { name: "TimeoutError" }));

  test("holds a request", () => assert.rejects(ask(answers.hold(), { timeoutMs: 200 }), { name: "TimeoutError" }));

  test("breaks gzip", () => assert.rejects(ask(answers.brokenGzip(row()))));

  test("cuts JSON inside a complete answer", async () => {
    const { text } = await ask(answers.cutJson(row()));
    assert.throws(() => JSON.parse(text), SyntaxError);
  });

  test("answers 204, 301, 409 and pages", async () => {
    assert.equal((await ask(answers.noContent())).status, 204);
    assert.equal((await ask(answers.redirect("/elsewhere"))).headers.get("location"), "/elsewhere");
    assert.equal((await ask(answers.refetch({ body: "" }))).status, 409);
    assert.match((await ask(answers.html())).text, /^<!doctype html>/);
  });

  test("drops connections once a client has asked too often", async () => {
    const server = await startFaultServer(() => answers.html(), { maxRequests: 2 });
    try {
      await (await fetch(server.url)).text();
      await (await fetch(server.url)).text();
      await assert.rejects(fetch(server.url));
    } finally {
      await server.stop();
    }
  });

  test("gives a feed its answers in order and repeats the last", async () => {
    const script = feedScript({
      start: [answers.snapshot(row())],
      live: [answers.change(executing(), "2_2"), answers.nothingNew("2_2")],
    });
    const server = await startFaultServer(script);
    try {
      const offsets = [];
      for (const query of ["offset=-1", "offset=1_1&live=true", "offset=2_2&live=true", "offset=2_2&live=true"]) {
        const response = await fetch(`${server.url}/realtime/v1/runs/r?${query}`);
        await response.text();
        offsets.push(response.headers.get("electric-offset"));
      }
      assert.deepEqual(offsets, ["1_1", "2_2", "2_2", "2_2"]);
    } finally {
      await server.stop();
    }
  });

  test("a script that fails, fails the test", async () => {
    const server = await startFaultServer(() => {
      throw new Error("script");
    });
    await assert.rejects(fetch(server.url, { signal: AbortSignal.timeout(200) }));
    await assert.rejects(server.stop(), { message: "script" });
  });
});
