/** Many viewers lose their relay in the same moment, and come back to the one that is started in its place. */

import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bearer, handlerOver, snapshot, startServer, until } from "./support/relay.mjs";

const VIEWERS = 300;
const RUNS = 10;
/** The first wait of the official hooks' client. */
const AGAIN_MS = 100;
const FAILSAFE_MS = 60_000;

it("every viewer of a relay that restarts gets what happened meanwhile, and each run is asked for once", {
  timeout: 2 * FAILSAFE_MS,
}, async () => {
  const server = await startServer();
  const runs = await Promise.all(Array.from({ length: RUNS }, () => server.makeRun({ metadata: { step: 0 } })));
  let handler = handlerOver(server);
  const { url } = await handler.listen();
  const ask = (path, init) => fetch(url + path, init);
  const seen = [];

  /** Sends the request until it is answered, as the official client does. */
  const insist = async (path, headers) => {
    for (const end = performance.now() + FAILSAFE_MS; performance.now() < end; await sleep(AGAIN_MS)) {
      try {
        const response = await ask(path, { headers });
        const messages = await response.json();
        if (response.status === 200 || response.status === 409) return { response, messages };
        assert.ok(response.status === 429 || response.status >= 500, `${response.status}`);
      } catch (error) {
        if (error.name !== "TypeError" && error.name !== "SyntaxError") throw error;
      }
    }
    throw new Error(`never answered: ${path}`);
  };
  const view = async (viewer) => {
    const run = runs[viewer % RUNS];
    const headers = bearer(`read:runs:${run}`, `read:tags:viewer:${viewer}`);
    let { live: path } = await snapshot(ask, run, headers);
    for (;;) {
      const { response, messages } = await insist(path, headers);
      const told = messages.findLast?.(({ value }) => value?.metadata);
      if (told) return seen.push(JSON.parse(told.value.metadata).step);
      const [offset, handle] = ["offset", "handle"].map((name) => response.headers.get(`electric-${name}`));
      const query = response.status === 409 ? { offset: "-1" } : { live: "true", offset, handle };
      path = `/realtime/v1/runs/${run}?${new URLSearchParams(query)}`;
    }
  };

  const all = Promise.all(Array.from({ length: VIEWERS }, (_, viewer) => view(viewer)));
  all.catch(() => {});
  await until(() => handler.stats().viewers.now === VIEWERS, "every viewer waits", FAILSAFE_MS);
  await handler.close();
  for (const run of runs) await server.change(run, { metadata: { step: 1 } });
  await sleep(3 * AGAIN_MS);
  const before = (await server.stats()).byRoute["GET /realtime/v1/runs/{id}"];
  handler = handlerOver(server);
  await handler.listen({ port: Number(new URL(url).port) });
  await all;
  assert.deepEqual(
    seen,
    Array.from({ length: VIEWERS }, () => 1),
  );
  const asked = (await server.stats()).byRoute["GET /realtime/v1/runs/{id}"] - before;
  // A snapshot, one request to see that it is up to date, and a poll.
  assert.ok(asked <= 3 * RUNS, `${asked} requests to the server`);
  await handler.close();
  await server.stop();
});
