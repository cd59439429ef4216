// The target that looks at a run through the relay: a browser, as far as the protocol of feeds goes.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { reader } from "./deferred.mjs";
import { openRelay } from "./relay.mjs";
import { columnsOf, LAST, States } from "./states.mjs";

/** As the official client waits before it asks again, but shorter. */
const AGAIN_MS = 50;

/** Statuses after which the official client asks again. */
const PASSES = (status) => status === 429 || status >= 500;

/** A token in the headers of a present client. */
const headersOf = (token) => ({ authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" });

/**
 * Follows a feed through `ask`, as the official client does; gives each row, merged. A page that can have another token
 * goes on with it.
 */
async function* follow(ask, path, { tokenOf, refusals, signal }) {
  let place = { offset: "-1" };
  let headers = headersOf(tokenOf(false));
  let isRefused = false;
  const rows = new Map();
  while (true) {
    let response;
    let messages;
    try {
      response = await ask(`${path}?${new URLSearchParams(place)}`, { headers, signal });
      messages = await response.json();
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (response.status >= 400) refusals.push({ status: response.status, body: JSON.stringify(messages) });
    // A second refusal in a row stands.
    const token = response.status === 401 && !isRefused ? tokenOf(true) : undefined;
    isRefused = response.status === 401;
    if (token) {
      headers = headersOf(token);
      await sleep(AGAIN_MS);
      continue;
    }
    if (PASSES(response.status)) {
      await sleep(AGAIN_MS);
      continue;
    }
    if (response.status === 409) {
      place = { offset: "-1" };
      rows.clear();
      continue;
    }
    if (response.status !== 200) {
      throw Object.assign(new Error(JSON.stringify(messages)), { code: `HTTP_${response.status}` });
    }
    const changed = new Set();
    for (const { key, value, headers: told } of messages) {
      if (!told.operation) continue;
      rows.set(key, { ...rows.get(key), ...value });
      changed.add(key);
    }
    for (const key of changed) yield rows.get(key);
    const [offset, handle] = ["offset", "handle"].map((name) => response.headers.get(`electric-${name}`));
    const cursor = response.headers.get("electric-cursor");
    place = { offset, handle, live: "true", ...(cursor === null ? {} : { cursor }) };
  }
}

export const relayViewer = {
  name: "relay viewer",
  async start(world) {
    const { server } = world;
    const id = await server.makeRun(columnsOf(0));
    const states = new States([id]);
    const relay = openRelay(world);
    const leaving = new AbortController();
    const ask = (path, init) => relay.ask(`http://app.example${path}`, init);
    const { begun, done } = reader(async (begin) => {
      const path = `/realtime/v1/runs/${id}`;
      const tokenOf = (isRefused) => world.pageToken([`read:runs:${id}`], isRefused);
      for await (const row of follow(ask, path, { tokenOf, refusals: world.refusals, signal: leaving.signal })) {
        const isFinal = row.completedAt != null;
        states.add(id, { number: JSON.parse(row.metadata).number, isFinal });
        begin();
        if (isFinal) break;
      }
      assert.ok(states.isOver, "it ended before everything was delivered");
    });
    return {
      begun,
      done,
      change: () => server.change(id, columnsOf(1)),
      async finish() {
        await server.change(id, columnsOf(2));
        await server.change(id, columnsOf(LAST));
      },
      check: () => states.check({ isOver: states.isOver }),
      async close() {
        leaving.abort();
        await done.catch(() => {});
        await relay.close();
      },
    };
  },
};
