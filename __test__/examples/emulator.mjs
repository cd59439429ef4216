// The emulator, with runs that go on when the test says so: a state shown before was shown live, on any machine.

import assert from "node:assert/strict";
import { startEmulator } from "trigger-native/emulator";

const delta = (/** @type {string} */ text) => ({ type: "text-delta", delta: text });
const goOn = { input: { stream: "go-on" } };

/** The built-in tasks of these names, and the one of the recipes, in two halves. */
const tasks = {
  export: {
    steps: [
      { stream: { key: "ai", chunks: ["Once ", "upon "] } },
      goOn,
      { stream: { key: "ai", chunks: ["a ", "time é"] } },
      { output: { url: "https://files.example/export" } },
    ],
  },
  progress: {
    steps: [
      { metadata: { progress: 40, label: "40 % done" } },
      goOn,
      { metadata: { progress: 100, label: "100 % done" } },
      { output: { ok: true } },
    ],
  },
  streamer: {
    steps: [
      { stream: { key: "ai", chunks: [delta("Once "), delta("upon ")] } },
      { stream: { key: "log", chunks: ["half of it"] } },
      goOn,
      { stream: { key: "ai", chunks: [delta("a "), delta("time é")] } },
      { output: "a text" },
    ],
  },
};

export async function startHalfway() {
  const emulator = await startEmulator({ tasks });
  const headers = { authorization: `Bearer ${emulator.secretKey}`, "content-type": "application/json" };

  /** @param {string} path @param {RequestInit} [init] */
  async function ask(path, init) {
    const answer = await fetch(emulator.url + path, { headers, ...init });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return answer.json();
  }

  return {
    /** Of a server that is to speak to it. */
    env: { TRIGGER_API_URL: emulator.url, TRIGGER_SECRET_KEY: emulator.secretKey },
    ask,
    /** Has the run that was started last do its second half. */
    async goOn() {
      const { data } = await ask("/api/v1/runs?page%5Bsize%5D=1");
      await ask(`/realtime/v1/streams/${data[0].id}/input/go-on`, { method: "POST", body: '{"data":true}' });
    },
    stop: () => emulator.stop(),
  };
}
