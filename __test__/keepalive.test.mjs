// The system's own probes of quiet connections, as Linux lists them in /proc/net/tcp.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { configure, createRealtimeHandler, runs, streams } from "trigger-native";
import { bearer, KEY, startServer } from "./support/relay.mjs";

/** A connection without traffic is probed after so long. */
const IDLE_S = 15;
/** `/proc/net/tcp` counts hundredths of seconds, on every machine. */
const TICKS_PER_S = 100;
/** The number by which the list names a timer of keep-alive. */
const KEEPALIVE_TIMER = 2;
const ESTABLISHED = 1;

/** The established connections from or to a port: whose probe is due, and when. @param {"local" | "remote"} end */
function connections(end, port) {
  return ["tcp", "tcp6"].flatMap((list) => {
    const lines = readFileSync(`/proc/net/${list}`, "utf8").trim().split("\n").slice(1);
    return lines
      .map((line) => line.trim().split(/\s+/))
      .map(([, local, remote, state, , timer]) => {
        const [kind, ticks] = timer.split(":").map((digits) => Number.parseInt(digits, 16));
        const at = Number.parseInt((end === "local" ? local : remote).split(":").at(-1), 16);
        return { at, established: Number.parseInt(state, 16) === ESTABLISHED, kind, seconds: ticks / TICKS_PER_S };
      })
      .filter(({ at, established }) => at === port && established);
  });
}

/**
 * Waits until `count` connections will be probed in time. While bytes are under way a connection has other timers; those
 * of Node's own `fetch` are probed after a minute.
 */
async function probed(end, port, count) {
  const isProbed = ({ kind, seconds }) => kind === KEEPALIVE_TIMER && seconds <= IDLE_S;
  while (connections(end, port).filter(isProbed).length < count) await sleep(20);
}

describe("a quiet connection is probed by the system", {
  skip: process.platform !== "linux" && "Linux lists them",
}, () => {
  let server;
  let port;
  before(async () => {
    server = await startServer();
    port = Number(new URL(server.url).port);
  });
  after(() => server.stop());

  it("of a feed, a stream and a call", { timeout: 30_000 }, async () => {
    configure({ baseURL: server.url, accessToken: KEY });
    const id = await server.makeRun();
    const feed = runs.subscribeToRun(id);
    await feed.next();
    const stream = await streams.read(id, "quiet");
    const reading = stream[Symbol.asyncIterator]().next();
    await runs.retrieve(id);
    await probed("remote", port, 3);
    feed.close();
    stream.close();
    await reading;
  });

  it("of a relay's viewer", { timeout: 30_000 }, async () => {
    const relay = await createRealtimeHandler({ baseURL: server.url, accessToken: KEY }).listen();
    const id = await server.makeRun();
    const at = Number(new URL(relay.url).port);
    const viewer = net.connect(at, "127.0.0.1");
    await once(viewer, "connect");
    const { authorization } = bearer(`read:runs:${id}`);
    viewer.write(
      `GET /realtime/v1/runs/${id}?offset=-1 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\n\r\n`,
    );
    await once(viewer, "data");
    await probed("local", at, 1);
    viewer.destroy();
    await relay.close();
  });
});
