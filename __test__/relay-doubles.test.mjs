// Requests that say a thing twice, by hostile viewers: what the relay decides about is what the server is asked for.
// `TEST_DOUBLES=all` asks every one of them with every token; else a part of them, by a seed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findNginx } from "../scripts/lib/nginx.mjs";

import { anySeed, random } from "./support/chunks.mjs";
import { ofTargets } from "./support/doubles.mjs";
import { ofBodies } from "./support/doubles-bodies.mjs";
import { Comparison } from "./support/doubles-check.mjs";
import { ofHeaders } from "./support/doubles-headers.mjs";
import { FORMS, KINDS, openWorld, TOKENS, WAYS } from "./support/doubles-world.mjs";

const DOUBLES = [...ofTargets, ...ofHeaders, ...ofBodies];
const ALL = process.env.TEST_DOUBLES === "all";
/** How many of each way and form are asked, and how many pairs of doubles. */
const [SINGLES, PAIRS] = ALL ? [Number.POSITIVE_INFINITY, 1_500] : [90, 40];

/** Every double for which a kind of request and a way are meant. */
function product(way) {
  const fits = DOUBLES.filter(({ ways }) => ways === undefined || ways.includes(way));
  return fits.flatMap((double) =>
    (double.kinds ?? KINDS).flatMap((kind) =>
      (double.tokens ?? TOKENS).map((token) => ({ doubles: [double], kind, token })),
    ),
  );
}

function sampled(way, next) {
  const every = product(way);
  const any = (list) => list[Math.floor(next() * list.length)];
  const singles = ALL ? every : Array.from({ length: SINGLES }, () => any(every));
  const pairs = Array.from({ length: PAIRS }, () => {
    const first = any(every);
    const second = any(every.filter(({ kind, token }) => kind === first.kind && token === first.token));
    return { ...first, doubles: [...first.doubles, ...second.doubles] };
  });
  return [...singles, ...pairs];
}

test("every double has a name of its own", () => {
  const names = DOUBLES.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
});

for (const way of WAYS) {
  for (const form of FORMS) {
    // In CI a missing one is a failure.
    const isMissing = way.startsWith("nginx") && findNginx() === undefined && !process.env.CI;
    const skip = isMissing && "nginx is not installed";
    test(`a request that says a thing twice is sent on as the plain one that was decided about, or not at all: ${form}, ${way}`, {
      skip,
    }, async (t) => {
      const seed = anySeed();
      t.diagnostic(`TEST_SEED=${seed}`);
      const world = await openWorld(way, form);
      const comparison = new Comparison(world);
      const failures = [];
      try {
        for (const { doubles, kind, token } of sampled(way, random(seed))) {
          await comparison.check(doubles, kind, token).catch((error) => failures.push(error));
          if (failures.length > 4000) break;
        }
      } finally {
        await world.stop();
      }
      t.diagnostic(`doubles: ${JSON.stringify(comparison.counts)}`);
      if (process.env.TEST_VERBOSE) for (const { message } of failures) console.error(`- ${message.split("\n")[0]}`);
      if (failures.length > 0) throw failures[0];
      assert.ok(comparison.counts.asked > 0);
    });
  }
}
