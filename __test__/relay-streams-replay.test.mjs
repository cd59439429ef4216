/**
 * Every recorded stream reads the same through the relay as without it: by the official SDK, by us and as raw events.
 */
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { ACCESS_TOKEN } from "./support/against.mjs";
import { json } from "./support/answers.mjs";
import { isStreamRead, STREAM } from "./support/cases.mjs";
import { anySeed, cut, random } from "./support/chunks.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { eventsOf, rawEvents } from "./support/relay-streams.mjs";
import { chunk, LAST, ping, sseHead } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const FAILSAFE_MS = 40_000;
/** The longest window that a test waits for. */
const MAX_SECONDS = 4;
const seed = anySeed();

let official;
let ours;
before(async () => {
  [official, ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all([official.close(), ours.close()]));

const isV2 = ({ response }) => response.headers.some(([name]) => name.toLowerCase() === "x-stream-version");
const last = (exchange) => exchange.headers.get("last-event-id");
const resumes = (exchange) => /^\d+(-\d+)?$/.test(last(exchange) ?? "");
const withoutDone = (text) => text.replace(/data: \[DONE\]\n\n$/, "");

/** The records that the server has of a recorded stream at its end, as a reader from the beginning gets them. */
function history(exchange, whole) {
  const text = withoutDone((resumes(exchange) ? whole : exchange).response.texts.join(""));
  if (!isV2(exchange)) return text;
  // A later reader gets no pings and tails of a recorded reader that waited for records.
  const past = text.replace(/event: ping\ndata: .*\n\n/g, "").replace(/,"tail":\{[^}]*\}\}\n\n/g, "}\n\n");
  return past + ping(Math.max(-1, ...eventsOf(past).records.map(({ seq_num: number }) => number)) + 1);
}

/**
 * How many records the stream's own trim removes. A viewer that has not got them by then never does, and how soon it
 * gets them depends on the machine.
 */
function trimmedOf(records) {
  const trims = records.filter(({ headers }) => headers?.[0]?.[0] === "" && headers[0][1] === "trim");
  const until = Math.max(0, ...trims.map(({ body }) => [...body].reduce((sum, c) => sum * 256 + c.charCodeAt(0), 0)));
  return records.filter(({ seq_num: number }) => number < until).length;
}

/** `whole`, without its first `trimmed` where `list` is that much shorter. */
const asTrimmed = (list, whole, trimmed) => (list.length === whole.length - trimmed ? whole.slice(trimmed) : whole);

/** A server that sends the history in parts and then holds the body open, as it does for a reader with a long window. */
const holds = (exchange, text) => async (connection) => {
  connection.write(sseHead({ v2: isV2(exchange) }));
  for (const part of cut(Buffer.from(text), { kind: "random", next: random(seed) })) {
    // A part may end within a character.
    connection.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]));
    await connection.wait(0);
  }
};

/** A server that sends the recorded answer itself, for every request. */
const gives = (exchange, text) => async (connection) => {
  connection.write(sseHead({ v2: isV2(exchange) }));
  if (text !== "") connection.write(chunk(text));
  await connection.wait(20);
  connection.write(LAST);
};

async function against(answer, use) {
  const server = await startFaultServer(answer, { lifeMs: FAILSAFE_MS });
  try {
    return await use({ baseURL: server.url, accessToken: ACCESS_TOKEN }, server);
  } finally {
    await server.stop();
  }
}

const throughRelay = (answer, use) =>
  against(answer, async (config, server) => {
    const handler = createRealtimeHandler(config);
    try {
      const { url } = await handler.listen();
      return await use({ ...config, baseURL: url }, server);
    } finally {
      await handler.close();
    }
  });

