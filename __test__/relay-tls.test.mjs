// `listen({ tls })`: HTTP/2 and HTTP/1.1 over TLS, and certificates and keys that cannot be used.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import { createRealtimeHandler } from "trigger-native";
import { selfSigned } from "./support/certificate.mjs";
import { bearer, handlerOver, KEY, startServer } from "./support/relay.mjs";

describe("a relay that listens with TLS", { timeout: 60_000 }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun({ status: "EXECUTING" });
  });
  after(() => server.stop());

  const path = () => `/realtime/v1/runs/${run}?offset=-1`;
  const headers = () => bearer(`read:runs:${run}`);

  it("serves HTTP/2 to whoever asks for it, and HTTP/1.1", async () => {
    const { cert, key } = selfSigned();
    const handler = handlerOver(server);
    const { url, close } = await handler.listen({ tls: { cert, key: Buffer.from(key) } });
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);

    const session = http2.connect(url, { ca: cert });
    const request = session.request({ ":path": path(), ...headers() });
    const [answer] = await once(request, "response");
    assert.deepEqual([session.alpnProtocol, answer[":status"]], ["h2", 200]);
    let body = "";
    for await (const piece of request.setEncoding("utf8")) body += piece;
    assert.equal(JSON.parse(body)[0].value.friendlyId, run);
    session.destroy();

    const [response] = await once(https.get(url + path(), { ca: cert, headers: headers() }), "response");
    assert.deepEqual([response.httpVersion, response.statusCode], ["1.1", 200]);
    response.resume();
    await once(response, "end");
    await close();
    await handler.close();
  });

  it("shows authorize() the URL that the viewer asked for", async () => {
    const { cert, key } = selfSigned();
    const seen = [];
    const handler = handlerOver(server, {
      authorize(request) {
        seen.push(new URL(request.url).protocol);
        return { scopes: { read: { runs: [run] } } };
      },
    });
    for (const tls of [{ cert, key }, undefined]) {
      const { url, close } = await handler.listen({ tls });
      const session = http2.connect(url, { ca: cert });
      const request = session.request({ ":path": path() });
      const [answer] = await once(request, "response");
      assert.equal(answer[":status"], 200);
      session.destroy();
      await close();
    }
    assert.deepEqual(seen, ["https:", "http:"]);
    await handler.close();
  });

  const { cert, key } = selfSigned();
  const encrypted = (type) =>
    generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type, format: "pem", cipher: "aes-256-cbc", passphrase: "a passphrase" },
    }).privateKey;
  for (const [what, tls, message] of [
    [
      "a key of another certificate",
      { cert, key: selfSigned().key },
      /tls\.key is not the key of the first certificate/,
    ],
    ["a certificate of nothing", { cert: "", key }, /tls\.cert has no certificate in it/],
    ["a key of nothing", { cert, key: Buffer.alloc(0) }, /tls\.key has no private key in it/],
    ["an encrypted key", { cert, key: encrypted("pkcs8") }, /tls\.key is encrypted.*openssl pkey/],
    ["an encrypted key of the older form", { cert, key: encrypted("pkcs1") }, /tls\.key is encrypted.*openssl pkey/],
    ["the two exchanged", { cert: key, key: cert }, /tls\.cert has a private key in it.*exchanged/],
    ["the path of a file", { cert: "/etc/cert.pem", key }, /not the path of a file/],
    ["a certificate alone", { cert }, /tls must be \{ cert, key \}/],
    ["a key that is an object", { cert, key: { key } }, /tls must be \{ cert, key \}/],
    ["a passphrase", { cert, key, passphrase: "a passphrase" }, /tls must be \{ cert, key \}/],
    ["no object", key, /tls must be \{ cert, key \}/],
  ]) {
    it(`refuses ${what}, and shows no part of a key`, async () => {
      const handler = createRealtimeHandler({ accessToken: KEY, baseURL: server.url });
      const error = await handler.listen({ tls }).then(
        () => assert.fail("it listens"),
        (error) => error,
      );
      assert.equal(error.code, "ERR_INVALID_OPTIONS");
      assert.match(error.message, message);
      const lines = key.split("\n").filter((line) => line.length > 20 && !line.startsWith("-----"));
      for (const line of [...lines, "a passphrase"]) assert.ok(!inspect(error).includes(line), inspect(error));
      await handler.close();
    });
  }
});
