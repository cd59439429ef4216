// Ways to say a thing twice by bodies, and by the pseudo-headers of HTTP/2 (`doubles.mjs`).

import { byPath, targetOf } from "./doubles.mjs";
import { add, bearer, elsewhere, own } from "./doubles-headers.mjs";

const { double, LINES } = byPath;
/** @type {import("./doubles.mjs").Way[]} */
const HTTP2 = ["http2"];

/** Bodies: what a length says twice, and bodies where there is none. */
const bodies = [];
const raw = (name, reads, lines, body, kinds) =>
  bodies.push(
    double(
      name,
      reads,
      (one) => {
        one.headers.push(...lines.map(([...line]) => line));
        one.raw = typeof body === "function" ? body(one) : body;
        one.body = undefined;
      },
      { ways: LINES, kinds },
    ),
  );
const hidden = (one) => `GET ${elsewhere(one)} HTTP/1.1\r\nHost: app.example\r\nAuthorization: ${own(one)}\r\n\r\n`;
const JSON_BODY = '{"payload":"1"}';
const CHUNKED = ["Transfer-Encoding", "chunked"];
const chunks = `${JSON_BODY.length.toString(16)}\r\n${JSON_BODY}\r\n0\r\n\r\n`;
const READS = ["run", "tags", "batch", "stream", "retrieve"];
raw("a body of a GET", "mine?", [["Content-Length", "15"]], JSON_BODY, READS);
raw("a body of a GET, in chunks", "mine?", [CHUNKED], chunks, READS);
bodies.push(
  double(
    "a request in the body of a GET",
    "mine?",
    (one) => {
      one.raw = hidden(one);
      one.headers.push(["Content-Length", `${one.raw.length}`]);
    },
    { ways: LINES, kinds: READS },
  ),
  double(
    "a request in a chunk of a GET",
    "mine?",
    (one) => {
      const text = hidden(one);
      one.raw = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
      one.headers.push([...CHUNKED]);
    },
    { ways: LINES, kinds: READS },
  ),
);
const TRIGGER = ["trigger"];
raw("a length and chunks", "mine?", [["Content-Length", "4"], CHUNKED], chunks, TRIGGER);
raw("chunks and a length", "mine?", [CHUNKED, ["Content-Length", "4"]], chunks, TRIGGER);
raw(
  "two lengths",
  "refused",
  [
    ["Content-Length", "15"],
    ["Content-Length", "4"],
  ],
  JSON_BODY,
  TRIGGER,
);
raw("two lengths in one", "refused", [["Content-Length", "15, 4"]], JSON_BODY, TRIGGER);
raw("a length with a sign", "refused", [["Content-Length", "+15"]], JSON_BODY, TRIGGER);
raw("a length in hexadecimal", "refused", [["Content-Length", "0xf"]], JSON_BODY, TRIGGER);
raw("chunks twice", "mine?", [CHUNKED, CHUNKED], chunks, TRIGGER);
raw("chunks and identity", "mine?", [["Transfer-Encoding", "chunked, identity"]], chunks, TRIGGER);
raw("an unknown coding", "refused", [["Transfer-Encoding", "xchunked"]], chunks, TRIGGER);
raw("a coding before a space", "refused", [["Transfer-Encoding ", "chunked"]], chunks, TRIGGER);
raw("a chunk with an extension", "mine?", [CHUNKED], chunks.replace("\r\n", ';a="b"\r\n'), TRIGGER);
raw("a chunk with a bare line feed", "mine?", [CHUNKED], chunks.replace("\r\n", ";a\n\r\n"), TRIGGER);
raw("a size of a chunk with a sign", "refused", [CHUNKED], `+${chunks}`, TRIGGER);
raw("a size of a chunk in 17 digits", "refused", [CHUNKED], `1000000000000000f\r\n${JSON_BODY}\r\n0\r\n\r\n`, TRIGGER);
raw(
  "a trailer with another's token",
  "mine?",
  [CHUNKED, ["Trailer", "Authorization"]],
  (one) => chunks.replace(/\r\n$/, `Authorization: ${bearer(one)}\r\n\r\n`),
  TRIGGER,
);
raw(
  "a trailer with another path",
  "mine?",
  [CHUNKED],
  (one) => chunks.replace(/\r\n$/, `X-Original-URL: ${elsewhere(one)}\r\n\r\n`),
  TRIGGER,
);

/** Pseudo-headers. */
const pseudo = [];
const also = (name, value, reads = "refused", more = {}) =>
  pseudo.push(
    double(
      `${name} ${typeof value === "string" ? value : "of another"} as well`,
      reads,
      (one) => {
        one.pseudo = [[name, typeof value === "function" ? value(one) : value]];
      },
      { ways: HTTP2, ...more },
    ),
  );
