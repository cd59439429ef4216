// What a stranger, a page of another origin or the holder of a weak token can try at a relay, and what they get.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { bearer, ENVIRONMENT, handlerOver, KEY, startServer, WAYS } from "./support/relay.mjs";

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token of these texts, signed whatever they contain. */
function signed(header, payload, key = KEY, algorithm = "sha256") {
  const message = `${part(header)}.${part(payload)}`;
  return `${message}.${createHmac(algorithm, key).update(message).digest("base64url")}`;
}

const claims = (more = {}) => ({
  ...{ sub: ENVIRONMENT, pub: true, scopes: ["read:runs"], iss: "https://id.trigger.dev" },
  ...{ aud: "https://api.trigger.dev", exp: Math.floor(Date.now() / 1000) + 900, iat: Math.floor(Date.now() / 1000) },
  ...more,
});

describe("a token that is written in odd ways", { timeout: 60_000 }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun();
  });
  after(() => server?.stop());

  const odd = () => {
    const plain = JSON.stringify(claims());
    const good = signed({ alg: "HS256" }, plain);
    const [, payload, signature] = good.split(".");
    return {
      "as it should be": good,
      "signed with none": `${part({ alg: "none" })}.${payload}.`,
      "signed with None, and a signature": signed({ alg: "None" }, plain),
      "signed with HS512": signed({ alg: "HS512" }, plain, KEY, "sha512"),
      "said to be HS512": signed({ alg: "HS512" }, plain),
      "of two algorithms, the last HS256": signed('{"alg":"none","alg":"HS256"}', plain),
      "of two algorithms, the last none": signed('{"alg":"HS256","alg":"none"}', plain),
      "with a critical extension": signed({ alg: "HS256", crit: ["b64"], b64: false }, plain),
      "with a key of its own": signed({ alg: "HS256", jwk: { kty: "oct", k: "AA" }, kid: "../../dev/null" }, plain),
      "of two lists of scopes, the last empty": signed({ alg: "HS256" }, plain.replace(/}$/, ',"scopes":[]}')),
      "of two lists of scopes, the first empty": signed({ alg: "HS256" }, plain.replace("{", '{"scopes":[],')),
      "of two environments": signed({ alg: "HS256" }, plain.replace("{", '{"sub":"env_other",')),
      "with a time that is text": signed({ alg: "HS256" }, claims({ iat: "1" })),
      "with a time far away": signed({ alg: "HS256" }, claims({ exp: 1e300 })),
      "with an end below zero": signed({ alg: "HS256" }, claims({ exp: -1 })),
      "with an end of nothing": signed({ alg: "HS256" }, claims({ exp: null })),
      "that begins far away": signed({ alg: "HS256" }, claims({ nbf: 1e300 })),
      "public by text": signed({ alg: "HS256" }, claims({ pub: "true" })),
      "with scopes that are text": signed({ alg: "HS256" }, claims({ scopes: "admin" })),
      "with scopes in an object": signed({ alg: "HS256" }, claims({ scopes: { 0: "admin", length: 1 } })),
      "with a scope that is a list": signed({ alg: "HS256" }, claims({ scopes: [["admin"]] })),
      "with a padded signature": `${good}=`,
      "with more behind its signature": `${good}.${signature}`,
      "with a signature that is cut": good.slice(0, -1),
    };
  };

  for (const { name, open } of WAYS) {
    it(`is taken through ${name} where the server itself takes it, and is told the same`, async () => {
      const handler = handlerOver(server);
      const { ask, stop } = await open(handler);
      for (const [what, token] of Object.entries(odd())) {
        const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
        for (const path of [`/realtime/v1/runs/${run}?offset=-1`, "/realtime/v1/runs?offset=-1&tags=x"]) {
          const [here, there] = await Promise.all([ask(path, { headers }), fetch(server.url + path, { headers })]);
          assert.equal(here.status, there.status, `${what}: ${path}`);
          assert.equal(JSON.parse(await here.text()).error, JSON.parse(await there.text()).error, `${what}: ${path}`);
        }
      }
      await stop();
      await handler.close();
    });
  }

  it("is no other token to a relay that cannot check it, and nobody is asked about it", async () => {
    const upstream = await counting();
    const handler = createRealtimeHandler({ accessToken: KEY, baseURL: upstream.url });
    // A token of another key of the environment, as after a rotation. Decoders that skip what is no base64url take it in
    // very many spellings, each of which would need a cached decision and a probe of its own.
    const good = signed({ alg: "HS256" }, claims(), "tr_dev_rotated");
    for (const [token, status, asked] of [
      [good, 200, 1],
      [`${good}=`, 401, 1],
      [`${good}!`, 401, 1],
      [`${good}A`, 401, 1],
      [`${good.slice(0, -20)}*${good.slice(-20)}`, 401, 1],
    ]) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await handler(new Request("http://app.example/realtime/v1/runs?tags=x&offset=-1", { headers }));
      await answer.text();
      assert.deepEqual([answer.status, upstream.with("Bearer ").length], [status, asked], token);
    }
    await handler.close();
    await upstream.stop();
  });
});

