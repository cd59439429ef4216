// Probes: what a relay asks the server, and with which token. And what it grants by `authorize`.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ADDITIONAL, KEY, seconds, startFront, startWithRuns, targets, token } from "./support/viewers.mjs";

/** The environment's root key before its rotation: the server still takes it, and no longer signs with it. */
const ROTATED = "tr_dev_beforenotasecret";

let world;
let front;
before(async () => {
  world = await startWithRuns();
  front = await startFront(world.emulator.url, { [ROTATED]: KEY });
});
after(async () => {
  await front?.stop();
  await world?.emulator.stop();
});

const runPath = (at, query = "offset=-1") => `/realtime/v1/runs/${world.runs[at].id}?${query}`;

for (const [name, start] of Object.entries(targets).filter(([name]) => name !== "emulator")) {
  describe(`a ${name}`, () => {
    /** With a relay of these options, in front of the emulator's front. */
    async function within(options, work) {
      const target = await start({ url: front.url }, options);
      front.seen.length = 0;
      try {
        return await work(target.ask);
      } finally {
        await target.stop();
      }
    }

    for (const [what, accessToken] of [
      ["an additional key", ADDITIONAL],
      ["a key that was rotated", ROTATED],
    ]) {
      test(`that has ${what} asks the server once for each token and feed`, async () => {
        await within({ accessToken }, async (ask) => {
          const bearer = token([`read:runs:${world.runs[0].id}`]);
          const answers = await Promise.all(Array.from({ length: 20 }, () => ask(runPath(0), bearer)));
          for (const answer of answers) assert.equal(answer.status, 200, await answer.text());
          assert.equal((await ask(runPath(0), bearer)).status, 200);
          assert.equal(front.with(bearer).length, 1);
          // A decision on one feed opens no other.
          for (let n = 0; n < 2; n++) assert.equal((await ask(runPath(1), bearer)).status, 403);
          assert.equal(front.with(bearer).length, 2);
        });
      });

      test(`that has ${what} refuses forged tokens, and asks once whatever they want`, async () => {
        await within({ accessToken }, async (ask) => {
          const bearer = token(["admin"], { key: "tr_dev_forged" });
          for (const path of [runPath(0), runPath(1), runPath(0), "/realtime/v1/runs?tags=x&offset=-1"]) {
            const answer = await ask(path, bearer);
            assert.equal(answer.status, 401, path);
            assert.deepEqual(await answer.json(), { error: "Public Access Token is invalid" });
          }
          assert.equal(front.with(bearer).length, 1);
        });
      });
    }

    test("asks nobody about what can never be valid", async () => {
      await within({}, async (ask) => {
        const now = seconds();
        for (const wrong of [
          { exp: now - 60 },
          { nbf: now + 60 },
          { alg: "none" },
          { alg: "HS512" },
          { iss: "x" },
          { aud: "x" },
          { pub: undefined },
          { sub: "env_other", key: "tr_dev_othernotasecret" },
        ]) {
          const bearer = token(["admin"], wrong);
          assert.equal((await ask(runPath(0), bearer)).status, 401, JSON.stringify(wrong));
          assert.equal(front.with(bearer).length, 0, JSON.stringify(wrong));
        }
      });
    });

    test("asks once whether a run is in the batch that a token may read", async () => {
      await within({}, async (ask) => {
        const bearer = token([`read:batch:${world.batch}`]);
        for (let n = 0; n < 3; n++) assert.equal((await ask(runPath(3), bearer)).status, 200);
        assert.equal(front.with(bearer).length, 1);
        for (let n = 0; n < 3; n++) assert.equal((await ask(runPath(0), bearer)).status, 403);
        assert.equal(front.with(bearer).length, 2);
      });
    });

    test("decides everything else by itself, and sends its own key for what viewers share alone", async () => {
      await within({}, async (ask) => {
        const bearers = Array.from({ length: 10 }, (_, at) => token([`read:tags:x`, `read:runs:r${at}`]));
        for (const bearer of bearers) assert.equal((await ask(runPath(0), bearer)).status, 200);
        assert.equal(front.with(KEY).filter(({ path }) => path.includes("offset=-1")).length, 1);
        for (const bearer of bearers) assert.equal(front.with(bearer).length, 0);
      });
    });

    test("takes its own secret key for a server's, and no other key", async () => {
      await within({}, async (ask) => {
        assert.equal((await ask(runPath(0), KEY)).status, 200);
        for (const wrong of [ADDITIONAL, `${KEY}x`, KEY.slice(0, -1), KEY.toUpperCase()]) {
          assert.equal((await ask(runPath(0), wrong)).status, 401);
          assert.equal(front.with(wrong).length, 0);
        }
      });
    });
  });

  describe(`what an app grants on a ${name}`, () => {
    async function granted(grant, work) {
      const target = await start({ url: front.url }, { authorize: () => grant });
      front.seen.length = 0;
      try {
        return await work(target.ask);
      } finally {
        await target.stop();
      }
    }

    test("holds: scopes and columns, whatever token comes along", async () => {
      const grant = { scopes: ["read:tags:x"], skipColumns: ["payload", "metadata"] };
      await granted(grant, async (ask) => {
        for (const bearer of [undefined, token(["admin"]), KEY]) {
          const answer = await ask(runPath(0), bearer, { headers: { "x-trigger-electric-version": "1.0.0-beta.1" } });
          assert.equal(answer.status, 200);
          const schema = JSON.parse(answer.headers.get("electric-schema"));
          for (const columns of [schema, (await answer.json())[0].value]) {
            assert.ok("status" in columns && !("payload" in columns) && !("metadata" in columns));
          }
          for (const path of [runPath(1), runPath(3), "/realtime/v1/runs?tags=y&offset=-1"]) {
            assert.equal((await ask(path, bearer)).status, 403, path);
          }
        }
      });
    });

    test("is nothing with null, whatever token comes along", async () => {
      await granted(null, async (ask) => {
        for (const bearer of [undefined, token(["admin"]), KEY]) {
          for (const path of [runPath(0), "/api/v3/runs/run_1"]) assert.equal((await ask(path, bearer)).status, 401);
        }
        assert.equal(front.seen.length, 0);
      });
    });

    test("passes nothing through without a token of the viewer's own", async () => {
      await granted({ scopes: ["admin"] }, async (ask) => {
        const path = `/api/v3/runs/${world.runs[0].id}`;
        assert.equal((await ask(path, undefined, { headers: { cookie: "session=1" } })).status, 401);
        assert.equal(front.seen.length, 0);
        const bearer = token([`read:runs:${world.runs[0].id}`]);
        assert.equal((await ask(path, bearer, { headers: { cookie: "session=1" } })).status, 200);
        assert.equal(front.with(bearer).length, 1);
        assert.equal(front.seen[0].headers.cookie, undefined);
      });
    });

    test("counts viewers by the name it gives them", async () => {
      let id = "one";
      const authorize = () => ({ scopes: ["read:runs"], id });
      const target = await start({ url: front.url }, { authorize, limits: { viewersPerToken: 1 } });
      try {
        const headers = { "x-trigger-electric-version": "1.0.0-beta.1" };
        const first = await target.ask(runPath(0), undefined, { headers });
        const place = new URLSearchParams({
          live: "true",
          offset: first.headers.get("electric-offset"),
          handle: first.headers.get("electric-handle"),
        });
        await first.text();
        const leaving = new AbortController();
        // The second of two polls of one name gets a 429, whichever comes second.
        const polls = [1, 2].map(() =>
          target.ask(runPath(0, `${place}`), undefined, { headers, signal: leaving.signal }),
        );
        for (const poll of polls) poll.catch(() => {});
        const full = await Promise.race(polls);
        assert.equal(full.status, 429);
        assert.equal(full.headers.get("retry-after"), "1");
        id = "two";
        assert.equal((await target.ask(runPath(0))).status, 200, "another viewer has places of its own");
        leaving.abort();
        await Promise.allSettled(polls);
      } finally {
        await target.stop();
      }
    });
  });
}