also(":path", elsewhere);
also(":path", targetOf, "refused", { name: ":path of its own as well" });
also(":method", "POST");
also(":method", "GET");
also(":authority", "elsewhere.example");
also(":authority", "app.example");
also(":scheme", "https");
also(":status", "200");
also(":protocol", "websocket");
also(":unknown", "1");
for (const [
  name,
  edit,
  reads,
] of /** @type {[string, (one: import("./doubles.mjs").Asked) => void, import("./doubles.mjs").Reading][]} */ ([
  ["a host beside the authority", add("host", "app.example"), "mine"],
  ["another host beside the authority", add("host", "elsewhere.example"), "refused"],
  ["an empty host beside the authority", add("host", ""), "refused"],
  [
    "two hosts beside the authority",
    (one) => one.headers.push(["host", "app.example"], ["host", "elsewhere.example"]),
    "refused",
  ],
  ["a pseudo-header behind the others", (one) => one.headers.push([":path", elsewhere(one)]), "refused"],
  [
    "an absolute path",
    (one) => {
      one.target = `http://elsewhere.example${targetOf(one)}`;
    },
    "refused",
  ],
  [
    "an absolute path of its own host",
    (one) => {
      one.target = `http://app.example${targetOf(one)}`;
    },
    "mine?",
  ],
  [
    "a path without its slash",
    (one) => {
      one.target = targetOf(one).slice(1);
    },
    "refused",
  ],
  [
    "an empty path",
    (one) => {
      one.target = "";
    },
    "refused",
  ],
  [
    "a path with a space",
    (one) => {
      one.target = targetOf(one).replace("?", " ?");
      if (!one.target.includes(" ")) one.target += " x";
    },
    "refused",
  ],
  [
    "a path with a line break",
    (one) => {
      one.target = `${targetOf(one)}\r\nx: y`;
    },
    "refused",
  ],
  [
    "a path with a NUL",
    (one) => {
      one.target = `${targetOf(one)}\0`;
    },
    "refused",
  ],
  [
    "no authority",
    (one) => {
      one.without = [":authority"];
    },
    "mine?",
  ],
  [
    "no scheme",
    (one) => {
      one.without = [":scheme"];
    },
    "refused",
  ],
  [
    "no method",
    (one) => {
      one.without = [":method"];
    },
    "refused",
  ],
  [
    "no path",
    (one) => {
      one.without = [":path"];
    },
    "refused",
  ],
  ["a name in capitals", (one) => one.headers.push(["X-Upper", "1"]), "refused"],
  ["a name with a colon", (one) => one.headers.push(["a:b", "1"]), "refused"],
  ["a name with a line break", (one) => one.headers.push(["a\r\nb", "1"]), "refused"],
  ["a value with a line break", (one) => one.headers.push(["a", `1\r\nauthorization: ${bearer(one)}`]), "refused"],
  ["a value with a NUL", (one) => one.headers.push(["a", "1\0"]), "refused"],
  ["a connection header", (one) => one.headers.push(["connection", "close"]), "refused"],
  ["a coding of HTTP/1", (one) => one.headers.push(["transfer-encoding", "chunked"]), "refused"],
  ["a TE of trailers", (one) => one.headers.push(["te", "trailers"]), "mine"],
  ["a TE of gzip", (one) => one.headers.push(["te", "gzip"]), "refused"],
  ["cookies in parts", (one) => one.headers.push(["cookie", "a=1"], ["cookie", "b=1"]), "mine"],
  [
    "a CONNECT",
    (one) => {
      one.method = "CONNECT";
    },
    "refused",
  ],
  [
    "a WebSocket by extended CONNECT",
    (one) => {
      one.method = "CONNECT";
      one.pseudo = [[":protocol", "websocket"]];
    },
    "refused",
  ],
  [
    "an authority with a login",
    (one) => {
      one.pseudo = [[":authority", "user@app.example"]];
      one.without = [":authority"];
    },
    "refused",
  ],
  [
    "an authority with a path",
    (one) => {
      one.pseudo = [[":authority", "app.example/x"]];
      one.without = [":authority"];
    },
    "refused",
  ],
])) {
  pseudo.push(double(`${name} over HTTP/2`, reads, edit, { ways: HTTP2 }));
}
pseudo.push(
  double(
    "a body of another length than it says over HTTP/2",
    "refused",
    (one) => {
      one.headers.push(["content-length", "4"]);
    },
    { ways: HTTP2, kinds: TRIGGER },
  ),
  double(
    "a body of a GET over HTTP/2",
    "mine",
    (one) => {
      one.body = hidden(one);
    },
    { ways: HTTP2, kinds: READS },
  ),
);

export const ofBodies = [...bodies, ...pseudo];
