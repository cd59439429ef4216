// Servers on 127.0.0.1 for the token tests, and the two clients set to talk to them.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { watched } from "./scripted.mjs";

const require = createRequire(import.meta.url);

// The modules themselves: what else the package exports is no matter of these tests.
export const ours = { ...require("../../js/calls/auth.js"), configure: require("../../js/config/config.js").configure };
export const official = require("@trigger.dev/sdk").auth;

export const ROOT = "tr_dev_fakefakefakefakefakef";
export const ADDITIONAL = "tr_dev_sk_fakefakefakefakefakefake";
export const CLAIMS = '{"sub":"cmwrk62qy0004z57dyis8pted","pub":true}';

/**
 * A server that records every request and answers with `answer(request, index)`:
 * `{ status?, headers?, body }`, or a promise of it. Stops with the test, which fails where `answer` throws.
 */
export async function serve(t, answer) {
  const requests = [];
  const failures = [];
  const ended = watched({}, failures);
  const server = createServer(async (request, response) => {
    let body = "";
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      return; // A client that leaves is part of some tests.
    }
    const seen = { method: request.method, path: request.url, headers: request.headers, body };
    requests.push(seen);
    try {
      const { status = 200, headers = {}, body: text } = await answer(seen, requests.length - 1);
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
      response.end(text);
    } catch (error) {
      failures.push(error);
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve)).then(ended);
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

/** A server that knows the claims and nothing else. */
export function claimsServer(t, claims = CLAIMS) {
  return serve(t, ({ method, path }) =>
    method === "POST" && path === "/api/v1/auth/jwt/claims"
      ? { body: claims }
      : { status: 404, body: '{"error":"Not found"}' },
  );
}

/** Points both clients at `url` with `key`, one attempt a call; undone after the test. */
export function configureBoth(t, url, key = ROOT, more = {}) {
  const options = { baseURL: url, accessToken: key, requestOptions: { retry: { maxAttempts: 1 } }, ...more };
  ours.configure(options);
  official.configure(options);
  t.after(() => {
    ours.configure({});
    official.configure({});
  });
}

/** What a promise came to, as plain data that two clients can be compared by. */
export async function outcome(promise) {
  try {
    return { returned: await promise };
  } catch (error) {
    return { threw: error };
  }
}

/** The parts of a JWT, the payload as text. */
export function parts(token) {
  const [header, payload, signature] = token.split(".");
  const text = (part) => Buffer.from(part, "base64url").toString("utf8");
  return { header: text(header), payload: text(payload), signature };
}

/** The payload without its `jti`, re-encoded in the order it had. */
export function withoutJti(payload) {
  const { jti, ...rest } = JSON.parse(payload);
  return { jti, payload: JSON.stringify(rest) };
}
