// Bun's own server cuts what is quiet for 10 s: polls of the relay and responses of events are not.
import { auth, configure, createRealtimeHandler, runs, tasks } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

const steps = [{ input: { stream: "go-on" } }, { output: true }];
const emulator = await startEmulator({ tasks: { quiet: { steps } } });
configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
const relay = createRealtimeHandler();
const server = globalThis.Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const [, id] = /^\/events\/(.+)$/.exec(new URL(request.url).pathname) ?? [];
    return id ? runs.subscribeToRun(id).toResponse(request) : relay(request);
  },
});

const { id } = await tasks.trigger("quiet", {});
const headers = { authorization: `Bearer ${await auth.createPublicToken({ scopes: { read: { runs: id } } })}` };
/** The run once it waits for its input: nothing is told from then on. */
async function waiting() {
  for (;;) {
    const answer = await fetch(`${server.url}realtime/v1/runs/${id}?offset=-1`, { headers });
    if ((await answer.text()).includes("EXECUTING")) return answer.headers;
  }
}

async function polled() {
  const told = await waiting();
  const [handle, offset] = ["electric-shape-id", "electric-chunk-last-offset"].map((name) => told.get(name));
  const query = `live=true&handle=${handle}&offset=${offset}`;
  return (await fetch(`${server.url}realtime/v1/runs/${id}?${query}`, { headers })).status;
}

async function heard() {
  const answer = await fetch(`${server.url}events/${id}`);
  let text = "";
  let pings = 0;
  for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (!part.includes(": ping")) continue;
    // The second comes after more than 12 s.
    pings += 1;
    if (pings === 2) await goOn();
  }
  return [pings >= 2, text.includes("COMPLETED"), text.includes("event: end")];
}

const goOn = () =>
  fetch(`${emulator.url}/realtime/v1/streams/${id}/input/go-on`, {
    method: "POST",
    headers: { authorization: `Bearer ${emulator.secretKey}` },
    body: '{"data":true}',
  });

const result = await Promise.all([polled(), heard()]);
console.log(JSON.stringify(result));
await server.stop(true);
await relay.close();
await emulator.stop();
