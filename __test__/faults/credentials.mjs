// Credentials that stop being good while they are in use: public tokens that expire, and a secret key that is rotated.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { KEY, tokenFor, until } from "../support/relay.mjs";
import { leaksIn } from "../support/secrets.mjs";
import { gate, ROTATED } from "./gate.mjs";
import { within } from "./waits.mjs";
import { each } from "./ways.mjs";

const FEEDS = ["run", "tag", "batch", "withStreams"];
const STREAMS = ["stream v1", "stream v2"];
/** What goes through a relay, which decides about tokens by itself. */
const PAGES = ["relay viewer", "page", "page's stream"];

const HOUR_MS = 3_600_000;
/** A relay takes a token for so long after its expiry (docs/relay-access.md, A1). */
const LEEWAY_S = 5;
/** The life of a page's token: a relay goes by the clock of its machine, which this test waits for. */
const PAGE_S = 15;

const SCOPES = ["read:runs", "read:tags", "read:batch", "trigger:tasks"];

/** A token that was given out, which nothing may show. */
function given(world, token) {
  world.secrets[`a token, ${Object.keys(world.secrets).length}`] = token;
  return token;
}

const inSeconds = (seconds) => Math.floor(Date.now() / 1_000) + seconds;
/** Good for an hour of the server's clock, which stands until the fault strikes. */
const first = (world) => given(world, tokenFor(SCOPES, { exp: inSeconds(HOUR_MS / 1_000) }));
const later = (world, scopes) => given(world, tokenFor(scopes, { exp: inSeconds(24 * 3_600), jti: "later" }));

/** A page's first token is about to expire; after a refusal it has what `renew` gives. */
const pageToken = (renew) => (world, scopes, isRefused) => {
  if (isRefused) return renew(world, scopes);
  world.expiresAt = inSeconds(PAGE_S);
  return given(world, tokenFor(scopes, { exp: world.expiresAt }));
};

/** Nothing that an app is told shows a credential. */
function checkSecrets({ error, refusals, secrets }) {
  const told = [inspect(error, { depth: 12, showHidden: true }), ...refusals.map(({ body }) => body)];
  for (const text of told) assert.deepEqual(leaksIn(text, { ...secrets, KEY, ROTATED }), [], text);
}

/** The token expires; `isCut`: the connection breaks after that, else the present answer goes on. */
const expires = (isCut) => async (world, target) => {
  if (PAGES.includes(target.name)) await sleep((world.expiresAt + LEEWAY_S + 1) * 1_000 - Date.now());
  else await world.server.call("PUT", "/emulator/clock", { advanceMs: 2 * HOUR_MS });
  if (isCut) world.front.cut();
};

/** Whatever goes on before the refusal would hide it. @param {boolean} isCut */
const refused = (isCut) => async (world, target) => {
  if (!isCut && STREAMS.includes(target.name)) return;
  await until(() => world.front.refused > 0 || world.refusals.length > 0, "a refusal");
};

const REFUSED = {
  code: "ERR_AUTHENTICATION",
  why: "docs/feeds.md, Tokens that expire: a 401 that nothing mends is the end",
};
const PAGE_REFUSED = { code: "HTTP_401", why: "docs/relay-access.md, A1: a token that has expired is a 401" };
const DENIED = { code: "unauthorized", why: "docs/protocol.md I9, docs/streams.md S7: a 403 is the end" };
const PAGE_DENIED = { code: "HTTP_403", why: "docs/relay-access.md, A2: a token without the scope is a 403" };

/**
 * A token expires.
 *
 * @param {string} name
 * @param {(world: any) => object} configure
 * @param {Partial<import("./contract.mjs").Fault> & { renew?: Function, renewals?: number, isCut?: boolean }} [more]
 *   `renew` gives a page's token after a refusal; `renewals` is how often a token was made after the first one
 */
function expiring(name, configure, { renew = () => undefined, renewals = 0, isCut = true, ...more } = {}) {
  return {
    name,
    front: gate,
    server: { clock: "manual", now: Date.now() },
    configure(world) {
      world.made = 0;
      return configure(world);
    },
    pageToken: pageToken(renew),
    strike: expires(isCut),
    heal: refused(isCut),
    check(world, { name: target }) {
      // A run's stream that is refused while its feed has a token made takes that one, and asks for another if it is refused, too.
      const most = renewals > 0 && target === "withStreams" ? renewals + 1 : renewals;
      const { made } = world;
      if (!PAGES.includes(target)) assert.ok(made >= renewals && made <= most, `${made} tokens were made`);
      checkSecrets(world);
    },
    ...more,
  };
}

/** A function that makes tokens, and counts them. */
const making = (world, make) => async () => {
  world.made += 1;
  return make(world);
};

const fresh = (world) => later(world, SCOPES);
const everywhere = (end, page) => ({ ...each([...FEEDS, ...STREAMS, "call"], end), ...each(PAGES, page) });

