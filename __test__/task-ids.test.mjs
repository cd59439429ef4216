// A task's id is whatever its author called it: `mail/send` as well as any other text (docs/server-protocol.md 8).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { flattenIdempotencyKey, makeIdempotencyKey } from "@trigger.dev/core/v3";
import * as official from "@trigger.dev/sdk/v3";

const require = createRequire(import.meta.url);
const sdk = require("../index.js");
const { startEmulator } = require("../emulator.js");
const { itemKey } = require("../js/calls/idempotency.js");

const IDS = [
  "mail/send",
  "/a//b/",
  "a\\b",
  "grüße an alle",
  "a:b:c",
  "a%2Fb",
  "x?y#z&q=1",
  "tab\tline\n",
  "...",
  "x".repeat(600),
];

describe("a task id", () => {
  let emulator;
  before(async () => {
    emulator = await startEmulator({ speed: 20 });
  });
  after(() => emulator.stop());
  afterEach(() => sdk.configure({}));

  const configuration = () => ({ baseURL: emulator.url, accessToken: emulator.secretKey });

  for (const id of IDS) {
    it(`may be ${JSON.stringify(id.slice(0, 20))}: it triggers as with the official SDK, alone, in a batch, and by its token`, async () => {
      sdk.configure(configuration());
      official.configure(configuration());
      const named = async (run) => (await sdk.runs.retrieve(run.id)).taskIdentifier;
      assert.equal(await named(await official.tasks.trigger(id, {})), id);
      assert.equal(await named(await sdk.tasks.trigger(id, {})), id);
      const batch = await sdk.tasks.batchTrigger(id, [{ payload: 1 }]);
      const [run] = (await sdk.batch.retrieve(batch.batchId)).runs;
      assert.equal((await sdk.runs.retrieve(run)).taskIdentifier, id);
      const accessToken = await sdk.auth.createTriggerPublicToken(id);
      const own = await sdk.auth.withAuth({ accessToken }, () => sdk.tasks.trigger(id, {}));
      assert.equal(await named(own), id);
    });

    it(`may be ${JSON.stringify(id.slice(0, 20))} through the relay, with its own token and no other`, async (t) => {
      sdk.configure(configuration());
      const handler = sdk.createRealtimeHandler();
      t.after(() => handler.close());
      const listener = await handler.listen();
      const path = `/api/v1/tasks/${encodeURIComponent(id)}/trigger`;
      const trigger = async (ask, url, token) => {
        const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
        const answer = await ask(new Request(`${url}${path}`, { method: "POST", headers, body: '{"payload":"1"}' }));
        return [answer.status, (await answer.json()).id];
      };
      for (const [ask, url] of [
        [handler, "http://app.example/api/trigger"],
        [fetch, listener.url],
      ]) {
        const [status, run] = await trigger(ask, url, await sdk.auth.createTriggerPublicToken(id));
        assert.equal(status, 200);
        assert.equal((await sdk.runs.retrieve(run)).taskIdentifier, id);
        const [refused] = await trigger(ask, url, await sdk.auth.createTriggerPublicToken(`${id}!`));
        assert.equal(refused, 403);
      }
    });
  }

  it("that no URL can hold is refused before anything is sent", async () => {
    sdk.configure({ baseURL: "http://127.0.0.1:1", accessToken: emulator.secretKey });
    for (const id of ["", ".", "..", "\ud800"]) {
      await assert.rejects(sdk.tasks.trigger(id, {}), { code: "ERR_INVALID_ID" });
    }
  });
});

describe("the key of an item of a batch", () => {
  for (const key of ["a", ["a"], ["a", "b"], ["a", ""], ["", "a", "", "b"], [""], ["", ""], "x".repeat(64), [0, "a"]]) {
    it(`is hashed as by the official SDK, of ${JSON.stringify(key).slice(0, 30)}`, async () => {
      for (const index of [0, 12]) {
        assert.equal(itemKey(key, index), await makeIdempotencyKey(flattenIdempotencyKey([key, `${index}`])));
      }
    });
  }
});
