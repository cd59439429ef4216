// Redirections: to another place of the same server, which is followed with the key, and to another server, which never
// gets it.

import assert from "node:assert/strict";
import { listening, pass } from "./passing.mjs";

/** Where what was moved is found on the same server. */
const MOVED = "/moved";

/** A server that answers as `front.to` says: `undefined` for itself, else a redirection. */
async function redirecting(url) {
  const taken = [];
  // The other server answers as one that the key is not for.
  const other = await listening((request, response) => {
    taken.push({ url: request.url, headers: request.rawHeaders.join("\n") });
    request.resume();
    response.writeHead(503, { "content-type": "application/json" }).end('{"error":"not here"}');
  });
  const front = {
    to: undefined,
    taken,
    redirected: 0,
  };
  const own = await listening((request, response) => {
    if (request.url.startsWith(`${MOVED}/`)) request.url = request.url.slice(MOVED.length);
    else if (front.to) {
      front.redirected += 1;
      request.resume();
      const base = front.to.isOther ? other.url : `http://${request.headers.host}${MOVED}`;
      response.writeHead(front.to.status, { location: base + request.url, "content-length": 0 }).end();
      return;
    }
    pass(request, response, url);
  });
  return Object.assign(front, {
    url: own.url,
    async open() {
      const [first, second] = [await own.open(), await other.open()];
      return { requests: first.requests + second.requests, connections: first.connections + second.connections };
    },
    async stop() {
      await own.stop();
      await other.stop();
    },
  });
}

const STATUSES = [301, 302, 307, 308];

/** A call has five attempts: they must outlast the fault. */
const PATIENT = { requestOptions: { retry: { minTimeoutInMs: 500, maxTimeoutInMs: 2_000 } } };

/** As browsers, `fetch` and the official SDK: what was a POST is a GET after 301 and 302. */
const NO_POST = {
  call: { code: "ERR_API", why: "a POST becomes a GET after 301 and 302, as with fetch: the server answers 405" },
};

const within = (status) => ({
  ends: status < 303 ? NO_POST : {},
  name: `${status} to another place of the same server`,
  front: redirecting,
  early: true,
  arrange: async ({ front }) => {
    front.to = { status, isOther: false };
  },
  check: ({ front }) => {
    assert.ok(front.redirected > 0);
    assert.deepEqual(front.taken, []);
  },
});

const away = (status) => ({
  ...PATIENT,
  name: `${status} to another server`,
  front: redirecting,
  strike: async ({ front }) => {
    front.to = { status, isOther: true };
  },
  heal: async ({ front }) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    front.to = undefined;
  },
  check({ front, key }, { name }) {
    // A stream goes on over the connection that it has.
    if (!name.includes("stream")) assert.ok(front.taken.length > 0);
    for (const { url, headers } of front.taken) {
      assert.ok(!headers.includes(key) && !url.includes(key), "the key went to another server");
      assert.doesNotMatch(headers, /bearer|eyJ/i, "a token went to another server");
    }
  },
});

/** @type {import("./contract.mjs").Fault[]} */
export const redirects = STATUSES.flatMap((status) => [within(status), away(status)]);
