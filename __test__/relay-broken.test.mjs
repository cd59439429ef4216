// Bodies that break off on their way through the relay: nothing that looks whole reaches the server.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { createRealtimeHandler } from "trigger-native";

import { startRecordingServer } from "./support/recording-server.mjs";
import { bearer, ENVIRONMENT, KEY, serve, until } from "./support/relay.mjs";

/** How often each is tried: whether an end or a break is seen first was a matter of luck. */
const ROUNDS = 20;
const PATH = "/api/v1/tasks/a/trigger";
const PART = '{"payload":"1"}';
const { authorization } = bearer("trigger:tasks:a");

/** A viewer that sends a part of a body to a port; gives what lets it leave. */
async function viewerOf(url) {
  const socket = net.connect(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  const head = [`POST ${PATH} HTTP/1.1`, "Host: app.example", `Authorization: ${authorization}`];
  socket.write([...head, "Transfer-Encoding: chunked", "", PART.length.toString(16), PART, ""].join("\r\n"));
  return { leave: () => socket.destroy(), breakOff: () => socket.write("no size of a chunk\r\n") };
}

/** Each way to reach a relay: gives viewers, and what stops it. */
const WAYS = {
  async "Node's http"(handler) {
    const { url, stop } = await serve(handler.node);
    return { view: () => viewerOf(url), stop };
  },
  async "listen()"(handler) {
    const { url } = await handler.listen();
    return { view: () => viewerOf(url), stop: async () => {} };
  },
  async "the handler"(handler) {
    const view = async () => {
      const leaving = new AbortController();
      let body;
      const start = (controller) => {
        body = controller;
        controller.enqueue(Buffer.from(PART));
      };
      const init = { method: "POST", headers: { authorization }, body: new ReadableStream({ start }), duplex: "half" };
      const request = new Request(`http://app.example${PATH}`, { ...init, signal: leaving.signal });
      handler(request).catch(() => {});
      return { leave: () => leaving.abort(), breakOff: () => body.error(new Error("broken")) };
    };
    return { view, stop: async () => {} };
  },
};

/** @param {(typeof WAYS)["listen()"]} open @param {"leave" | "breakOff"} end */
async function reachesInPart(open, end) {
  const server = await startRecordingServer(ENVIRONMENT);
  const handler = createRealtimeHandler({ accessToken: KEY, baseURL: server.url });
  const { view, stop } = await open(handler);
  for (let round = 0; round < ROUNDS; round++) {
    const viewer = await view();
    await until(() => server.begun().some((text) => text.includes(PART)), "a part reached the server");
    viewer[end]();
    await until(() => server.begun().length === 0, "the server knows how the request ended");
    const whole = server.taken().filter(({ line }) => line.includes(PATH));
    assert.deepEqual(whole, [], `round ${round}`);
    viewer.leave();
  }
  await handler.close();
  await stop();
  await server.stop();
}

for (const [way, open] of Object.entries(WAYS)) {
  test(`a trigger whose viewer leaves amid its body does not run with a part of it, through ${way}`, () =>
    reachesInPart(open, "leave"));
  test(`a trigger whose body breaks off does not run with a part of it, through ${way}`, () =>
    reachesInPart(open, "breakOff"));
}