/** A server with one environment and no runs, and its requests with their tokens. */
async function counting(sub = ENVIRONMENT) {
  const seen = [];
  const server = http.createServer((req, res) => {
    const isClaims = req.url === "/api/v1/auth/jwt/claims";
    if (!isClaims) seen.push([req.headers.authorization, req.method, req.url]);
    res.setHeader("content-type", "application/json");
    if (isClaims) return res.end(JSON.stringify({ sub, pub: true }));
    // A live poll is held.
    if (req.url.includes("live=true")) return;
    res.setHeader("electric-handle", "runs_1");
    res.setHeader("electric-offset", "1_0");
    res.setHeader("electric-schema", "{}");
    res.end(JSON.stringify([{ headers: { control: "up-to-date" } }]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** The requests with another token than the relay's own key. */
    with: (start) => seen.filter(([token]) => token?.startsWith(start) && token !== `Bearer ${KEY}`),
    seen,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("a token of another branch", { timeout: 60_000 }, () => {
  it("opens nothing of this branch, though one key signs the tokens of both", async () => {
    const key = "tr_preview_branchesnotasecret";
    const upstream = await counting("env_this_branch");
    const handler = createRealtimeHandler({ accessToken: key, baseURL: upstream.url });
    const ask = async (sub) => {
      const token = signed({ alg: "HS256" }, claims({ sub, scopes: ["read:tags:user:1"] }), key);
      const path = "/realtime/v1/runs?tags=user%3A1&offset=-1";
      const request = new Request(`http://app.example${path}`, { headers: { authorization: `Bearer ${token}` } });
      const answer = await handler(request);
      return [answer.status, (await answer.json()).error];
    };
    // The very first request: the relay has not asked the server yet.
    assert.deepEqual(await ask("env_other_branch"), [401, "Invalid Public Access Token"]);
    assert.equal(upstream.seen.length, 0);
    assert.deepEqual(await ask("env_this_branch"), [200, undefined]);
    await handler.close();
    await upstream.stop();
  });
});

describe("a page of another origin", { timeout: 60_000 }, () => {
  it("is told nothing that a cache keeps for the page whose origin the app names", async () => {
    const server = await startServer();
    const run = await server.makeRun();
    const handler = handlerOver(server, { allowOrigins: ["https://app.example"] });
    for (const origin of ["https://app.example", "https://evil.example", "null", undefined]) {
      for (const path of [`/realtime/v1/runs/${run}?offset=-1`, `/api/v3/runs/${run}`, "/realtime/v1/runs/run_0"]) {
        const headers = { ...bearer("read:runs"), ...(origin && { origin }) };
        const answer = await handler(new Request(`http://relay.example${path}`, { headers }));
        await answer.text();
        const what = `${origin} at ${path}`;
        assert.match(answer.headers.get("vary") ?? "", /\borigin\b/i, what);
        assert.equal(
          answer.headers.get("access-control-allow-credentials"),
          origin === "https://app.example" ? "true" : null,
          what,
        );
      }
    }
    await handler.close();
    await server.stop();
  });
});

describe("a path that is written in odd ways", { timeout: 60_000 }, () => {
  const names = (run) => [
    run,
    `${run}/`,
    `${run}//`,
    `${run}.`,
    `${run}%20`,
    `${run};a=b`,
    `${run}%3Ba`,
    `${run}%2f`,
    `${run}%2F..%2F${run}`,
    `${run}%5c`,
    `${run}%00`,
    `${run}%2500`,
    `%252e%252e%252f${run}`,
    `%2e%2e/${run}`,
    `.;/${run}`,
    `x/../${run}`,
    run.toUpperCase(),
    `${run}%EF%BC%8E`,
    `${run}%C0%AE`,
    `${run}%zz`,
    `${run}%E2%80%AE`,
    `*`,
    `-`,
  ];

  for (const { name, open } of WAYS) {
    it(`opens no run to a token for another, and has the server asked for what was decided, through ${name}`, async () => {
      const emulator = await startEmulator({ environmentId: ENVIRONMENT, secretKey: KEY });
      const seen = [];
      const front = http.createServer((req, res) => {
        seen.push([req.headers.authorization, req.method, req.url]);
        const url = emulator.url + req.url;
        fetch(url, { method: req.method, headers: { authorization: req.headers.authorization } }).then(
          async (answer) => {
            const body = Buffer.from(await answer.arrayBuffer());
            const kept = ["content-type", "electric-handle", "electric-offset", "electric-schema"];
            const headers = kept.filter((one) => answer.headers.has(one)).map((one) => [one, answer.headers.get(one)]);
            res.writeHead(answer.status, Object.fromEntries(headers)).end(body);
          },
          () => res.destroy(),
        );
      });
      front.listen(0, "127.0.0.1");
      await once(front, "listening");
      const made = await fetch(`${emulator.url}/emulator/runs`, {
        method: "POST",
        headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
        body: JSON.stringify({ payload: "of the victim" }),
      });
      const { id } = await made.json();
      const baseURL = `http://127.0.0.1:${front.address().port}`;
      const handler = createRealtimeHandler({ accessToken: KEY, baseURL, holdMs: 60_000 });
      const { ask, stop } = await open(handler);
      const weak = bearer("read:runs:run_mine", "read:tags:mine");
      for (const method of ["GET", "HEAD"]) {
        for (const odd of names(id)) {
          for (const path of [`/realtime/v1/runs/${odd}?offset=-1`, `/realtime/v1/streams/${odd}/k`]) {
            const headers = { ...weak, "x-http-method-override": "GET", range: "bytes=0-9" };
            const answer = await ask(path, { method, headers });
            const text = await answer.text();
            assert.ok(answer.status >= 400, `${method} ${path}: ${answer.status}`);
            assert.doesNotMatch(text, /of the victim/, path);
          }
        }
      }
      // The relay's key asks for runs, one segment each, and for nothing else.
      for (const [, method, url] of seen.filter(([token]) => token === `Bearer ${KEY}`)) {
        const isClaims = url === "/api/v1/auth/jwt/claims";
        assert.ok(isClaims || (method === "GET" && /^\/realtime\/v1\/runs\/[^/?]+\?/.test(url)), `${method} ${url}`);
        assert.doesNotMatch(url, /%2f|%5c|%00|\/\.\.?[/?]/i, url);
      }
      await stop();
      await handler.close();
      front.closeAllConnections();
      front.close();
      await emulator.stop();
    });
  }
});
