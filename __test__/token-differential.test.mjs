import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { jwtVerify } from "jose";
import { freeze } from "./support/clock.mjs";
import { random } from "./support/random.mjs";
import {
  claimsServer,
  configureBoth,
  official,
  ours,
  outcome,
  parts,
  ROOT,
  withoutJti,
} from "./support/token-servers.mjs";

const require = createRequire(import.meta.url);
const { validateJWT } = require("@trigger.dev/core/v3/jwt");

const RESOURCES = ["tasks", "tags", "runs", "batch", "waitpoints", "inputStreams", "sessions"];
const UNITS = [
  "s",
  "sec",
  "secs",
  "second",
  "seconds",
  "m",
  "min",
  "mins",
  "minute",
  "minutes",
  "h",
  "hr",
  "hrs",
  "hour",
  "hours",
  "d",
  "day",
  "days",
  "w",
  "week",
  "weeks",
  "y",
  "yr",
  "yrs",
  "year",
  "years",
];
const TEXTS = [
  "run_1234",
  "user:7",
  "a:b:c",
  "my task",
  "é😀",
  '"quoted"',
  "back\\slash",
  "\u2028x",
  "\u0001\n\t",
  "\ud800",
  " padded ",
  "x".repeat(300),
  "{}",
  "0",
];

/** Options any caller may pass, as a generator of random choices makes them. */
function generator(r, now) {
  const id = () => (r.chance(0.6) ? `id_${r.below(1e9)}` : r.pick(TEXTS));
  const ids = () => (r.chance(0.4) ? id() : r.times(4, id));
  const properties = (known) => {
    const made = {};
    for (const name of known) {
      if (r.chance(0.35)) made[name] = r.pick([ids, ids, ids, () => true, () => undefined, () => false])();
    }
    return made;
  };
  const scopes = () => {
    const made = {};
    for (const action of r.chance(0.5) ? ["read", "write"] : ["write", "read"]) {
      if (r.chance(0.6)) made[action] = properties(r.chance(0.5) ? RESOURCES : [...RESOURCES].reverse());
    }
    for (const action of ["trigger", "batchTrigger"]) if (r.chance(0.3)) made[action] = { tasks: ids() };
    if (r.chance(0.1)) made.write = undefined;
    return made;
  };
  const expirationTime = () =>
    r.pick([
      () => new Date(now + 2_000 + r.below(1e10)),
      () => Math.floor(now / 1000) + 1 + r.below(1e8),
      () => now / 1000 + 1 + r.next() * 1e6,
      () =>
        `${r.pick(["", "+", "+ ", " "])}${1 + r.below(400)}${r.pick(["", "."]) === "." ? `.${r.below(1000)}` : ""}${r.pick(["", " "])}${r.pick(UNITS)}`,
      () =>
        `${1 + r.below(99)}${r.pick(["", " "])}${r.pick(UNITS).toUpperCase()}${r.pick(["", " from now", " From Now"])}`,
    ])();
  const realtime = () =>
    r.pick([
      {},
      { skipColumns: [] },
      { skipColumns: undefined },
      { skipColumns: ["payload", "output"] },
      { skipColumns: r.times(3, id) },
    ]);
  const common = () => ({
    ...(r.chance(0.6) && { expirationTime: expirationTime() }),
    ...(r.chance(0.4) && { realtime: realtime() }),
    ...(r.chance(0.05) && { realtime: undefined, expirationTime: undefined }),
  });
  const task = () => (r.chance(0.5) ? id() : [id(), ...r.times(3, id)]);
  return () =>
    r.pick([
      () => [
        "createPublicToken",
        r.chance(0.05) ? undefined : { ...(r.chance(0.85) && { scopes: scopes() }), ...common() },
      ],
      () => [
        "createTriggerPublicToken",
        task(),
        r.chance(0.2)
          ? undefined
          : { ...common(), ...(r.chance(0.5) && { multipleUse: r.pick([true, false, undefined]) }) },
      ],
      () => [
        "createBatchTriggerPublicToken",
        task(),
        r.chance(0.2)
          ? undefined
          : { ...common(), ...(r.chance(0.5) && { multipleUse: r.pick([true, false, undefined]) }) },
      ],
    ])();
}

/** Verifies `token` as a server would, with both verifiers; the claims. */
async function verified(token) {
  const { payload } = await jwtVerify(token, new TextEncoder().encode(ROOT), {
    issuer: "https://id.trigger.dev",
    audience: "https://api.trigger.dev",
    algorithms: ["HS256"],
  });
  const theirs = await validateJWT(token, ROOT);
  assert.deepEqual(theirs, { ok: true, payload });
  return payload;
}

