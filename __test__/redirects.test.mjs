// Redirections to another origin: another scheme, host or port. They are followed, and without the key.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { selfSigned } from "./support/certificate.mjs";
import { temporary } from "./support/packages.mjs";
import { runProgram } from "./support/program.mjs";
import { leaksIn } from "./support/secrets.mjs";
import { jwt } from "./support/tokens.mjs";

/** One of each that sends requests: a read, a write, a feed, a stream. Prints how many it made. */
const PROGRAM = `
  const { configure, runs, streams, tasks } = require("./index.js");
  const retry = { maxElapsedMs: 1 };
  configure({ baseURL, accessToken, requestOptions: { retry: { maxAttempts: 1 } } });
  const all = [
    () => runs.retrieve("run_1234"),
    () => runs.cancel("run_1234"),
    () => runs.subscribeToRun("run_1234", { retry }).next(),
    async () => { for await (const _ of await streams.read("run_1234", "ai", { retry })); },
  ];
  (async () => {
    let refused = 0;
    for (const each of all) await each().catch((error) => { if (error.status === 404) refused += 1; });
    console.log(refused);
  })();
`;

const SECRETS = { "the key": "tr_dev_redirectedverysecret", "a token": jwt("redirected", 4_000_000_000) };

describe("a redirection", () => {
  const pair = selfSigned();
  const servers = [];
  const sockets = new Set();
  /** Where a request is sent on to, and what came. */
  let next;
  let seen = [];
  let home;
  let trusted;

  /** A port that takes HTTP/1.1, TLS and, within it, HTTP/2, as some servers do. Gives its number. */
  async function listen() {
    const answer = (request, response) => {
      const { authorization, host } = request.headers;
      const scheme = request.socket.encrypted ? "https" : "http";
      const url = new URL(request.url, `${scheme}://${host ?? request.headers[":authority"]}`);
      seen.push({ origin: url.origin, authorization, all: JSON.stringify([request.url, request.headers]) });
      request.resume();
      const to = next(url);
      if (to) response.writeHead(to.status, { location: to.base + url.pathname }).end();
      else response.writeHead(404, { "content-type": "application/json" }).end('{"error":"Not found"}');
    };
    const behind = [http2.createSecureServer({ ...pair, allowHTTP1: true }, answer), http.createServer(answer)];
    const [secure, plain] = await Promise.all(behind.map(opened));
    return opened(
      net.createServer((socket) => {
        // The first byte of TLS is that of a handshake.
        socket.once("data", (first) => {
          const onwards = net.connect(first[0] === 22 ? secure : plain, "127.0.0.1");
          onwards.write(first);
          socket.pipe(onwards).pipe(socket);
          onwards.on("error", () => socket.destroy()).on("close", () => socket.destroy());
          socket.on("close", () => onwards.destroy());
        });
        socket.on("error", () => {});
      }),
    );
  }

  /** Opens a port, and gives its number. @param {net.Server} server */
  async function opened(server) {
    servers.push(server);
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server.address().port;
  }

  before(async () => {
    home = await temporary("redirects");
    trusted = path.join(home.folder, "trusted.pem");
    await writeFile(trusted, pair.cert);
  });
  after(async () => {
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
    await home.remove();
  });

  /** Every kind of request, from `from` on to `to`; gives what came, by origin. */
  async function sent(from, answer, { accessToken, env = {} }) {
    seen = [];
    next = answer;
    const options = { baseURL: from, accessToken, env: { NODE_EXTRA_CA_CERTS: trusted, ...env }, timeoutMs: 30_000 };
    const { out, err, code } = await runProgram(PROGRAM, options);
    assert.equal(code, 0, err);
    assert.equal(out.trim(), "4", `each request was answered where it was sent on to: ${err}`);
    return seen;
  }

  const origin = (base) => new URL(base).origin;

  /** What came at `from` has the credential, and what came anywhere else has nothing of it. */
  function check(all, from, accessToken) {
    const [own, others] = [true, false].map((isOwn) => all.filter((each) => (each.origin === origin(from)) === isOwn));
    assert.ok(own.length >= 4 && others.length >= 4, `${own.length} requests at home, ${others.length} elsewhere`);
    for (const { authorization, origin: where } of own) assert.equal(authorization, `Bearer ${accessToken}`, where);
    for (const { all: text, origin: where } of others) assert.deepEqual(leaksIn(text, { accessToken }), [], where);
  }

  for (const [name, accessToken] of Object.entries(SECRETS)) {
    for (const status of [302, 307]) {
      const places = {
        "http on the same host and port": (port) => [`https://127.0.0.1:${port}`, `http://127.0.0.1:${port}`],
        "https on the same host and port": (port) => [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`],
        "another port": (port, other) => [`https://127.0.0.1:${port}`, `https://127.0.0.1:${other}`],
        "another name of the same address": (port) => [`https://127.0.0.1:${port}`, `https://localhost:${port}`],
      };
      for (const [place, of] of Object.entries(places)) {
        it(`${status} to ${place} goes without ${name}`, async () => {
          const [from, to] = of(await listen(), await listen());
          const onwards = (url) => (url.origin === origin(from) ? { status, base: to } : undefined);
          check(await sent(from, onwards, { accessToken }), from, accessToken);
        });
      }

      it(`${status} to another origin and back goes without ${name} from there on`, async () => {
        const port = await listen();
        const [from, to] = [`https://127.0.0.1:${port}`, `http://127.0.0.1:${port}`];
        const back = (url) => {
          if (url.origin === to) return { status, base: `${from}/back` };
          return url.pathname.startsWith("/back/") ? undefined : { status, base: to };
        };
        const all = await sent(from, back, { accessToken });
        const later = all.filter(({ origin: where, all: text }) => where !== from || text.includes("/back/"));
        assert.equal(later.length, 8);
        for (const { all: text } of later) assert.deepEqual(leaksIn(text, { accessToken }), []);
      });

      it(`${status} to a subdomain, the domain above, and another port of the name goes without ${name}`, async () => {
        // A proxy looks no name up: any host is to be had there.
        const http_proxy = `http://127.0.0.1:${await listen()}`;
        const from = "http://app.trigger.test";
        for (const to of ["http://sub.app.trigger.test", "http://trigger.test", "http://app.trigger.test:8080"]) {
          const onwards = (url) => (url.origin === from ? { status, base: to } : undefined);
          check(await sent(from, onwards, { accessToken, env: { http_proxy } }), from, accessToken);
        }
      });
    }
  }
});