const tokens = [
  expiring("a token expires in an answer, and no other can be had", (world) => ({ accessToken: first(world) }), {
    isCut: false,
    // A stream whose answer goes on asks nothing of the server.
    ends: { ...each([...FEEDS, "call"], REFUSED), ...each(PAGES, PAGE_REFUSED) },
  }),
  expiring("a token expires, the connection breaks, and no other can be had", (w) => ({ accessToken: first(w) }), {
    ends: everywhere(REFUSED, PAGE_REFUSED),
  }),
  expiring(
    "a token expires, and accessToken makes another",
    (world) => ({ accessToken: making(world, () => (world.made === 1 ? first(world) : fresh(world))) }),
    { renew: later, renewals: 2 },
  ),
  expiring(
    "a token expires, and refreshAccessToken makes another",
    (world) => ({ accessToken: first(world), refreshAccessToken: making(world, fresh) }),
    { renew: later, renewals: 1 },
  ),
  expiring(
    "a token expires, and the other one is as old",
    (world) => ({ accessToken: first(world), refreshAccessToken: making(world, first) }),
    {
      renew: (world, scopes) => given(world, tokenFor(scopes, { exp: world.expiresAt, jti: "as old" })),
      renewals: 1,
      ends: everywhere(REFUSED, PAGE_REFUSED),
    },
  ),
  expiring(
    "a token expires, and no other can be made",
    (world) => ({
      accessToken: first(world),
      refreshAccessToken: making(world, () => {
        throw new Error("the session is over");
      }),
    }),
    {
      renewals: 1,
      ends: everywhere(REFUSED, PAGE_REFUSED),
      check(world, { name }) {
        if (!PAGES.includes(name)) assert.match(world.error.cause.message, /the session is over/);
        checkSecrets(world);
      },
    },
  ),
  expiring(
    "a token expires, and the other one has no scope for this",
    (world) => ({
      accessToken: first(world),
      refreshAccessToken: making(world, () => later(world, ["read:runs:other"])),
    }),
    {
      renew: (world) => later(world, ["read:runs:other"]),
      renewals: 1,
      ends: everywhere(DENIED, PAGE_DENIED),
    },
  ),
];

const KEY_REFUSED = {
  code: "ERR_AUTHENTICATION",
  why: "docs/errors.md: the key is unknown, which set anew is good again",
};
const OLD_PAGE = { code: "HTTP_401", why: "docs/relay-access.md, A1: the old key signed the token" };

/** The relay's viewers are told of a refused key, until the relay is started with the new one. */
const restartRelay = (isCut) => async (world, target) => {
  // The relay's stream goes on, and asks nothing of the server.
  if (!isCut && target.name === "page's stream") return;
  await refused(isCut)(world, target);
  if (!PAGES.includes(target.name)) return;
  const told = await until(() => world.refusals.find(({ status }) => status === 502), "the refusal of the relay's key");
  assert.match(told.body, /TRIGGER_SECRET_KEY/, "it names what to set");
  await world.restartRelay(world.front.key);
};

/** Reads anew, from the first value to the last. */
async function readAnew(world, target) {
  const reading = await target.start({ ...world, key: world.front.key });
  reading.done.catch(() => {});
  try {
    await within(reading.begun, 10_000, "the first value with the new key");
    await reading.change();
    await reading.finish();
    await within(reading.done, 10_000, "everything with the new key");
    reading.check();
  } finally {
    await reading.close();
  }
}

/** The key is rotated. @param {string} name @param {Partial<import("./contract.mjs").Fault> & { isCut?: boolean }} more */
function rotated(name, { isCut = true, ...more }) {
  return {
    name,
    front: gate,
    pageToken: (world, scopes, isRefused) =>
      isRefused && !world.front.isRenewed ? undefined : given(world, tokenFor(scopes, {}, world.front.key)),
    async strike({ front }) {
      front.key = ROTATED;
      if (isCut) front.cut();
    },
    heal: restartRelay(isCut),
    check: checkSecrets,
    ...more,
  };
}

const keys = [
  rotated("the key is rotated in an answer", {
    isCut: false,
    ends: { ...each([...FEEDS, "call"], KEY_REFUSED), ...each(["relay viewer", "page"], OLD_PAGE) },
  }),
  rotated("the key is rotated, the connection breaks, and the app is configured anew", {
    ends: everywhere(KEY_REFUSED, OLD_PAGE),
    async check(world, target) {
      checkSecrets(world);
      await world.configure({ accessToken: ROTATED });
      await readAnew(world, target);
    },
  }),
  rotated("the key is rotated, and a function knows the new one", {
    configure: ({ front }) => {
      front.isRenewed = true;
      return { accessToken: () => front.key };
    },
  }),
];

/** @type {import("./contract.mjs").Fault[]} */
export const credentials = [...tokens, ...keys];
