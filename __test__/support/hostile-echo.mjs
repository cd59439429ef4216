// A server that sends back what it was sent: each fault puts the request's token into another part of its answer.

import { once } from "node:events";
import net from "node:net";

const base64 = (/** @type {string} */ text) => Buffer.from(text).toString("base64");
const escaped = (/** @type {string} */ text) =>
  [...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
const percent = (/** @type {string} */ text) =>
  [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
const entities = (/** @type {string} */ text) => [...text].map((letter) => `&#${letter.charCodeAt(0)};`).join("");
const half = (/** @type {string} */ text) => text.slice(0, text.length / 2 + 4);
const end = (/** @type {string} */ text) => text.slice(text.length / 2 - 4);

/** The forms of a token. @type {Record<string, (token: string) => string>} */
export const FORMS = {
  whole: (token) => token,
  "its beginning": half,
  "its end": end,
  "in base64": base64,
  "in base64, with its scheme": (token) => base64(`Bearer ${token}`),
  "in base64url": (token) => Buffer.from(`x:${token}`).toString("base64url"),
  "percent-encoded": percent,
  "in escapes": escaped,
  "in entities": entities,
  "in hexadecimal": (token) => Buffer.from(token).toString("hex"),
  "in capitals": (token) => token.toUpperCase(),
  "a part of it": (token) => token.split(".").at(1) ?? token.slice(4),
};

const json = (status, body, ...lines) => answer(status, ["content-type: application/json", ...lines], body);
function answer(status, lines, body) {
  return [
    `HTTP/1.1 ${status}`,
    ...lines,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}

/** The places of an answer. @type {Record<string, (text: string) => string>} */
export const PLACES = {
  "an error": (text) => json("401 X", `{"error":"no such key: ${text}"}`),
  "an error's fields": (text) =>
    json("422 X", `{"error":{"message":"no","code":"${text}","param":"${text}","type":"${text}"},"${text}":1}`),
  "an error that is tried again": (text) =>
    json("503 X", `{"error":"${text}"}`, "retry-after: 0", `x-request-id: ${text}`),
  "a page of a gateway": (text) => answer("502 X", ["content-type: text/html"], `<p>Bearer ${text}</p>`),
  "a body that breaks off": (text) => `HTTP/1.1 500 X\r\ncontent-length: 9999\r\n\r\n{"error":"${text}`,
  headers: (text) =>
    json(
      "400 X",
      "{}",
      `www-authenticate: Bearer realm="${text}"`,
      `x-echo: ${text}`,
      `set-cookie: a=${text}`,
      `location: /${text}`,
      `content-type: x/${text}`,
    ),
  "the reason": (text) => json(`403 ${text}`, "{}"),
  "no JSON": (text) => json("200 OK", `key ${text}`),
  "JSON of another kind": (text) => json("200 OK", `{"id":{"${text}":["${text}"]},"${text}":1,"error":"${text}"}`),
  "a page": (text) => answer("200 OK", [`content-type: text/html; charset=${text}`], `<p>${text}</p>`),
  "a redirect": (text) => answer("302 Found", [`location: http://127.0.0.1:1/${text}?key=${text}`], ""),
  "a redirect with a login": (text) => answer("307 X", [`location: http://${text}:${text}@127.0.0.1:1/`], ""),
  "a redirect to nowhere": (text) => answer("308 X", [`location: http://[${text}`], ""),
  "a row that cannot be read": (text) =>
    json(
      "200 OK",
      `[{"key":"${text}","value":{"id":"${text}","status":"${text}","createdAt":"${text}","payload":"${text}"},"headers":{"operation":"${text}"}}]`,
      `electric-handle: ${text}`,
      "electric-offset: 1_0",
      `electric-schema: {"id":{"type":"${text}"}}`,
    ),
  "an event that cannot be read": (text) =>
    answer(
      "200 OK",
      ["content-type: text/event-stream", `x-stream-version: ${text}`],
      `event: ${text}\nid: ${text}\ndata: {${text}\n\n`,
    ),
  "gzip that is none": (text) => answer("200 OK", ["content-type: application/json", "content-encoding: gzip"], text),
  "a coding that is none": (text) => answer("200 OK", [`content-encoding: ${text}`], text),
  "a line that is no header": (text) => `HTTP/1.1 200 OK\r\n${text}\r\n\r\n`,
  "a status that is none": (text) => `HTTP/1.1 ${text} OK\r\n\r\n`,
  "no HTTP": (text) => `${text}\r\n\r\n`,
};

/**
 * Each request is answered by the fault that the first segment of its path names: `/<place>/<form>/…`, as numbers.
 */
export async function startHostileEcho() {
  const sockets = new Set();
  let asked = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      asked++;
      const [, place, form] = /^\w+ \/(\d+)\/(\d+)\//.exec(text) ?? [];
      const token = /^authorization: (?:Bearer )?(.*)$/im.exec(text)?.[1]?.trim() ?? "none";
      text = "";
      const write = Object.values(PLACES)[Number(place)];
      const shape = Object.values(FORMS)[Number(form)];
      socket.end(
        write === undefined || shape === undefined ? json("404 X", "{}") : Buffer.from(write(shape(token)), "latin1"),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}`,
    asked: () => asked,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
