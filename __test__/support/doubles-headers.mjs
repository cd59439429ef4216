// Ways to say a thing twice by headers (`doubles.mjs`).

import { byPath, targetOf } from "./doubles.mjs";

const { double, LINES, FEEDS, PROXIED } = byPath;
/** @type {import("./doubles.mjs").Way[]} */
const DIRECT = ["http1", "node"];

/** @type {import("./doubles.mjs").Double[]} */
const headers = [];
/** Of who has one. */
const HOLDERS = { tokens: ["mine", "victim", "all", "forged", "own"] };
export const add =
  (name, value, at = "after") =>
  (one) => {
    const line = [typeof name === "function" ? name(one) : name, typeof value === "function" ? value(one) : value];
    if (at === "after") one.headers.push(line);
    else one.headers.unshift(line);
  };
export const bearer = (one) => `Bearer ${one.names.other}`;
export const own = (one) => `Bearer ${one.names.token}`;
export const elsewhere = (one) =>
  targetOf({
    ...one,
    path: one.path.replaceAll("mine", "victim"),
    query: one.query.map((text) => text.replaceAll("mine", "victim")),
  });

for (const name of ["Authorization", "authorization", "AUTHORIZATION", "aUTHORIZATION"]) {
  headers.push(
    double(`another's token after, as ${name}`, "refused", add(name, bearer), HOLDERS),
    double(`another's token before, as ${name}`, "refused", add(name, bearer, "before"), HOLDERS),
    double(`its own token twice, as ${name}`, "refused", add(name, own), HOLDERS),
    double(`an empty ${name} after`, "refused", add(name, ""), { ...HOLDERS, ways: [...LINES, "http2"] }),
  );
}
for (const separator of [", ", ",", " ", "; ", ",Bearer "]) {
  const edit = (one) => {
    one.headers[0][1] = `${own(one)}${separator}${bearer(one)}`;
  };
  headers.push(double(`two tokens joined by ${JSON.stringify(separator)}`, "refused", edit, HOLDERS));
}
headers.push(
  double(
    "a folded token",
    "refused",
    (one) => {
      one.headers[0][1] = `Bearer\r\n ${one.names.token}`;
    },
    { ...HOLDERS, ways: LINES },
  ),
  double(
    "another's token folded behind",
    "refused",
    (one) => {
      one.headers[0][1] += `\r\n\t${bearer(one)}`;
    },
    { ...HOLDERS, ways: LINES },
  ),
  double(
    "a bare line feed before another's token",
    "refused",
    (one) => {
      one.headers[0][1] += `\n${bearer(one)}`;
    },
    { ...HOLDERS, ways: DIRECT },
  ),
  double(
    "a bare return before another's token",
    "refused",
    (one) => {
      one.headers[0][1] += `\r${bearer(one)}`;
    },
    { ...HOLDERS, ways: LINES },
  ),
  double("a space before the colon of another's token", "refused", add("Authorization ", bearer), {
    ...HOLDERS,
    ways: LINES,
  }),
  double("a NUL in the name of another's token", "refused", add("Authorization\0", bearer), {
    ...HOLDERS,
    ways: LINES,
  }),
);
// Names that only look like one that decides.
for (const name of [
  "X-Authorization",
  "Proxy-Authorization",
  "X-Api-Key",
  "Api-Key",
  "X-Access-Token",
  "Authorization2",
  "X-Forwarded-Authorization",
  "Cookie",
  "X-Trigger-Token",
]) {
  headers.push(double(`another's token as ${name}`, "mine", add(name, bearer), { kinds: [...FEEDS, "stream"] }));
}
for (const name of ["Proxy-Authorization", "Cookie", "X-Forwarded-Authorization", "X-Original-Authorization"]) {
  headers.push(double(`another's token as ${name}, proxied`, "mine", add(name, bearer), { kinds: PROXIED }));
}
/** By which proxies tell what a request was, or what it is to be. None of it goes on. */
const OF_PROXIES = [
  ["X-Forwarded-Host", "elsewhere.example"],
  ["X-Forwarded-Server", "elsewhere.example"],
  ["X-Forwarded-For", "127.0.0.1"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Port", "1"],
  ["X-Forwarded-Prefix", "/api/v1"],
  ["X-Forwarded-Uri", elsewhere],
  ["X-Forwarded", "host=elsewhere.example"],
  ["Forwarded", "for=127.0.0.1;host=elsewhere.example"],
  ["X-Host", "elsewhere.example"],
  ["X-Original-URL", elsewhere],
  ["X-Original-URI", elsewhere],
  ["X-Original-Host", "elsewhere.example"],
  ["X-Rewrite-URL", elsewhere],
  ["X-Envoy-Original-Path", elsewhere],
  ["X-HTTP-Method-Override", "DELETE"],
  ["X-HTTP-Method", "DELETE"],
  ["X-Method-Override", "DELETE"],
  ["X-Real-IP", "127.0.0.1"],
  ["X-Client-IP", "127.0.0.1"],
  ["True-Client-IP", "127.0.0.1"],
  ["CF-Connecting-IP", "127.0.0.1"],
  ["Via", "1.1 a"],
];
for (const [name, value] of OF_PROXIES) {
  for (const written of new Set([name, name.toLowerCase(), name.toUpperCase()])) {
    headers.push(double(`${written}`, "mine", add(written, value)));
  }
  headers.push(
    double(`${name} twice`, "mine", (one) => {
      add(name, value)(one);
      add(name, value)(one);
    }),
    double(`${name} with underscores`, "mine", add(name.replaceAll("-", "_"), value)),
    double(`${name} with one underscore`, "mine", add(name.replace(/-(?=[^-]*$)/, "_"), value)),
  );
}
/** Of one connection. */
for (const [name, value] of [
  ["Keep-Alive", "timeout=1"],
  ["Proxy-Connection", "close"],
  ["TE", "trailers"],
  ["Trailer", "authorization"],
  ["Connection", "authorization"],
  ["Connection", "x-trigger-client, host, content-length"],
]) {
  headers.push(double(`${name}: ${value}`, "mine?", add(name, value), { ways: [...LINES] }));
}
for (const [what, lines] of [
  [
    "WebSocket",
    [
      ["Connection", "Upgrade"],
      ["Upgrade", "websocket"],
      ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="],
      ["Sec-WebSocket-Version", "13"],
    ],
  ],
  [
    "HTTP/2",
    [
      ["Connection", "Upgrade, HTTP2-Settings"],
      ["Upgrade", "h2c"],
      ["HTTP2-Settings", "AAMAAABkAAQAAP__"],
    ],
  ],
  [
    "HTTP/2, its settings not named",
    [
      ["Connection", "Upgrade"],
      ["Upgrade", "h2c"],
      ["HTTP2-Settings", "AAMAAABkAAQAAP__"],
    ],
  ],
  [
    "TLS",
    [
      ["Connection", "Upgrade"],
      ["Upgrade", "TLS/1.0"],
    ],
  ],
]) {
  headers.push(
    double(`an upgrade to ${what}`, "mine?", (one) => one.headers.push(...lines.map(([...line]) => line)), {
      ways: LINES,
    }),
  );
}
for (const expected of ["100-continue", "100-CONTINUE", "x"]) {
  headers.push(double(`Expect: ${expected}`, "mine?", add("Expect", expected), { ways: LINES }));
}
for (const name of [
  "Origin",
  "Sec-Fetch-Site",
  "Last-Event-ID",
  "Timeout-Seconds",
  "X-Trigger-Branch",
  "x-trigger-api-version",
  "X-Trigger-Electric-Version",
]) {
  for (const values of [
    ["1", "2"],
    ["2", "2"],
  ]) {
    const edit = (one) => one.headers.push([name, values[0]], [name.toLowerCase(), values[1]]);
    headers.push(double(`${name} twice: ${values}`, "refused", edit, { ways: ["http1", "node", "http2"] }));
  }
}

/** Hosts. */
for (const [name, host, reads] of [
  ["two hosts", "Host: app.example\r\nHost: elsewhere.example", "refused"],
  ["two hosts, the other first", "Host: elsewhere.example\r\nHost: app.example", "refused"],
  ["one host twice", "Host: app.example\r\nhost: app.example", "mine?"],
  ["no host", "", "refused"],
  ["an empty host", "Host:", "refused"],
  ["a host with a path", "Host: app.example/realtime/v1/runs/run_public?", "refused"],
  ["a host with a login", "Host: user@app.example", "refused"],
  ["two hosts in one", "Host: app.example, elsewhere.example", "refused"],
  ["a host with a space", "Host: app.example elsewhere.example", "refused"],
  ["a folded host", "Host: app.example\r\n .elsewhere.example", "refused"],
  ["a host with a port of letters", "Host: app.example:http", "refused"],
  ["a host of another case", "Host: APP.EXAMPLE", "mine"],
]) {
  const of = { else: /** @type {import("./doubles.mjs").Reading} */ (reads), nginx: "mine?", "nginx-uri": "mine?" };
  headers.push(
    double(
      name,
      /** @type {any} */ (of),
      (one) => {
        one.host = host;
      },
      { ways: LINES },
    ),
  );
}

export const ofHeaders = headers;
