/** The key of a stream is its author's own text: `logs/main` as well as any other (docs/server-protocol.md 8). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ArgumentError, auth, configure, createRealtimeHandler, runs, streams } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

const KEYS = ["logs/main", "/a//b/", "a\\b", "a b?c#d%2F", "größe", "tab\tline\n", "input/x"];

describe("the key of a stream", { concurrency: KEYS.length }, () => {
  let emulator;
  let handler;
  let relay;
  before(async () => {
    emulator = await startEmulator();
    handler = createRealtimeHandler({ baseURL: emulator.url, accessToken: emulator.secretKey });
    relay = (await handler.listen()).url;
  });
  after(async () => {
    await handler.close();
    await emulator.stop();
  });

  async function emulate(path, body) {
    const headers = { authorization: `Bearer ${emulator.secretKey}`, "content-type": "application/json" };
    const answer = await fetch(`${emulator.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return answer.json();
  }

  for (const key of KEYS) {
    test(`may be ${JSON.stringify(key)}: it is sent to and read, straight and through the relay`, async () => {
      configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
      const { id } = await emulate("/emulator/runs", { streamsVersion: "v2" });
      await emulate(`/emulator/runs/${id}/streams/${encodeURIComponent(key)}`, { records: [{ data: "value" }] });
      const accessToken = await auth.createPublicToken({
        scopes: { read: { runs: [id] }, write: { inputStreams: id } },
      });
      for (const [baseURL, sent] of [
        [emulator.url, "straight"],
        [relay, "relayed"],
      ]) {
        await auth.withAuth({ baseURL, accessToken }, async () => {
          await streams.input({ id: key }).send(id, sent);
          for await (const value of await runs.fetchStream(id, key, { timeoutInSeconds: 1 })) {
            assert.equal(value, "value");
            break;
          }
        });
      }
      const url = `${relay}/realtime/v1/streams/${id}/input/${encodeURIComponent(key)}`;
      const headers = { authorization: `Bearer ${accessToken}`, "timeout-seconds": "1" };
      const body = await (await fetch(url, { headers })).text();
      assert.ok(body.includes("straight") && body.includes("relayed"), body);
    });
  }

  test("cannot be a path, nothing, or half a character: that is said before anything is sent", async () => {
    configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
    for (const id of ["..", "a/../b", "x".repeat(513)]) {
      await assert.rejects(streams.input({ id }).send("run_1", 1), { code: "ERR_INVALID_ID" });
    }
    for (const id of ["", " ", "\ud800"]) assert.throws(() => streams.input({ id }), ArgumentError);
  });
});
