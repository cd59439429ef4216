// The targets that a page follows by trigger-native/client, on the live stream of a relay: a run, and a stream.

import assert from "node:assert/strict";
import { connect } from "trigger-native/client";
import { Chunks } from "./chunks.mjs";
import { reader } from "./deferred.mjs";
import { openRelay } from "./relay.mjs";
import { columnsOf, LAST, States } from "./states.mjs";

/** Passes a body on, and keeps what the relay refuses in it, of which a page is told only what lasts. */
function listening(refusals) {
  let text = "";
  return new TransformStream({
    transform(part, controller) {
      text += part;
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = /^event: error\ndata: (.*)/.exec(event)?.[1];
        if (data) refusals.push({ status: JSON.parse(data)[1].status, body: data });
      }
      controller.enqueue(part);
    },
  });
}

/** A page that asks a relay. */
function open(world, scopes) {
  const relay = openRelay(world);
  /** @type {typeof fetch} */
  const ask = async (url, init) => {
    const response = await relay.ask(String(url), init);
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
    close() {
      connection.close();
      return relay.close();
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
    const { begun, done } = reader(async (begin) => {
      try {
        for await (const chunk of connection.stream(id, "ai")) {
          chunks.take(chunk);
          begin();
          if (chunks.isDone) break;
        }
      } catch (error) {
        throw withCode(error);
      }
      assert.ok(chunks.isDone, "it ended before everything was delivered");
    });
    return {
      begun,
      done,
      change: () => chunks.write(),
      finish: () => chunks.finish(),
      check: () => chunks.check(),
      close: () => close().then(() => done.catch(() => {})),
    };
  },
};
