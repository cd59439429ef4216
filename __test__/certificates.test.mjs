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

  before(async () => {
    home = await temporary("certificates");
    const nowhere = path.join(home.folder, "nowhere");
    bare = { SSL_CERT_FILE: nowhere, SSL_CERT_DIR: nowhere };
    const { cert, key } = selfSigned();
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
});
