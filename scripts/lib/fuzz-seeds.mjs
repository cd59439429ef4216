// The corpora of the fuzz targets, made from the recordings of the real server: bodies of feeds and streams, tokens,
// paths and queries, bodies of calls. `fuzz/properties` says what each target reads.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { readRecordings } from "./recordings.mjs";
import { root } from "./run.mjs";

/** The largest input that is kept in the repository, and how many of each target. */
const SMALL = 1_500;
const KEPT = 12;
/** The largest input at all: mutations of longer ones find less. */
const LARGEST = 16_384;

/** @param {...(string | number | Buffer)} parts a number is a byte */
const input = (...parts) =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part))));

/** @type {Record<string, Buffer[]>} */
const BY_HAND = {
  values: [
    input(0, '{a,"b,c","q\\"q",NULL,nu\\ll}'),
    input(0, "[2:3]={a,b}"),
    input(1, 'a\0\x01\0q"q\0back\\slash'),
    input(2, '{"a":{"type":"text","dims":1},"b":{"type":"int8"},"c":{"type":"later"}}'),
    input(3, "2026-11-22T08:16:47.097"),
    input(3, "2024-02-29 23:59:59.9"),
    input(4, "1w2d3h4m5s"),
    input(4, "1h30m1hr"),
    input(5, "+1.5 hours"),
    input(5, "7 days ago"),
    input(5, "2 Weeks From Now"),
    input(6, "Sun, 06 Nov 2026 08:49:37 GMT"),
    input(6, "120"),
    input(7, "1795335551785-0+2"),
    input(7, "7-1~3"),
    input(8, "a,b b,é"),
    input(9, "read:runs:run_1\0read\0runs\0run_1"),
    input(9, "admin\0write\0tasks\0x"),
    input(10, "GET\n/realtime/v1/runs/run_1?offset=-1\nhost\na.b\naccept\n*/*"),
    input(10, "200\n1\ncontent-type\ntext/plain"),
    input(11, 'q"q\\ \u2028 é 🚀'),
  ],
  responses: [
    input(0, 0, gzipSync("data: {}\n\n".repeat(9))),
    input(2, 7, "data: {}\n\n".repeat(20)),
    input(3, 1, "text/\x01\0", '{"error":"the key \x01 is wrong"}'),
    input(3, 90, "\x01\0", "a\\u0074b \x01"),
  ],
  paths: [
    input("https://api.trigger.dev/\0run_1\0logs/main\0tail é"),
    input("http://user:password@127.0.0.1:3030/base/\0../x\0a\\b\0"),
  ],
  emulator: [
    input(
      'POST /emulator/runs\n{"taskIdentifier":"hello","payload":"{}","tags":["a"]}\0GET /realtime/v1/runs/{run}?offset=-1',
    ),
    input(
      'POST /api/v1/tasks/hello/trigger\n{"payload":"{}","options":{"delay":"1h","ttl":"2m","tags":["a"]}}\0PUT /emulator/clock\n{"advanceMs":60000}\0GET /api/v3/runs/{run}',
    ),
    input(
      'PUT /emulator/tasks\n{"tasks":{"x":{"steps":[{"wait":10},{"metadata":{"a":1}},{"repeat":{"from":1,"to":3,"steps":[{"wait":1}]}}]}}}\0POST /api/v1/tasks/x/trigger\n{}\0PUT /emulator/clock\n{"advanceMs":500}\0GET /emulator/tasks',
    ),
    input(
      'POST /api/v1/waitpoints/tokens\n{"timeout":"1h","tags":["a"]}\0POST /api/v1/waitpoints/tokens/{token}/complete\n{"data":{"a":1}}\0GET /api/v1/waitpoints/tokens/{token}',
    ),
    input(
      'POST /api/v3/batches\n{"runCount":1}\0POST /api/v3/batches/{batch}/items\n{"index":0,"task":"hello","payload":"{}"}\n\0GET /api/v2/batches/{batch}',
    ),
    input(
      'POST /emulator/runs\n{}\0POST /realtime/v1/streams/{run}/self/s/append\ntext\0POST /emulator/runs/{run}/streams/s\n{"records":["a"]}\0GET /realtime/v1/streams/{run}/s',
    ),
    input(
      'PUT /emulator/faults\n{"faults":[{"route":"GET /api/v3/runs/{id}","status":503}]}\0PATCH /emulator/runs/{run}\n{"status":"EXECUTING"}\0GET /emulator/stats',
    ),
    input(
      'PUT /emulator/limits\n{"maxConnections":1}\0GET /api/v1/runs?page[size]=2&filter[status]=QUEUED\0POST /emulator/batches\n{}',
    ),
    input(
      'POST /api/v1/auth/public-tokens\n{"scopes":["read:runs"],"expirationTime":"1h"}\0POST /api/v1/auth/jwt/claims\n',
    ),
    input(
      '{"clock":"manual","now":"2026-01-01T00:00:00Z","tasks":{"x":{"queued":null,"steps":[]}},"maxRuns":2}\0POST /api/v1/tasks/x/trigger\n{}',
    ),
    input("\x01GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    input(
      "GET /relay/realtime/v1/runs?tags=a&offset=-1\0OPTIONS /api/v3/runs/x\0PUT /api/v2/packets/a/b.json\0PUT /emulator/objects/a\nx",
    ),
  ],
  wants: [
    input('{"wants":[{"id":"a","run":"run_1","at":"Qk3aaaaaaaaaaaaa","token":"eyJhbGciOiJIUzI1NiJ9.e30.x"}]}'),
    input(
      '{"wants":[{"id":"b","tags":["user:7","x"],"createdAt":"1h","skipColumns":["payload"],"at":["AAAAAAABAAAAAAAC","AAAAAAABAAAAAAACAAAAAAAD"]},{"id":"c","batch":"batch_1","at":null}]}',
    ),
    input(
      '{"wants":[{"id":"d","stream":{"run":"run_1","key":"k"},"at":"7"},{"id":"e","stream":{"run":"run_1","key":"k","input":true}}]}',
    ),
    input('{"wants":[{"id":"a","run":"run_1","run":"run_2"}],"wants":[]}'),
    input('[[["a","run_1",null,null,null,null,null,null,null]]]'),
    input('{"wants":[{"id":"a","run":"run_1","skipColumns":"tr_dev_fakefakefakefakefake"}]}'),
    input("AAAAAAABAAAAAAACAAAAAAAD"),
  ],
};