async function compare([method, ...args]) {
  const [theirs, mine] = [await official[method](...args), await ours[method](...args)];
  const [a, b] = [parts(theirs), parts(mine)];
  const shown = JSON.stringify([method, ...args]);
  assert.equal(mine.split(".")[0], theirs.split(".")[0], shown);
  const claims = await verified(mine);
  await verified(theirs);
  const { jti, payload } = withoutJti(b.payload);
  assert.equal(payload, a.payload, shown);
  if (claims.otu === true) {
    assert.match(jti, /^[0-9a-f]{32}$/, shown);
    // The jti stands last, so a reader of the rest sees the official bytes.
    assert.ok(b.payload.endsWith(`,"jti":"${jti}"}`), shown);
  } else {
    assert.equal(mine, theirs, shown);
  }
  return claims;
}

test("any options give the official SDK's token, byte for byte apart from jti", async (t) => {
  const now = 1_795_339_568_512;
  const clock = freeze(t, now);
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const r = random(t);
  const seen = { otu: 0, realtime: 0, fractional: 0, scopeless: 0 };
  for (let at = 0; at < 400; at++) {
    const then = now + r.below(1e9);
    clock.set(then);
    const claims = await compare(generator(r, then)());
    seen.otu += claims.otu === true;
    seen.realtime += claims.realtime !== undefined;
    seen.fractional += !Number.isInteger(claims.exp);
    seen.scopeless += claims.scopes === undefined;
  }
  // The generator covers what it is meant to cover.
  for (const [kind, count] of Object.entries(seen)) assert.ok(count >= 5, `${kind}: ${count}`);
});

test("whatever claims the server answers, they stand where the SDK puts them", async (t) => {
  freeze(t, 1_795_339_568_000);
  for (const claims of [
    '{"sub":"e","pub":true,"extra":{"b":[1.0,1e21,-0,1e-7],"10":1,"2":null}}',
    '{"pub":true,"scopes":["theirs"],"sub":"e","realtime":{"skipColumns":["x"]}}',
    '{"exp":1,"iat":2,"aud":"x","iss":"y","sub":"e","pub":true,"7":"index"}',
    '{"otu":"theirs","sub":"e","pub":true,"sub":"twice"}',
    '{"sub":"é\\u2028\\"\\\\\\u0007","pub":true,"n":123456789012345678901234}',
  ]) {
    const { url } = await claimsServer(t, claims);
    configureBoth(t, url);
    await compare(["createPublicToken"]);
    await compare(["createPublicToken", { scopes: { read: { runs: "r" } }, realtime: { skipColumns: ["payload"] } }]);
    await compare(["createTriggerPublicToken", "t", { multipleUse: true, realtime: {} }]);
    await compare(["createTriggerPublicToken", "t"]);
  }
});

/** The last accepted second, in the year 5138: a number beyond was meant in milliseconds. */
const LATEST = 100_000_000_000;

test("a period is accepted or refused exactly as jose does", async (t) => {
  const now = 1_795_339_568;
  freeze(t, now * 1000);
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const r = random(t);
  const bits = [
    "+",
    "-",
    " ",
    "  ",
    "0",
    "5",
    "12",
    "0.4",
    "0.5",
    "1.5",
    ".5",
    "1.",
    "1e3",
    "007",
    "m",
    "M",
    "sec",
    "Hours",
    "yr",
    "y",
    "month",
    "ago",
    " ago",
    " from now",
    "from now",
    "\n",
    "µ",
    "ſ",
    "٣",
  ];
  const seen = { same: 0, refused: 0 };
  for (let at = 0; at < 1_500; at++) {
    const period = r.chance(0.3)
      ? Array.from({ length: 1 + r.below(5) }, () => r.pick(bits)).join("")
      : `${r.pick(["", "", "", "+", " ", "-"])}${r.pick(["5", "0.25", "90", "0"])}${r.pick(["", " "])}${r.pick(UNITS)}${r.pick(["", "", " ago", " from now"])}`;
    const options = { scopes: { read: { runs: "r" } }, expirationTime: period };
    const theirs = await outcome(official.createPublicToken(options));
    const mine = await outcome(ours.createPublicToken(options));
    const exp = theirs.returned && JSON.parse(parts(theirs.returned).payload).exp;
    if (exp > now && exp <= LATEST) {
      assert.equal(mine.returned, theirs.returned, JSON.stringify(period));
      seen.same++;
    } else {
      // jose refuses it too, or the token would be dead on arrival, or live for thousands of years.
      assert.equal(mine.threw?.code, "ERR_INVALID_EXPIRATION", JSON.stringify(period));
      seen.refused++;
    }
  }
  assert.ok(seen.same > 100 && seen.refused > 100, JSON.stringify(seen));
});
