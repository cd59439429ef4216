// What every example of a server does, whatever it is written with, as `fetch` sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TriggerClient } from "trigger-native";

/**
 * Defines the tests of a server with the routes `/api/runs`, `/api/runs/:id/events` and `/api/trigger/*`.
 *
 * @param {() => {
 *   server: Awaited<ReturnType<typeof import("./support.mjs").serve>>,
 *   emulator: Awaited<ReturnType<typeof import("./emulator.mjs").startHalfway>>,
 * }} at
 */
export function servesRuns(at) {
  /** @type {{ id: string, token: string }} */
  let run;

  test("starts a run and mints a token for it", async () => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${at().server.url}/api/runs`, { method: "POST", headers, body: "{}" });
    assert.equal(answer.status, 201);
    run = await answer.json();
    assert.match(run.id, /^run_/);
    const { scopes } = JSON.parse(Buffer.from(run.token.split(".")[1], "base64url").toString());
    assert.deepEqual(scopes, [`read:runs:${run.id}`]);
  });

  test("relays what the hooks ask for, with the browser's own token", async () => {
    const feed = `${at().server.url}/api/trigger/realtime/v1/runs/${run.id}?offset=-1`;
    const answer = await fetch(feed, { headers: { authorization: `Bearer ${run.token}` } });
    assert.equal(answer.status, 200);
    assert.ok((await answer.text()).includes(run.id));
    const refused = await fetch(feed);
    assert.equal(refused.status, 401);
    await refused.body?.cancel();
  });

  test("follows it as server-sent events to the end", async () => {
    const answer = await fetch(`${at().server.url}/api/runs/${run.id}/events`);
    assert.equal(answer.headers.get("content-type"), "text/event-stream; charset=utf-8");
    const text = await everything(answer, '"delta":"upon "', at().emulator.goOn);
    assert.match(text, /"delta":"Once "[\s\S]*"delta":"time é"/);
    assert.match(text, /"status":"COMPLETED"/);
    assert.match(text, /;end\nevent: end\n/);
  });

  test("passes on what the browser triggers, with a body that no parser has read", async () => {
    const { TRIGGER_API_URL: baseURL, TRIGGER_SECRET_KEY: accessToken } = at().emulator.env;
    const { auth } = new TriggerClient({ baseURL, accessToken });
    const publicAccessToken = await auth.createTriggerPublicToken("echo");
    const answer = await fetch(`${at().server.url}/api/trigger/api/v1/tasks/echo/trigger`, {
      method: "POST",
      headers: { authorization: `Bearer ${publicAccessToken}`, "content-type": "application/json" },
      body: JSON.stringify({ payload: `"${"z".repeat(100_000)}"`, options: { payloadType: "application/json" } }),
    });
    assert.equal(answer.status, 200, await answer.text());
  });

  test("stops following when the browser leaves", async () => {
    const held = async () => (await at().emulator.ask("/emulator/limits")).live;
    const { id } = await at().emulator.ask("/emulator/runs", { method: "POST", body: "{}" });
    const leaving = new AbortController();
    const answer = await fetch(`${at().server.url}/api/runs/${id}/events`, { signal: leaving.signal });
    const reader = answer.body.getReader();
    while (!new TextDecoder().decode((await reader.read()).value).includes("event: run")) {}
    while ((await held()) === 0) await sleep(20);
    leaving.abort();
    // The runner's own limit ends this if it is held for ever.
    while ((await held()) > 0) await sleep(20);
  });
}

/**
 * The whole text of an answer. Once it has `half`, `then` is done.
 *
 * @param {Response} answer
 * @param {string} half
 * @param {() => Promise<void>} then
 */
async function everything(answer, half, then) {
  let text = "";
  let isHalf = false;
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (isHalf || !text.includes(half)) continue;
    isHalf = true;
    await then();
  }
  return text;
}
