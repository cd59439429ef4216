/** Defect 5 on calls: a token that the program makes, and renews, serves every call and every token made here. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, describe, test } from "node:test";
import * as trigger from "trigger-native";
import { serveCalls } from "./support/calls-server.mjs";
import { CLAIMS, parts, ROOT } from "./support/token-servers.mjs";
import { jwt, maker, silent } from "./support/tokens.mjs";

const { auth, batch, configure, runs, streams, tasks, wait } = trigger;
const { AuthenticationError, ConfigError, TimeoutError, TriggerClient } = trigger;

afterEach(() => configure({}));

const OTHER_ROOT = "tr_dev_otherotherotherothero";
const REFUSED = { status: 401, body: { error: "Invalid API Key" } };
const tokenOf = ({ headers }) => headers.authorization.replace("Bearer ", "");

/** The answers of a server that takes `good` only. */
const api =
  (good = "made") =>
  (request) => {
    if (tokenOf(request) !== good) return REFUSED;
    const { path } = request;
    if (path.endsWith("/trigger")) return { body: { id: "run_1" }, headers: { "x-trigger-jwt": "a.b.c" } };
    if (path === "/api/v1/runs") return { body: { data: [], pagination: {} } };
    if (path === "/api/v1/waitpoints/tokens") {
      return { body: { id: "waitpoint_1", isCached: false, url: "u" }, headers: { "x-trigger-jwt": "a.b.c" } };
    }
    if (path === "/api/v3/batches") {
      return { body: { id: "batch_1", runCount: 1, isCached: false }, headers: { "x-trigger-jwt": "a.b.c" } };
    }
    if (path.endsWith("/items")) {
      return { body: { id: "batch_1", itemsAccepted: 1, itemsDeduplicated: 0, sealed: true } };
    }
    if (path === "/api/v1/auth/jwt/claims") return { body: CLAIMS };
    return { body: { ok: true } };
  };

const calls = {
  "tasks.trigger": () => tasks.trigger("t", { a: 1 }),
  "batch.trigger": () => batch.trigger([{ id: "t", payload: 1 }]),
  "runs.list": () => runs.list(),
  "wait.createToken": () => wait.createToken({}),
  "streams.input().send": () => streams.input({ id: "approval" }).send("run_1", 1),
};

