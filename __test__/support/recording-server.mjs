// A server of Trigger.dev's that keeps every byte of what it is sent, and answers each read with what was asked for.

import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A request as it came: its head's lines, and its body as bytes of the connection (chunked or not).
 *
 * @typedef {{ line: string, headers: string[], body: string }} Recorded
 */

/** @param {string} environment what the relay's own key is told */
export async function startRecordingServer(environment) {
  /** @type {Recorded[]} */
  let seen = [];
  const sockets = new Set();
  /** The beginnings of requests that have not come whole. @type {Map<net.Socket, string>} */
  const begun = new Map();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket
      .on("error", () => {})
      .on("close", () => {
        sockets.delete(socket);
        begun.delete(socket);
      });
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
      for (let request = take(text); request !== undefined; request = take(text)) {
        text = text.slice(request.length);
        seen.push(request.recorded);
        answer(socket, request.recorded, environment);
      }
      if (text === "") begun.delete(socket);
      else begun.set(socket, text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}`,
    /** What came since it was last called. */
    taken() {
      const taken = seen;
      seen = [];
      return taken;
    },
    /** What came of requests that are not whole. */
    begun: () => [...begun.values()],
    /** Waits until such a request has come. @param {(request: Recorded) => boolean} is */
    async until(is) {
      for (const end = performance.now() + 10_000; !seen.some(is); await sleep(1)) {
        if (performance.now() > end) throw new Error(`never asked: ${is}`);
      }
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** The first whole request of a connection. Anything beyond its body is the next one's, as every server reads it. */
function take(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line, ...headers] = text.slice(0, end).split("\r\n");
  const named = (name) => headers.find((one) => one.toLowerCase().startsWith(`${name}:`))?.split(/: */)[1];
  const rest = text.slice(end + 4);
  // A GET has no body to this server, as to many: the bytes behind it are another request.
  const isRead = /^(GET|HEAD) /.test(line);
  let length = isRead ? 0 : Number(named("content-length") ?? 0);
  if (!isRead && named("transfer-encoding") === "chunked") {
    const last = rest.startsWith("0\r\n\r\n") ? 0 : rest.indexOf("\r\n0\r\n\r\n") + 2;
    if (last === 1) return undefined;
    length = last + 5;
  }
  if (rest.length < length) return undefined;
  return { recorded: { line, headers, body: rest.slice(0, length) }, length: end + 4 + length };
}

function answer(socket, { line, headers }, environment) {
  const [method, target] = line.split(" ");
  const token = /^authorization: Bearer [^.]*\.([^.]*)\./im.exec(headers.join("\n"))?.[1] ?? "";
  const forged = Buffer.from(token, "base64url").includes('"forged":true');
  const reply = (status, lines, body) =>
    socket.write(
      [
        `HTTP/1.1 ${status} X`,
        ...lines,
        `content-length: ${Buffer.byteLength(body)}`,
        "",
        method === "HEAD" ? "" : body,
      ].join("\r\n"),
    );
  const json = "content-type: application/json";
  if (forged) return reply(401, [json], '{"error":"Public Access Token is invalid"}');
  if (target === "/api/v1/auth/jwt/claims") return reply(200, [json], JSON.stringify({ sub: environment, pub: true }));
  if (target.startsWith("/realtime/v1/streams/")) {
    return reply(
      200,
      ["content-type: text/event-stream", "x-stream-version: v1"],
      `data: ${JSON.stringify({ target })}\n\n`,
    );
  }
  if (!target.startsWith("/realtime/")) return reply(200, [json], JSON.stringify({ line }));
  // A live poll is held until its connection ends.
  if (target.includes("live=true")) return undefined;
  const id = target.split("?")[0].split("/").at(-1);
  const value = { id, friendlyId: id, status: "EXECUTING", taskIdentifier: "a", runTags: "{}", payload: `"${target}"` };
  const messages = [
    { key: `"public"."TaskRun"/"${id}"`, value, headers: { operation: "insert" }, offset: "1_0" },
    { headers: { control: "up-to-date" } },
  ];
  const schema = Object.fromEntries(Object.keys(value).map((name) => [name, { type: "text" }]));
  const electric = ["electric-handle: 1-1", "electric-offset: 1_0", `electric-schema: ${JSON.stringify(schema)}`];
  return reply(200, [json, ...electric], JSON.stringify(messages));
}
