// What a relay says where something is set wrong: it names the setting, to the viewer and, once, to the process.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { bearer, ENVIRONMENT, handlerOver, startServer, tokenFor } from "./support/relay.mjs";
import { warned } from "./support/relay-face.mjs";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A public token of an environment, signed with another key than the relay's. */
function signedBy(key, sub, scopes) {
  const now = Math.floor(Date.now() / 1000);
  const all = { sub, pub: true, scopes, iss: "https://id.trigger.dev", aud: "https://api.trigger.dev", exp: now + 900 };
  const message = `${part({ alg: "HS256" })}.${part({ ...all, iat: now })}`;
  return `${message}.${createHmac("sha256", key).update(message).digest("base64url")}`;
}

const ask = (handler, path, token) =>
  handler(new Request(`http://app.example${path}`, { headers: token ? { authorization: `Bearer ${token}` } : {} }));

/** The status and the text of an answer. */
async function told(answer) {
  const text = await answer.text();
  return { status: answer.status, said: text, retry: answer.headers.get("retry-after") };
}

describe("a relay that is set up wrong", { timeout: 60_000 }, () => {
  it("with the key of another environment says which setting to mend, and the process is told once", async () => {
    const server = await startServer();
    const run = await server.makeRun({ status: "EXECUTING" });
    const handler = handlerOver(server, { accessToken: "tr_dev_anothersecretkey" });
    const warnings = await warned(async () => {
      for (const path of [`/realtime/v1/runs/${run}?offset=-1`, "/realtime/v1/runs?tags=a&offset=-1"]) {
        for (const token of [
          tokenFor(["read:runs"]),
          signedBy("tr_dev_anothersecretkey", ENVIRONMENT, ["read:runs"]),
        ]) {
          const { status, said } = await told(await ask(handler, path, token));
          assert.ok(status === 500 || status === 502, `${path}: ${status} ${said}`);
          assert.match(said, /TRIGGER_SECRET_KEY/);
          assert.ok(!said.includes("anothersecretkey"));
        }
      }
    });
    assert.equal(warnings.length, 1, warnings.join("\n"));
    assert.match(warnings[0], /TRIGGER_SECRET_KEY/);
    await handler.close();
    await server.stop();
  });

  it("with a key that may not read says so", async () => {
    const server = http.createServer((req, res) => {
      const isClaims = req.url.includes("jwt/claims");
      res.writeHead(isClaims ? 200 : 403, { "content-type": "application/json" });
      res.end(isClaims ? `{"sub":"${ENVIRONMENT}","pub":true}` : '{"error":"Unauthorized"}');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const handler = handlerOver({ url: `http://127.0.0.1:${server.address().port}` });
    const warnings = await warned(async () => {
      const { status, said } = await told(
        await ask(handler, "/realtime/v1/runs/run_1?offset=-1", tokenFor(["read:runs"])),
      );
      assert.equal(status, 502, said);
      assert.match(said, /no rights.*TRIGGER_SECRET_KEY/);
    });
    assert.equal(warnings.length, 1, warnings.join("\n"));
    await handler.close();
    server.closeAllConnections();
    server.close();
  });

  it("with a server that is not there says where to look, soon, and the process is told once", async () => {
    const handler = createRealtimeHandler({ accessToken: "tr_dev_unreachable", baseURL: "http://127.0.0.1:9" });
    const token = signedBy("tr_dev_unreachable", ENVIRONMENT, ["read:runs"]);
    const warnings = await warned(async () => {
      const began = performance.now();
      const answers = ["run_1", "run_2"].map((id) =>
        ask(handler, `/realtime/v1/runs/${id}?offset=-1`, token).then(told),
      );
      for (const { status, said, retry } of await Promise.all(answers)) {
        assert.equal(status, 502, said);
        assert.match(said, /TRIGGER_API_URL/);
        assert.ok(retry);
      }
      assert.ok(performance.now() - began < 10_000);
    });
    assert.equal(warnings.length, 1, warnings.join("\n"));
    await handler.close();
  });

  it("says nothing of its server once it is closed", async () => {
    for (const isClosed of [false, true]) {
      const server = await startServer();
      const run = await server.makeRun({ status: "EXECUTING" });
      const handler = handlerOver(server);
      // A feed that goes on for a while without a viewer.
      assert.equal((await ask(handler, `/realtime/v1/runs/${run}?offset=-1`, tokenFor(["read:runs"]))).status, 200);
      const warnings = await warned(async () => {
        const stopped = server.stop();
        // The relay notices on threads of its own, and tries again; its warning waits for this thread.
        const { requests } = handler.stats().upstream;
        while (handler.stats().upstream.requests < requests + 3) {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        }
        const closed = isClosed ? handler.close() : undefined;
        await Promise.all([stopped, closed, sleep(100)]);
      });
      assert.equal(warnings.length, isClosed ? 0 : 1, warnings.join("\n"));
      await handler.close();
    }
  });

  it("names the scope that a viewer lacks, and nothing of what it may not see", async () => {
    const server = await startServer();
    const run = await server.makeRun({ status: "EXECUTING", runTags: ["hidden-tag"] });
    for (const options of [{}, { authorize: () => ({ scopes: ["read:runs:run_other"] }) }]) {
      const handler = handlerOver(server, options);
      for (const [path, scope] of [
        [`/realtime/v1/runs/${run}?offset=-1`, `read:runs:${run}`],
        [`/realtime/v1/streams/${run}/ai`, `read:runs:${run}`],
        ["/realtime/v1/runs?tags=b,a&offset=-1", "read:tags:a"],
        ["/realtime/v1/runs?offset=-1", "read:runs"],
        ["/realtime/v1/batches/batch_1?offset=-1", "read:batch:batch_1"],
      ]) {
        const answer = await ask(handler, path, tokenFor(["read:runs:run_other"]));
        const body = await answer.json();
        assert.equal(answer.status, 403, path);
        assert.equal(body.error, "Unauthorized", "the server's word");
        assert.ok(body.hint.endsWith(`such as ${scope}`), body.hint);
        assert.ok(!JSON.stringify(body).includes("hidden-tag"));
        assert.equal(body.hint.includes("authorize()"), options.authorize !== undefined);
      }
      await handler.close();
    }
    await server.stop();
  });

  it("tells a wrong mount point from an unknown run", async () => {
    const server = await startServer();
    const unknown = await told(
      await ask(handlerOver(server), "/realtime/v1/runs/run_none?offset=-1", tokenFor(["read:runs"])),
    );
    assert.equal(unknown.status, 404);
    const based = handlerOver(server, { basePath: "/api/trigger" });
    for (const path of ["/realtime/v1/runs/run_none?offset=-1", "/other/realtime/v1/runs/run_none?offset=-1"]) {
      const { status, said } = await told(await ask(based, path, tokenFor(["read:runs"])));
      assert.equal(status, 404);
      assert.match(said, /basePath/);
      assert.notEqual(said, unknown.said);
    }
    const route = await told(await ask(based, "/api/trigger/realtime/v1/nothing", tokenFor(["read:runs"])));
    assert.match(route.said, /No route/);
    const left = handlerOver(server, { allow: ["tags"] });
    assert.match((await told(await ask(left, "/realtime/v1/runs/run_none", tokenFor(["read:runs"])))).said, /allow/);
    for (const handler of [based, left]) await handler.close();
    await server.stop();
  });
});

describe("a relay with a key that may read and not ask for its claims", { timeout: 60_000 }, () => {
  it("serves the viewers that the server would serve, of its own environment alone", async () => {
    const [key, root] = ["tr_dev_sk_111111111111111111111111", "tr_dev_rootnotasecret"];
    const other = { id: "env_other", secretKey: "tr_dev_otherrootnotasecret" };
    const emulator = await startEmulator({
      environmentId: ENVIRONMENT,
      secretKey: root,
      environments: [other],
      tasks: { a: { queued: null } },
    });
    // In front of it a server that knows the restricted key, which may read feeds and nothing else.
    const seen = [];
    const front = http.createServer(async (req, res) => {
      const own = req.headers.authorization === `Bearer ${key}`;
      if (own && req.method !== "GET") return res.writeHead(401).end('{"error":"Invalid API key"}');
      const abort = new AbortController();
      res.on("close", () => abort.abort());
      const headers = { ...req.headers, authorization: own ? `Bearer ${root}` : req.headers.authorization };
      delete headers.host;
      delete headers.connection;
      if (!own) seen.push(req.url);
      try {
        const answer = await fetch(emulator.url + req.url, { method: req.method, headers, signal: abort.signal });
        const kept = [...answer.headers].filter(
          ([name]) => !/^(content-(encoding|length)|transfer-encoding|connection|keep-alive)$/.test(name),
        );
        res.writeHead(answer.status, Object.fromEntries(kept));
        res.end(Buffer.from(await answer.arrayBuffer()));
      } catch {
        res.destroy();
      }
    });
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    const trigger = async (secret, tag) => {
      const answer = await fetch(`${emulator.url}/api/v1/tasks/a/trigger`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
        body: JSON.stringify({
          payload: `"of ${secret === root ? "mine" : "other"}"`,
          options: { tags: [tag], payloadType: "application/json" },
        }),
      });
      return (await answer.json()).id;
    };
    const [mine, theirs] = [await trigger(root, "x"), await trigger(other.secretKey, "x")];
    const handler = createRealtimeHandler({ accessToken: key, baseURL: `http://127.0.0.1:${front.address().port}` });
    const token = signedBy(root, ENVIRONMENT, ["read:runs", "read:tags:x"]);
    const stranger = signedBy(other.secretKey, other.id, ["read:runs", "read:tags:x"]);
    const tags = "/realtime/v1/runs?tags=x&offset=-1";

    // The relay does not know its own environment yet: tag feeds are requested with each viewer's own token.
    const before = await told(await ask(handler, tags, token));
    assert.equal(before.status, 200, before.said);
    assert.ok(before.said.includes(mine) && !before.said.includes(theirs));
    const foreign = await told(await ask(handler, tags, stranger));
    assert.ok(!foreign.said.includes(mine), "no run of this environment for another's viewer");
    assert.equal((await told(await ask(handler, `/realtime/v1/runs/${theirs}?offset=-1`, stranger))).status, 404);
    assert.equal(handler.stats().feeds <= 1, true);

    const own = await told(await ask(handler, `/realtime/v1/runs/${mine}?offset=-1`, token));
    assert.equal(own.status, 200, own.said);
    assert.ok(own.said.includes(mine));
    // Now the relay knows its environment: a token of another one is not valid, and tag feeds are shared.
    assert.equal((await told(await ask(handler, tags, stranger))).status, 401);
    const asked = seen.length;
    const shared = await told(await ask(handler, tags, token));
    assert.ok(shared.said.includes(mine) && !shared.said.includes(theirs));
    await told(await ask(handler, tags, token));
    assert.ok(seen.length - asked <= 1, "asked once");
    assert.equal(
      (await told(await ask(handler, tags, signedBy("tr_dev_forged", ENVIRONMENT, ["read:runs"])))).status,
      401,
    );
    await handler.close();
    front.closeAllConnections();
    front.close();
    await emulator.stop();
  });
});

describe("a session that goes on in another run", () => {
  it("is passed through with its own token", async () => {
    const seen = [];
    const echo = http.createServer((req, res) => {
      seen.push([req.method, req.url, req.headers.authorization]);
      res.end("{}");
    });
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    const handler = handlerOver({ url: `http://127.0.0.1:${echo.address().port}` });
    const path = "/api/v1/sessions/session_1/end-and-continue";
    const { authorization } = bearer("write:sessions");
    const answer = await handler(
      new Request(`http://app.example${path}`, { method: "POST", headers: { authorization }, body: "{}" }),
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(seen, [["POST", path, authorization]]);
    await handler.close();
    echo.closeAllConnections();
    echo.close();
  });
});
