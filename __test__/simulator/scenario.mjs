/** One scenario: a server, two relays before it, a front that sends each connection to one of them, and readers of all. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createRealtimeHandler } from "trigger-native";
import { reset } from "../support/reset.mjs";
import { follower } from "./follower.mjs";
import * as readers from "./readers.mjs";
import { serve } from "./server.mjs";
import { dice, SKIPPED, World } from "./world.mjs";

const KEY = "tr_dev_simulatednotasecret";
/** By then every reader has everything, or never will: the longest silence, hold and wait many times over. */
const PATIENCE_MS = 45_000;

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A public token that may read everything but these columns. */
function tokenOf(skipColumns) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: "env_simulated",
    pub: true,
    scopes: ["read:runs", "read:tags", "read:batch:batch_1"],
    realtime: { skipColumns },
    iss: "https://id.trigger.dev",
    aud: "https://api.trigger.dev",
    exp: now + 3600,
    iat: now,
  };
  const message = `${part({ alg: "HS256" })}.${part(claims)}`;
  return `${message}.${createHmac("sha256", KEY).update(message).digest("base64url")}`;
}

/** A balancer: each connection goes to one of `urls`, and breaks now and then. */
async function front(urls, rng) {
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const server = net.createServer((socket) => {
    const onward = net.connect(Number(new URL(rng.pick(urls)).port), "127.0.0.1");
    keep(socket);
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    breakSome() {
      for (const socket of sockets) if (rng.oneIn(4)) reset(socket);
    },
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Runs change, write and finish; connections break. */
async function live(world, rng, server, balancer) {
  const steps = 20 + rng.below(60);
  for (let step = 0; step < steps; step++) {
    for (let count = rng.below(4); count > 0; count--) {
      if (rng.oneIn(3)) world.change();
      else world.write(rng.below(world.rows.size), rng.pick(["ai", "ai", "log"]));
    }
    if (rng.oneIn(25)) world.finish(rng.below(world.rows.size));
    if (rng.oneIn(40)) server.restart();
    if (rng.oneIn(20)) balancer.breakSome();
    await sleep(rng.oneIn(15) ? rng.below(1_500) : rng.below(50));
  }
  for (const n of world.rows.keys()) {
    world.finish(n);
    if (rng.oneIn(2)) await sleep(rng.below(30));
  }
}

/** Plays the scenario of a seed. Resolves to what was checked and answered. */
export async function play(seed) {
  const rng = dice(seed);
  const v2 = rng.oneIn(2);
  const world = new World(rng, { native: rng.oneIn(2), runs: 1 + rng.below(6), long: rng.oneIn(3), v2 });
  const server = await serve(world, rng);
  const relays = [0, 1].map(() => createRealtimeHandler({ accessToken: KEY, baseURL: server.url, holdMs: 1_500 }));
  const urls = (await Promise.all(relays.map((relay) => relay.listen()))).map(({ url }) => url);
  const balancer = await front(urls, rng);
  server.state.calm = rng.oneIn(6);
  let isCalm = false;
  const leaving = new AbortController();
  const skips = rng.oneIn(2) ? [] : [rng.pick(SKIPPED)];
  const own = { url: server.url, accessToken: KEY, skips: [], isRelayed: false };
  const viewing = { url: balancer.url, accessToken: tokenOf(skips), skips, isRelayed: true };
  const common = { world, rng, isCalm: () => isCalm, signal: leaving.signal };
  const kinds = [readers.oneRun, readers.manyRuns, readers.runWithStreams, readers.page];
  const start = async () => {
    await sleep(rng.below(1_500));
    const scene = { ...common, ...(rng.oneIn(3) ? viewing : own) };
    const kind = rng.oneIn(3) ? rng.pick([readers.viewer, follower]) : rng.pick(kinds);
    const isPage = kind === readers.viewer || kind === follower;
    const checked = isPage ? await kind({ ...common, ...viewing }, urls) : await kind(scene);
    assert.ok(!leaving.signal.aborted, `${kind.name}${scene.isRelayed ? " of relays" : ""} did not end by itself`);
    return checked;
  };
  const all = Promise.all(Array.from({ length: 2 + rng.below(6) }, start));
  const failed = new Promise((_, reject) => all.catch(reject));
  let late;
  try {
    await Promise.race([live(world, rng, server, balancer), failed]);
    server.state.calm = true;
    isCalm = true;
    // Readers that wait for a change learn that nothing comes any more by the last states alone.
    late = setTimeout(() => leaving.abort(), PATIENCE_MS);
    const checked = await all;
    return { checked: checked.reduce((sum, count) => sum + count, 0), answers: server.state.answers };
  } finally {
    clearTimeout(late);
    leaving.abort();
    balancer.stop();
    await Promise.all(relays.map((relay) => relay.close()));
    await server.stop();
  }
}
