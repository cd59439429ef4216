// The targets that a page follows by trigger-native/client, on the live stream of a relay: a run, and a stream.

import assert from "node:assert/strict";
import { createRealtimeHandler } from "trigger-native";
import { connect } from "trigger-native/client";
import { CLOSED_MS } from "../contract.mjs";
import { none } from "../waits.mjs";
import { Chunks } from "./chunks.mjs";
import { reader } from "./deferred.mjs";
import { columnsOf, LAST, States } from "./states.mjs";

/** Keeps what the relay refuses, of which a page is told only what lasts. */
function listening(refusals) {
  let text = "";
  const keep = (/** @type {string} */ part, { enqueue }) => {
    text += part;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const data = /^event: error\ndata: (.*)/.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data) refusals.push({ status: JSON.parse(data)[1].status, body: data });
    }
    enqueue(part);
  };
  return new TransformStream({
    transform: (part, controller) => keep(part, { enqueue: (one) => controller.enqueue(one) }),
  });
}

/** A relay that can be started anew, and a page that asks it. */
function open(world, scopes) {
  const start = (/** @type {string} */ accessToken) =>
    createRealtimeHandler({ accessToken, baseURL: world.url, keepMs: 100 });
  let handler = start(world.key);
  world.restartRelay = async (/** @type {string} */ key) => {
    const before = handler;
    handler = start(key);
    await before.close();
  };
  /** @type {typeof fetch} */
  const ask = async (url, init) => {
    const response = await handler(new Request(url, init));
    if (!response.body || response.status !== 200) return response;
    const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(listening(world.refusals));
    return new Response(body.pipeThrough(new TextEncoderStream()), response);
  };
  let token;
  // A page that can have no other token goes on with the one that it has.
  const accessToken = () => (token = world.pageToken(scopes, token !== undefined) ?? token);
  const connection = connect({ url: "http://app.example/api/trigger", accessToken, share: false }, { fetch: ask });
  return {
    connection,
    async close() {
      connection.close();
      await handler.close();
      const held = () => {
        const { viewers, upstream, bytesUnderWay } = handler.stats();
        return viewers.now + upstream.connections + bytesUnderWay;
      };
      await none(held, CLOSED_MS, "viewers, requests and bytes of the relay");
    },
  };
}

/** The error that a page shows, with the code that faults name. */
const withCode = (/** @type {any} */ error) => Object.assign(error, { code: `HTTP_${error.status}` });

export const page = {
  name: "page",
  async start(world) {
    const { server } = world;
    const id = await server.makeRun(columnsOf(0));
    const states = new States([id]);
    const { connection, close } = open(world, [`read:runs:${id}`]);
    const { begun, done } = reader(async (begin) => {
      try {
        for await (const run of connection.run(id)) {
          states.add(id, { number: run.metadata.number, isFinal: run.isFinished });
          begin();
        }
      } catch (error) {
        throw withCode(error);
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
      close: () => close().then(() => done.catch(() => {})),
    };
  },
};

export const pageStream = {
  name: "page's stream",
  async start(world) {
    const { server } = world;
    const id = await server.makeRun({ status: "EXECUTING", streamsVersion: "v2", realtimeStreams: ["ai"] });
    const chunks = new Chunks(server, id);
    await chunks.write();
    const { connection, close } = open(world, [`read:runs:${id}`]);
    let isFinishing = false;
    const { begun, done } = reader(async (begin) => {
      try {
        for await (const chunk of connection.stream(id, "ai")) {
          chunks.take(chunk);
          begin();
          if (isFinishing && chunks.isOver) break;
        }
      } catch (error) {
        throw withCode(error);
      }
      assert.ok(isFinishing && chunks.isOver, "it ended before everything was delivered");
    });
    return {
      begun,
      done,
      change: () => chunks.write(),
      async finish() {
        await chunks.write();
        await chunks.write();
        isFinishing = true;
        await chunks.write();
      },
      check: () => chunks.check(),
      close: () => close().then(() => done.catch(() => {})),
    };
  },
};