const METHODS = ["GET", "POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "CONNECT"];
const TOKEN = /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/g;

/** The inputs of every target. @returns {Record<string, Buffer[]>} */
function inputs() {
  /** @type {Record<string, Buffer[]>} */
  const found = {
    sse: [],
    shape: [],
    values: [],
    tokens: [],
    paths: [],
    relay: [],
    streams: [],
    responses: [],
    emulator: [],
    wants: [],
  };
  const tokens = new Set();
  for (const recording of readRecordings()) {
    /** @type {string[]} */
    const feed = [];
    for (const { request, response } of recording.exchanges) {
      const [method, target] = request.line.split(" ");
      const [route, query = ""] = target.split("?");
      found.relay.push(input(METHODS.indexOf(method), 0, `${route}\0${query}`));
      found.paths.push(input(`https://api.trigger.dev\0${route.split("/").slice(4).join("\0")}`));
      for (const side of [request, response]) {
        for (const [token] of JSON.stringify(side ?? "").matchAll(TOKEN)) tokens.add(token);
      }
      if (request.body) found.emulator.push(input(`${method} ${target}\n${request.body}`));
      if (!response) continue;
      const isStream = response.headers.some(([, value]) => value.startsWith("text/event-stream"));
      const isV2 = response.headers.some(([name]) => name.toLowerCase() === "x-stream-version");
      if (isStream) {
        found.sse.push(input(7, 255, response.body));
        found.streams.push(input(isV2 ? 1 : 0, 7, response.body));
      } else if (route.startsWith("/realtime/")) {
        feed.push(response.body);
        found.responses.push(input(2, 3, response.body));
      }
      for (const [name, value] of response.headers) {
        if (name.toLowerCase() === "electric-schema") found.values.push(input(2, value));
      }
    }
    // One machine follows what a recorded client was answered.
    for (let at = 0; at < feed.length; at += 6) {
      const answers = feed.slice(at, at + 6);
      found.shape.push(input(...answers.flatMap((body, number) => [1 + 32 * (number % 4), body, 0])));
      found.shape.push(input(...answers.flatMap((body) => [9, body, 0, 17, 0])));
    }
  }
  for (const token of tokens) {
    const [header, claims] = token
      .split(".")
      .map((/** @type {string} */ part) => Buffer.from(part, "base64url").toString());
    found.tokens.push(input(0, token), input(3, 0, `${header}\0${claims.replace(/"exp":\d+/, '"exp":1795349568')}`));
    found.tokens.push(input(1, 1, `1h\0${claims}\0["read:runs"]`));
  }
  for (const [target, list] of Object.entries(BY_HAND)) found[target].push(...list);
  return found;
}

/** A name by content, as libFuzzer gives. @param {Buffer} bytes */
const nameOf = (bytes) => createHash("sha1").update(bytes).digest("hex").slice(0, 16);

/** @param {string} folder @param {Buffer[]} list */
function write(folder, list) {
  mkdirSync(folder, { recursive: true });
  for (const bytes of list) writeFileSync(path.join(folder, nameOf(bytes)), bytes);
}

/** Writes the corpus of a target, from all recordings: `fuzz/corpus`, which fuzzing adds to. */
export function writeCorpora() {
  for (const [target, list] of Object.entries(inputs())) {
    const fitting = list.filter((bytes) => bytes.length <= LARGEST);
    write(path.join(root, "fuzz", "corpus", target), fitting);
  }
}

/** The few small inputs that the repository keeps, and ordinary tests try: spread over what there is. */
export function smallSeeds() {
  const small = Object.entries(inputs()).map(([target, list]) => {
    const distinct = new Map(list.filter((bytes) => bytes.length <= SMALL).map((bytes) => [nameOf(bytes), bytes]));
    const own = new Set((BY_HAND[target] ?? []).map(nameOf));
    const others = [...distinct].filter(([name]) => !own.has(name));
    const step = Math.max(1, Math.floor(others.length / KEPT));
    const spread = others.filter((_, at) => at % step === 0).slice(0, KEPT);
    return [target, [...[...distinct].filter(([name]) => own.has(name)), ...spread]];
  });
  return /** @type {[string, [string, Buffer][]][]} */ (small);
}

/** Writes `fuzz/seeds` anew. */
export function writeSeeds() {
  for (const [target, list] of smallSeeds()) {
    const folder = path.join(root, "fuzz", "seeds", target);
    rmSync(folder, { recursive: true, force: true });
    write(
      folder,
      list.map(([, bytes]) => bytes),
    );
  }
}

/** What `fuzz/seeds` holds and what it should hold, by target. */
export function seedNames() {
  const folder = path.join(root, "fuzz", "seeds");
  return smallSeeds().map(([target, list]) => ({
    target,
    held: readdirSync(path.join(folder, target)).sort(),
    expected: list.map(([name]) => name).sort(),
    intact: readdirSync(path.join(folder, target)).every(
      (name) => nameOf(readFileSync(path.join(folder, target, name))) === name,
    ),
  }));
}