withRecordings("relayed stream", 34, (all, test) => {
  const cases = all.flatMap(({ name, exchanges }) =>
    exchanges
      .filter((exchange) => isStreamRead(exchange) && exchange.response !== null)
      .map((exchange) => {
        const same = exchanges.filter(
          (one) => isStreamRead(one) && one.path === exchange.path && one.response?.status === 200,
        );
        const fromStart = same.filter((one) => last(one) === undefined);
        // The records that the server had when this was read: some were trimmed since others read them.
        const whole = fromStart.find((one) => one.n > exchange.n) ?? fromStart.at(-1);
        return { title: `${name} ${exchange.n} ${exchange.path}`, exchange, whole: whole ?? exchange };
      }),
  );

  describe(`recorded streams through the relay (seed ${seed}: repeat with TEST_SEED=${seed})`, {
    concurrency: 12,
  }, () => {
    for (const { title, exchange, whole } of cases.filter(({ exchange }) => exchange.response.status === 200)) {
      const [, runId, key] = STREAM.exec(exchange.path);
      const seconds = Math.min(Number(exchange.headers.get("timeout-seconds")) || 1, MAX_SECONDS);
      const place = Number(last(exchange) ?? undefined);
      const options = {
        timeoutInSeconds: seconds,
        ...(Number.isSafeInteger(place) && { startIndex: place + 1 }),
      };
      const job = { call: "streams.read", args: [runId, key], options, timeoutMs: FAILSAFE_MS };
      const recorded = exchange.response.texts.join("");

      test(title, async () => {
        const direct = gives(exchange, isV2(exchange) ? `${withoutDone(recorded)}data: [DONE]\n\n` : recorded);
        const relayed = holds(exchange, history(exchange, whole));
        const side = ({ values, error, ended }) => ({ values, error, ended });
        const [theirs, throughTheirs, mine, raw] = await Promise.all([
          against(
            () => direct,
            (config) => official.read({ ...job, config }),
          ),
          throughRelay(
            () => relayed,
            (config) => official.read({ ...job, config }),
          ),
          throughRelay(
            () => relayed,
            (config) => ours.read({ ...job, config }),
          ),
          throughRelay(
            () => relayed,
            ({ baseURL }) =>
              rawEvents(`${baseURL}${exchange.path}`, {
                authorization: `Bearer ${ACCESS_TOKEN}`,
                "timeout-seconds": String(seconds),
                ...(last(exchange) !== undefined && { "last-event-id": last(exchange) }),
              }),
          ),
        ]);
        const { records: all, events } = eventsOf(recorded);
        const trimmed = last(exchange) === undefined ? trimmedOf(all) : 0;
        if (Number.isSafeInteger(place) || last(exchange) === undefined) {
          const expected = { ...side(theirs), values: asTrimmed(throughTheirs.values, theirs.values, trimmed) };
          assert.deepEqual(side(throughTheirs), expected, "the official client");
          const defined = theirs.values.filter((value) => value !== undefined);
          const values = asTrimmed(mine.values, defined, trimmed);
          assert.deepEqual(side(mine), { values, error: null, ended: true }, "this package");
        }
        const broken = exchange.endedBy === "upstream-aborted";
        const records = asTrimmed(raw.records, all, trimmed);
        assert.deepEqual(
          { records: raw.records, events: raw.events, broken: raw.broken, done: raw.done, v2: raw.v2 },
          { records, events, broken, done: isV2(exchange), v2: isV2(exchange) },
          "as it came",
        );
      });
    }
  });

  describe("recorded refusals of streams through the relay", () => {
    // The relay itself decides on tokens: relay-access.test.mjs.
    const refusals = cases.filter(({ exchange }) => [400, 404].includes(exchange.response.status));
    assert.ok(refusals.length > 0);
    for (const { title, exchange } of refusals) {
      test(title, () =>
        throughRelay(
          () => json(exchange.response.status, JSON.parse(jsonOf(exchange.response.texts.join("")))),
          async ({ baseURL }) => {
            const headers = { authorization: `Bearer ${ACCESS_TOKEN}` };
            const asked = exchange.headers.get("timeout-seconds");
            if (asked !== undefined) headers["timeout-seconds"] = asked;
            const answer = await fetch(`${baseURL}${exchange.path}`, { headers });
            const body = await answer.text();
            assert.deepEqual([answer.status, body], [exchange.response.status, exchange.response.texts.join("")]);
          },
        ),
      );
    }
  });
});

/** The relay itself gives the answers that are no JSON, without a request to the server. */
function jsonOf(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return "{}";
  }
}
