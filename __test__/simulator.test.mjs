/** Every reader there is against the simulated server, with sockets: `simulator/` has the server and its truth. */

import { randomInt } from "node:crypto";
import process from "node:process";
import { test } from "node:test";
import { inspect } from "node:util";
import { play } from "./simulator/scenario.mjs";

/** How many scenarios are played at once: each mostly waits. */
const AT_ONCE = 12;
/** The seeds of an ordinary run. */
const SEEDS = 24;

const [seconds, only, from] = ["SECONDS", "SEED", "FROM"].map(
  (name) => Number(process.env[`TRIGGER_NATIVE_FUZZ_${name}`]) || 0,
);

test("whatever becomes of their connections, readers and viewers see each run and stream as it was, and all of it", async (t) => {
  const end = performance.now() + seconds * 1_000;
  const first = only || (seconds > 0 ? from || randomInt(2 ** 31) : 1);
  const totals = { scenarios: 0, checked: 0, answers: 0 };
  let next = first;
  let failed = false;
  const isOver = () => failed || (only ? next > only : seconds > 0 ? performance.now() > end : next >= first + SEEDS);
  const lane = async () => {
    while (!isOver()) {
      const seed = next;
      next += 1;
      try {
        const { checked, answers } = await play(seed);
        totals.scenarios += 1;
        totals.checked += checked;
        totals.answers += answers;
      } catch (error) {
        failed = true;
        throw new Error(`TRIGGER_NATIVE_FUZZ_SEED=${seed} plays it again: ${inspect(error)}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: only ? 1 : AT_ONCE }, lane));
  t.diagnostic(
    `${totals.scenarios} scenarios from seed ${first}, ${totals.checked} values checked, ${totals.answers} answers`,
  );
});
