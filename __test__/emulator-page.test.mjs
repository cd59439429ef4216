// The emulator's page without a browser: its files, their headers, and who may read them.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { startEmulator } from "trigger-native/emulator";
import { buildPage } from "../scripts/page.mjs";

const TYPES = {
  "/": "text/html; charset=utf-8",
  "/page/page.js": "text/javascript; charset=utf-8",
  "/page/page.css": "text/css; charset=utf-8",
  "/page/icon.svg": "image/svg+xml",
};

describe("the emulator's page", { timeout: 60_000 }, () => {
  let emulator;

  before(async () => {
    await buildPage();
    emulator = await startEmulator();
  });
  after(() => emulator.stop());

  /** One request with any headers, `Host` included, which `fetch` does not let one set. */
  function ask(method, target, headers = {}) {
    const { port } = new URL(emulator.url);
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port, method, path: target, headers, agent: false },
        async (response) => {
          let body = "";
          for await (const chunk of response.setEncoding("utf8")) body += chunk;
          resolve({ status: response.statusCode, headers: response.headers, body });
        },
      );
      sent.on("error", reject).end();
    });
  }

  it("serves its files under their types and a policy that allows nothing from elsewhere and nothing inline", async () => {
    for (const [target, type] of Object.entries(TYPES)) {
      const { status, headers, body } = await ask("GET", target);
      assert.deepEqual([status, headers["content-type"]], [200, type], target);
      assert.match(headers["content-security-policy"], /^default-src 'self';/, target);
      assert.doesNotMatch(headers["content-security-policy"], /unsafe|\*|https?:/, target);
      assert.equal(headers["x-content-type-options"], "nosniff", target);
      assert.equal(headers["access-control-allow-origin"], undefined, target);
      assert.ok(body.length > 100, target);
    }
  });

  it("sends its bundle compressed to whom can read that, and plain to everybody else", async () => {
    const plain = await fetch(`${emulator.url}/page/page.js`, { headers: { "accept-encoding": "identity" } });
    const gzip = await fetch(`${emulator.url}/page/page.js`, { headers: { "accept-encoding": "gzip" } });
    assert.deepEqual(
      [plain, gzip].map(({ headers }) => headers.get("content-encoding")),
      [null, "gzip"],
    );
    assert.match(gzip.headers.get("vary"), /accept-encoding/i);
    assert.ok(Number(gzip.headers.get("content-length")) < Number(plain.headers.get("content-length")) / 2);
    assert.equal(await gzip.text(), await plain.text());
  });

  it("has no inline script or style and asks for nothing but its own files", async () => {
    const { body } = await ask("GET", "/");
    assert.doesNotMatch(body, /<style|\sstyle=|\son\w+=|javascript:/i);
    for (const [, attributes, content] of body.matchAll(/<script([^>]*)>(.*?)<\/script>/gs)) {
      assert.match(attributes, /src="\/page\/page\.js"/);
      assert.equal(content, "");
    }
    for (const [, target] of body.matchAll(/(?:src|href)="([^"]*)"/g)) {
      assert.equal((await ask("GET", target)).status, 200, target);
    }
    // The bundle compiles no code, which the policy would forbid.
    assert.doesNotMatch((await ask("GET", "/page/page.js")).body, /\beval\(/);
  });

  it("serves no file outside its folder, and none that is not the page's", async () => {
    for (const target of [
      "/page/../package.json",
      "/page/..%2f..%2fpackage.json",
      "/page/%2e%2e/package.json",
      "/page/..%5c..%5cpackage.json",
      "/page//etc/passwd",
      "/page/page.js.map",
      "/page/index.htm",
      "/page/.js",
      "/page/",
    ]) {
      const { status, body } = await ask("GET", target);
      assert.ok([301, 404].includes(status), `${target}: ${status}`);
      assert.doesNotMatch(body, /trigger-native"|root:/, target);
    }
    assert.equal((await ask("POST", "/")).status, 405);
    assert.deepEqual([(await ask("HEAD", "/")).status, (await ask("HEAD", "/")).body], [200, ""]);
  });

  it("gives its token to its own page and to no page of another", async () => {
    const { host, origin } = new URL(emulator.url);
    const own = await ask("POST", "/emulator/session", { host, origin, "sec-fetch-site": "same-origin" });
    assert.equal(own.status, 200, own.body);
    assert.equal(own.headers["cache-control"], "no-store");
    assert.equal(own.headers["access-control-allow-origin"], undefined);
    const { publicAccessToken } = JSON.parse(own.body);
    assert.ok(!own.body.includes(emulator.secretKey));
    const list = await fetch(`${emulator.url}/api/v1/runs`, {
      headers: { authorization: `Bearer ${publicAccessToken}` },
    });
    assert.equal(list.status, 200);
    for (const headers of [
      { host, origin: "http://evil.example" },
      { host, origin: "http://localhost:3000", "sec-fetch-site": "same-site" },
      { host, origin: "null" },
      { host, "sec-fetch-site": "cross-site" },
      { host: "evil.example", origin: "http://evil.example", "sec-fetch-site": "same-origin" },
      { host: `evil.example:${new URL(emulator.url).port}` },
    ]) {
      for (const target of ["/emulator/session", "/emulator/runs/run_1/cancel", "/emulator/runs/run_1/replay"]) {
        const { status, body } = await ask("POST", target, headers);
        assert.equal(status, 403, `${target} ${JSON.stringify(headers)}`);
        assert.ok(!body.includes("eyJ"));
      }
      assert.equal((await ask("GET", "/emulator/tasks", headers)).status, 403);
    }
    assert.equal((await ask("GET", "/", { host: "evil.example" })).status, 403);
    assert.equal((await ask("GET", "/emulator/session", { host })).status, 405);
    // A preflight allows nothing.
    const preflight = await ask("OPTIONS", "/emulator/session", { host, origin: "http://evil.example" });
    assert.equal(preflight.headers["access-control-allow-origin"], undefined);
  });

  it("is not counted, and no fault hits it", async () => {
    const broken = await startEmulator({ faults: [{ kind: "status", status: 500 }] });
    try {
      assert.equal((await fetch(broken.url)).status, 200);
      assert.equal((await fetch(`${broken.url}/api/v1/runs`)).status, 500);
      assert.deepEqual(await broken.stats(), { total: 1, byRoute: { "GET /api/v1/runs": 1 } });
    } finally {
      await broken.stop();
    }
  });

  it("comes from another folder where one is given, and is told to be missing where there is none", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "trigger-native-page-"));
    const other = await startEmulator({ pageDirectory: folder });
    try {
      const missing = await fetch(other.url);
      assert.deepEqual([missing.status, await missing.text()], [404, "The page was not built: npm run setup"]);
      await writeFile(path.join(folder, "index.html"), "<p>mine</p>");
      assert.equal(await (await fetch(other.url)).text(), "<p>mine</p>");
    } finally {
      await other.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
