// What a token opens: every decision is compared with docs/server-protocol.md 3, written here a second time.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { anySeed, random } from "./support/chunks.mjs";
import { OTHER, seconds, startWithRuns, targets, token } from "./support/viewers.mjs";

const PAIRS = 400;

/** docs/server-protocol.md 3: whether scopes allow reading one of the resources, pairs of a type and an id. */
function grants(scopes, resources) {
  return scopes.some((scope) => {
    if (scope === "admin") return true;
    const [action, type, ...rest] = scope.split(":");
    const id = rest.join(":");
    if (action !== "read" && action !== "*") return false;
    return resources.some(([of, one]) => type === "all" || (type === of && (id === "" || id === one)));
  });
}

for (const [name, start] of Object.entries(targets)) {
  describe(`what a token opens on the ${name}`, () => {
    let emulator;
    let target;
    let runs;
    let batch;
    const ask = (...asked) => target.ask(...asked);

    before(async () => {
      ({ emulator, runs, batch } = await startWithRuns());
      target = await start(emulator);
    });

    after(async () => {
      await target?.stop();
      await emulator?.stop();
    });

    test(`${PAIRS} tokens and requests are decided as protocol.md 3 says`, async (t) => {
      const seed = anySeed();
      t.diagnostic(`TEST_SEED=${seed}`);
      const next = random(seed);
      const any = (list) => list[Math.floor(next() * list.length)];
      const ids = {
        runs: [...runs.map((run) => run.id), "run_nobody"],
        tags: ["x", "y", "user:1", "user"],
        tasks: ["a", "b", "c"],
        batch: [batch, "batch_nobody"],
        all: [],
        waitpoints: ["w"],
        inputStreams: runs.map((run) => run.id),
      };
      const scope = () => {
        const action = any(["read", "read", "read", "*", "write", "trigger", "admin"]);
        if (next() < 0.1) return action;
        const type = any(Object.keys(ids));
        return ids[type].length > 0 && next() < 0.75 ? `${action}:${type}:${any(ids[type])}` : `${action}:${type}`;
      };
      const request = () => {
        const of = next();
        if (of < 0.6) {
          const run = any([...runs, undefined]);
          const id = run?.id ?? "run_nobody";
          const path = next() < 0.8 ? `/realtime/v1/runs/${id}?offset=-1` : null;
          const resources = run && [["runs", id], ["tasks", run.task], ...run.tags.map((tag) => ["tags", tag])];
          if (run?.batch) resources.push(["batch", run.batch]);
          // For a stream only the head is requested, because its body is held open.
          return {
            path: path ?? `/realtime/v1/streams/${id}/k`,
            resources: resources ?? [],
            isThere: run !== undefined,
          };
        }
        if (of < 0.8) {
          const tags = any([["x"], ["y", "user:1"], []]);
          const query = new URLSearchParams({ offset: "-1", tags: tags.join(",") });
          return {
            path: `/realtime/v1/runs?${query}`,
            resources: [["runs"], ["tags"], ...tags.map((tag) => ["tags", tag])],
            isThere: true,
          };
        }
        const id = any([batch, batch, "batch_nobody"]);
        const isThere = id === batch;
        return { path: `/realtime/v1/batches/${id}?offset=-1`, resources: [["batch", id], ["runs"]], isThere };
      };
      const server = await targets.emulator(emulator);
      // A relay learns its own environment when a token first needs it. Until then the signature decides alone, and
      // only a holder of the key can have signed in the name of another environment.
      await ask(`/realtime/v1/runs/${runs[0].id}?offset=-1`, token([], { key: "tr_dev_forged" }));
      const seen = {};
      for (let at = 0; at < PAIRS; at++) {
        const scopes = Array.from({ length: Math.floor(next() * 4) }, scope);
        const { path, resources, isThere } = request();
        const wrong = next() < 0.1 ? any(["key", "exp", "alg", "iss", "aud", "sub"]) : undefined;
        const broken = {
          key: { key: "tr_dev_forged" },
          exp: { exp: seconds() - 60 },
          alg: { alg: "none" },
          iss: { iss: "https://elsewhere" },
          aud: { aud: "https://elsewhere" },
          sub: { sub: OTHER.id },
        };
        let expected = 200;
        if (wrong) expected = 401;
        else if (!isThere) expected = 404;
        else if (!grants(scopes, resources)) expected = 403;
        // A relay sends no request for a batch that the viewer may not read, and so cannot say whether it exists.
        const hidden = !wrong && !isThere && path.includes("/batches/") && !grants(scopes, resources);
        const shown = hidden && name !== "emulator" ? 403 : expected;
        const ending = new AbortController();
        const what = `seed ${seed}, pair ${at}: ${path} with ${JSON.stringify(scopes)} ${wrong}`;
        const bearer = token(scopes, wrong && broken[wrong]);
        const response = await ask(path, bearer, { signal: ending.signal });
        assert.equal(response.status, shown, what);
        const own = await server.ask(path, bearer, { signal: ending.signal });
        assert.equal(own.status, expected, `${what}: the server's own decision`);
        ending.abort();
        seen[expected] = (seen[expected] ?? 0) + 1;
      }
      for (const status of [200, 401, 403, 404])
        assert.ok(seen[status] > 0, `no ${status} among ${JSON.stringify(seen)}`);
    });

    test("a stranger is told nothing but that it is one", async () => {
      const path = () => `/realtime/v1/runs/${runs[0].id}?offset=-1`;
      const now = seconds();
      for (const [what, bearer, text] of [
        ["no token", undefined, "Invalid or Missing API key"],
        ["no JWT", "nonsense", "Invalid API key"],
        ["another key's", token(["admin"], { key: "tr_dev_rotated" }), "Public Access Token is invalid"],
        ["an expired one", token(["admin"], { exp: now - 60 }), "Public Access Token is invalid"],
        ["alg none", token(["admin"], { alg: "none" }), "Public Access Token is invalid"],
        ["another issuer's", token(["admin"], { iss: "x" }), "Public Access Token is invalid"],
        ["another audience's", token(["admin"], { aud: "x" }), "Public Access Token is invalid"],
        ["an unknown environment's", token(["admin"], { sub: "env_none" }), "Invalid Public Access Token"],
      ]) {
        const response = await ask(path(), bearer);
        assert.equal(response.status, 401, what);
        assert.deepEqual(await response.json(), { error: text }, what);
      }
      // A token of another, existing environment finds no such run there.
      const elsewhere = token(["admin"], { sub: OTHER.id, key: OTHER.secretKey });
      assert.ok([401, 404].includes((await ask(path(), elsewhere)).status));
    });

    test("a column that a token or a request leaves out is in no feed", async () => {
      const scopes = ["read:runs", `read:batch:${batch}`];
      const hidden = token(scopes, { realtime: { skipColumns: ["payload", "payloadType"] } });
      for (const base of [
        `/realtime/v1/runs/${runs[0].id}`,
        "/realtime/v1/runs?tags=x",
        `/realtime/v1/batches/${batch}`,
      ]) {
        for (const encoding of ["identity", "gzip"]) {
          const path = `${base}${base.includes("?") ? "&" : "?"}offset=-1&skipColumns=metadata`;
          const response = await ask(path, hidden, {
            headers: { "accept-encoding": encoding, "x-trigger-electric-version": "1.0.0-beta.1" },
          });
          assert.equal(response.status, 200, path);
          const schema = JSON.parse(response.headers.get("electric-schema"));
          const rows = (await response.json()).filter((message) => message.value);
          assert.ok(rows.length > 0, path);
          for (const columns of [schema, ...rows.map((message) => message.value)]) {
            for (const column of ["payload", "payloadType", "metadata"])
              assert.ok(!(column in columns), `${path}: ${column}`);
            for (const column of ["id", "friendlyId", "status"]) assert.ok(column in columns, `${path}: ${column}`);
          }
        }
      }
    });

    test("path tricks reach nothing", async () => {
      const all = token(["admin"]);
      for (const path of [
        "/realtime/v1/runs/%2e%2e%2fauth",
        "/realtime/v1//runs",
        "/realtime/v1/runs/%00",
        "/realtime/v1/runs/%zz",
      ]) {
        assert.equal((await ask(path, all)).status, 404, path);
      }
    });
  });
}