describe("accessToken as a function", () => {
  for (const [name, call] of Object.entries(calls)) {
    test(`${name} is made with the token it gives`, async (t) => {
      const server = await serveCalls(t, api());
      const accessToken = maker("made");
      configure({ baseURL: server.url, accessToken });
      await call();
      await call();
      assert.equal(accessToken.calls, 1, "and asks once");
      assert.ok(server.requests.every((request) => tokenOf(request) === "made"));
    });
  }

  test("auth.createPublicToken signs with the key it gives, without asking twice", async (t) => {
    const server = await serveCalls(t, api(ROOT));
    const accessToken = maker(ROOT);
    configure({ baseURL: server.url, accessToken });
    const options = { scopes: { read: { runs: ["run_1"] } }, expirationTime: "1h" };
    const [token] = await Promise.all([auth.createPublicToken(options), auth.createTriggerPublicToken("t")]);
    assert.equal(JSON.parse(parts(token).payload).sub, JSON.parse(CLAIMS).sub);
    await auth.createPublicToken(options);
    assert.deepEqual([accessToken.calls, server.requests.length], [1, 1]);
    // The same token as of the plain key.
    configure({ baseURL: server.url, accessToken: ROOT });
    const expirationTime = Math.floor(Date.now() / 1000) + 60;
    const plain = await auth.createPublicToken({ ...options, expirationTime });
    configure({ baseURL: server.url, accessToken });
    const signed = await auth.createPublicToken({ ...options, expirationTime });
    assert.deepEqual(JSON.parse(parts(signed).payload).scopes, JSON.parse(parts(plain).payload).scopes);
  });

  test("a handle's token is signed with the key it gives where the server gives none", async (t) => {
    const server = await serveCalls(t, (request) =>
      tokenOf(request) === ROOT ? { body: { id: "run_1" }, headers: { "x-trigger-jwt-claims": CLAIMS } } : REFUSED,
    );
    configure({ baseURL: server.url, accessToken: async () => ROOT });
    const { publicAccessToken } = await tasks.trigger("t");
    assert.deepEqual(JSON.parse(parts(publicAccessToken).payload).scopes, ["read:runs:run_1"]);
  });

  test("serves withAuth(), a TriggerClient and the configuration of one call", async (t) => {
    const server = await serveCalls(t, api());
    const baseURL = server.url;
    await auth.withAuth({ baseURL, accessToken: maker("made") }, () => runs.list());
    await new TriggerClient({ baseURL, accessToken: maker("made") }).tasks.trigger("t");
    configure({ baseURL, accessToken: "of nobody" });
    await tasks.trigger("t", undefined, undefined, { clientConfig: { accessToken: maker("made") } });
    assert.equal(server.requests.length, 3);
  });

  test("a public token it gives that may not trigger is refused before the server is asked", async (t) => {
    const server = await serveCalls(t, api());
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "HS256" })}.${part({ pub: true, scopes: ["read:runs"] })}.c2ln`;
    configure({ baseURL: server.url, accessToken: () => token });
    await assert.rejects(tasks.trigger("t"), { code: "ERR_MISSING_SCOPE" });
    await assert.rejects(tasks.batchTrigger("t", [{}]), { code: "ERR_MISSING_SCOPE" });
    await assert.rejects(auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }), {
      code: "ERR_CANNOT_SIGN",
    });
    assert.equal(server.requests.length, 0);
  });

  test("what it throws rejects the call, and the next call asks again", async (t) => {
    const server = await serveCalls(t, api());
    const why = new Error("no session");
    let asked = 0;
    const accessToken = () => {
      asked += 1;
      if (asked === 1) throw why;
      return asked === 2 ? "not a token" : "made";
    };
    configure({ baseURL: server.url, accessToken });
    await assert.rejects(tasks.trigger("t"), why);
    await assert.rejects(tasks.trigger("t"), { code: "ERR_INVALID_ACCESS_TOKEN" });
    await tasks.trigger("t");
    assert.equal(asked, 3);
  });

  test("one that needs a token itself is told so, instead of asking itself for ever", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const accessToken = async () => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } });
    configure({ baseURL: "http://127.0.0.1:9", accessToken });
    const refused = assert.rejects(runs.list(), TimeoutError);
    await new Promise(setImmediate);
    t.mock.timers.tick(30_000);
    await refused;
  });
});

describe("a token that the server refuses", () => {
  for (const [name, call] of Object.entries(calls)) {
    test(`${name} is made once more with another one`, async (t) => {
      const server = await serveCalls(t, api());
      const refreshAccessToken = maker("made");
      configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
      await call();
      assert.equal(refreshAccessToken.calls, 1);
      assert.equal(tokenOf(server.requests[0]), "expired");
      assert.equal(server.requests.filter((request) => tokenOf(request) === "expired").length, 1);
    });
  }

  test("the items of a batch are sent once more", async (t) => {
    let good = "first";
    const server = await serveCalls(t, (request) => {
      const answer = api(good)(request);
      if (request.path === "/api/v3/batches") good = "second";
      return answer;
    });
    configure({ baseURL: server.url, accessToken: "first", refreshAccessToken: maker("second") });
    await batch.trigger([{ id: "t", payload: 1 }]);
    const items = server.requests.filter(({ path }) => path.endsWith("/items"));
    assert.deepEqual(items.map(tokenOf), ["first", "second"]);
    assert.equal(items[0].body, items[1].body);
  });

  test("auth.createPublicToken signs with the other key", async (t) => {
    const server = await serveCalls(t, api(OTHER_ROOT));
    configure({ baseURL: server.url, accessToken: ROOT, refreshAccessToken: maker(OTHER_ROOT) });
    await auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } });
    assert.deepEqual(server.requests.map(tokenOf), [ROOT, OTHER_ROOT]);
  });

  test("many calls at once bring one question for another", async (t) => {
    const waiting = [];
    const server = await serveCalls(t, async (request, index) => {
      // Everybody is refused before anybody asks.
      if (index < 20) {
        await new Promise((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 20) for (const go of waiting.splice(0)) go();
        });
      }
      return api()(request);
    });
    const refreshAccessToken = maker("made");
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    await Promise.all(Array.from({ length: 20 }, () => tasks.trigger("t")));
    assert.deepEqual([refreshAccessToken.calls, server.requests.length], [1, 40]);
  });

  test("a second refusal is the call's error", async (t) => {
    const server = await serveCalls(t, api("none"));
    const refreshAccessToken = maker("bad-too");
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    await assert.rejects(runs.list(), AuthenticationError);
    assert.deepEqual([refreshAccessToken.calls, server.requests.length], [1, 2]);
  });

  test("where there is no other, the refusal is the error and the reason its cause", async (t) => {
    const server = await serveCalls(t, api("none"));
    const why = new Error("the session is over");
    const refreshAccessToken = async () => {
      throw why;
    };
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    await assert.rejects(runs.list(), (error) => error.status === 401 && error.cause === why);
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken: () => "" });
    await assert.rejects(tasks.trigger("t"), (error) => error.cause instanceof ConfigError);
    configure({ baseURL: server.url, accessToken: "expired" });
    await assert.rejects(tasks.trigger("t"), (error) => error.status === 401 && error.cause === undefined);
    assert.equal(server.requests.length, 3);
  });

  test("another refusal than 401 asks for no token", async (t) => {
    const server = await serveCalls(t, () => ({ status: 403, body: { error: "no" } }));
    configure({ baseURL: server.url, accessToken: "first", refreshAccessToken: () => assert.fail("called") });
    await assert.rejects(tasks.trigger("t"), { status: 403 });
    assert.equal(server.requests.length, 1);
  });
});

test("a token that is about to expire is renewed before the call", async (t) => {
  // Far enough for a busy machine to get to the first request.
  const exp = Math.floor(Date.now() / 1000) + 5;
  const [first, second] = [jwt("first", exp), jwt("second", exp + 3_600)];
  const server = await serveCalls(t, (request) => api(tokenOf(request))(request));
  configure({ baseURL: server.url, accessToken: first, refreshAccessToken: maker(second) });
  await runs.list();
  while (Date.now() < exp * 1000) await new Promise((resolve) => setTimeout(resolve, 5));
  await runs.list();
  assert.deepEqual(server.requests.map(tokenOf), [first, second]);
});

describe("a call that waits for a token", () => {
  const waiting = {
    ...calls,
    "auth.createPublicToken": (bounds) => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }, bounds),
  };
  const bounded = {
    "tasks.trigger": (bounds) => tasks.trigger("t", 1, undefined, bounds),
    "batch.trigger": (bounds) => batch.trigger([{ id: "t" }], undefined, bounds),
    "runs.list": (bounds) => runs.list(undefined, bounds),
    "wait.createToken": (bounds) => wait.createToken({}, bounds),
    "streams.input().send": (bounds) => streams.input({ id: "approval" }).send("run_1", 1, bounds),
    "auth.createPublicToken": waiting["auth.createPublicToken"],
  };
  for (const [name, call] of Object.entries(bounded)) {
    test(`${name} ends with its signal`, async () => {
      const { make, called } = silent();
      configure({ baseURL: "http://127.0.0.1:9", accessToken: make });
      const controller = new AbortController();
      const ended = assert.rejects(call({ signal: controller.signal }), /left/);
      await called;
      controller.abort(new Error("left"));
      await ended;
    });

    test(`${name} ends with its time`, async () => {
      configure({ baseURL: "http://127.0.0.1:9", accessToken: silent().make });
      await assert.rejects(call({ timeoutInMs: 30 }), { name: "TriggerNativeError", code: "ERR_TIMEOUT" });
    });
  }

  test("waits no longer than 30 seconds for it", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { make, called } = silent();
    configure({ baseURL: "http://127.0.0.1:9", accessToken: make });
    const all = Object.values(waiting).map((call) => assert.rejects(call(), TimeoutError));
    await called;
    t.mock.timers.tick(29_999);
    t.mock.timers.tick(1);
    await Promise.all(all);
  });
});

describe("streams.input().send with requestOptions", () => {
  const send = (options) => streams.input({ id: "approval" }).send("run_1", 1, options);

  test("sends their headers, and retries as they say", async (t) => {
    const server = await serveCalls(t, () => ({ status: 503, body: { error: "later" } }));
    configure({ baseURL: server.url, accessToken: ROOT });
    const requestOptions = { retry: { maxAttempts: 2, minTimeoutInMs: 1 }, additionalHeaders: { "x-team": "a" } };
    await assert.rejects(send({ requestOptions }), { status: 503 });
    assert.deepEqual(
      server.requests.map(({ headers }) => headers["x-team"]),
      ["a", "a"],
    );
  });

  test("ends with their signal or time, and with those given beside them first", async (t) => {
    const server = await serveCalls(t, () => ({ hang: true }));
    configure({ baseURL: server.url, accessToken: ROOT });
    const gone = AbortSignal.abort(new Error("gone"));
    await assert.rejects(send({ requestOptions: { signal: gone } }), /gone/);
    assert.equal(server.requests.length, 0, "defect 17");
    await assert.rejects(send({ requestOptions: { timeoutInMs: 30 } }), { code: "ERR_TIMEOUT" });
    await assert.rejects(send({ timeoutInMs: 30, requestOptions: { timeoutInMs: 60_000 } }), { code: "ERR_TIMEOUT" });
    await assert.rejects(send({ signal: undefined, requestOptions: { signal: gone } }), /gone/);
    await assert.rejects(send({ requestOptions: { tiemout: 1 } }), { code: "ERR_INVALID_CONFIG" });
  });
});

describe("a token that depends on who is served", () => {
  const user = new AsyncLocalStorage();
  const others = { headers: { "x-trigger-jwt": "a.b.c" }, body: { id: "run_1" } };

  test("is never that of another request, also where all requests share the function", async (t) => {
    const server = await serveCalls(t, () => others);
    const accessToken = async () => `token-of-${user.getStore()}`;
    const serve = (name) =>
      user.run(name, () =>
        auth.withAuth({ baseURL: server.url, accessToken }, async () => {
          await tasks.trigger(`task-of-${name}`, {});
          await user.run("somebody-else", () => tasks.trigger(`task-of-${name}`, {}));
        }),
      );
    await Promise.all(["ada", "ben", "cleo"].map(serve));
    assert.equal(server.requests.length, 6);
    for (const request of server.requests) {
      const [, name] = /task-of-(\w+)/.exec(request.path);
      assert.equal(tokenOf(request), `token-of-${name}`);
    }
  });

  test("is refused where it was given to configure(), which is for all requests", async (t) => {
    const server = await serveCalls(t, () => others);
    configure({ baseURL: server.url, accessToken: () => user.getStore()?.token });
    for (const token of ["one", "two"]) {
      await assert.rejects(
        user.run({ token }, () => tasks.trigger("t", {})),
        (error) =>
          error instanceof ConfigError &&
          error.code === "ERR_INVALID_ACCESS_TOKEN" &&
          /auth\.withAuth\(\)/.test(error.message),
      );
    }
    assert.equal(server.requests.length, 0);
  });

  test("may be made by a call of ours, with what is configured around", async (t) => {
    const server = await serveCalls(t, (request) =>
      request.path.endsWith("/claims") ? { body: CLAIMS } : tokenOf(request) === ROOT ? REFUSED : others,
    );
    configure({ baseURL: server.url, accessToken: ROOT });
    const accessToken = () => auth.createTriggerPublicToken("t");
    await auth.withAuth({ accessToken }, () => tasks.trigger("t", {}));
    assert.equal(tokenOf(server.requests.at(-1)).split(".").length, 3, "a public token");
  });
});
