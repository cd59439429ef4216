// TLS where the system has no certificates at all, as in slim container images.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import https from "node:https";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { selfSigned } from "./support/certificate.mjs";
import { temporary } from "./support/packages.mjs";
import { runProgram } from "./support/program.mjs";

const CALL = `
  const { configure, runs } = require("./index.js");
  configure({ baseURL, accessToken, requestOptions: { retry: { maxAttempts: 1 } } });
  runs.cancel("run_1234").then((run) => console.log(run.id), (error) => console.log(error.constructor.name, String(error.cause)));
`;

describe("without any certificates of the system", () => {
  const server = https.createServer();
  let home;
  let baseURL;
  let listed;
  let bare;
  let pair;

  before(async () => {
    home = await temporary("certificates");
    const nowhere = path.join(home.folder, "nowhere");
    bare = { SSL_CERT_FILE: nowhere, SSL_CERT_DIR: nowhere };
    pair = selfSigned();
    const { cert, key } = pair;
    listed = path.join(home.folder, "listed.pem");
    await writeFile(listed, cert);
    server.setSecureContext({ cert, key });
    server.on("request", (_, response) => {
      response.setHeader("content-type", "application/json").end('{"id":"run_1234"}');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    baseURL = `https://127.0.0.1:${server.address().port}`;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await home.remove();
  });

  const said = async (env) => {
    const { out, err, code } = await runProgram(CALL, { baseURL, env: { ...bare, ...env }, timeoutMs: 20_000 });
    assert.equal(code, 0, err);
    return out.trim();
  };

  it("a server of one's own is called with NODE_EXTRA_CA_CERTS", async () => {
    assert.equal(await said({ NODE_EXTRA_CA_CERTS: listed }), "run_1234");
  });

  it("a server that nobody vouches for is refused, and the cause says why", async () => {
    assert.match(await said({}), /^ApiConnectionError .*certificate/i);
  });

  const CALLED = `
    const { configure, runs } = require("./index.js");
    configure({ baseURL, accessToken, requestOptions: { retry: { maxAttempts: 1 } } });
    const say = (error) => console.log(JSON.stringify([error.constructor.name, error.code, error.message]));
    runs.cancel("run_1234").then((run) => console.log(run.id), say);
  `;

  it("the error of a certificate names NODE_EXTRA_CA_CERTS, and says what became of it", async () => {
    for (const [env, state] of [
      [{ NODE_EXTRA_CA_CERTS: "" }, /NODE_EXTRA_CA_CERTS names a file.*it is not set/],
      [{ NODE_EXTRA_CA_CERTS: bare.SSL_CERT_FILE }, /NODE_EXTRA_CA_CERTS.*nowhere, cannot be read or holds none/],
    ]) {
      const { out } = await runProgram(CALLED, { baseURL, env: { ...bare, ...env }, timeoutMs: 20_000 });
      const [name, code, message] = JSON.parse(out);
      assert.deepEqual([name, code], ["ApiConnectionError", "ERR_CERTIFICATE"]);
      assert.match(message, state);
    }
  });

  it("the error of another host's certificate says so, for feeds too", {
    skip: process.platform === "darwin" && "macOS has one address of its own",
  }, async (t) => {
    const other = https.createServer(pair);
    t.after(() => other.close());
    other.listen(0, "127.0.0.2");
    await once(other, "listening");
    const source = `
      const { configure, runs } = require("./index.js");
      configure({ baseURL, accessToken, requestOptions: { retry: { maxAttempts: 1 } } });
      const say = (error) => console.log(error.code, error.message);
      const feed = runs.subscribeToRun("run_1234", { retry: { maxElapsedMs: 1 } });
      runs.cancel("run_1234").catch(say).then(() => feed.next()).catch(say);
    `;
    const { out } = await runProgram(source, {
      baseURL: `https://127.0.0.2:${other.address().port}`,
      env: { ...bare, NODE_EXTRA_CA_CERTS: listed },
      timeoutMs: 20_000,
    });
    const lines = out.trim().split("\n");
    assert.equal(lines.length, 2, out);
    for (const line of lines) assert.match(line, /^ERR_CERTIFICATE .*another host's: is the base URL right/);
  });

  it("NODE_TLS_REJECT_UNAUTHORIZED=0 is honoured, with Node's warning, once", async () => {
    const source = `${CALLED}; configure({ baseURL, accessToken: accessToken + "2" }); runs.cancel("run_1234");`;
    const env = { ...bare, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const { out, err, code } = await runProgram(source, { baseURL, env, timeoutMs: 20_000 });
    assert.equal(code, 0, err);
    assert.equal(out.trim(), "run_1234");
    assert.equal(
      err.match(/Warning: Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0'/g)?.length,
      1,
    );
    const careful = await runProgram(source, {
      baseURL,
      env: { ...env, NODE_TLS_REJECT_UNAUTHORIZED: "1" },
      timeoutMs: 20_000,
    });
    assert.match(careful.out, /ERR_CERTIFICATE/);
  });
});
