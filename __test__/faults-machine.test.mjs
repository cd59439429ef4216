/** Every fault of the machine strikes everything that users have open: the contract is in `faults/contract.mjs`. */

import assert from "node:assert/strict";
import process from "node:process";
import { it } from "node:test";
import { apart } from "./faults/machine/apart.mjs";
import { machine } from "./faults/machine.mjs";
import { matrix } from "./faults/matrix.mjs";
import { unavailable } from "./support/system.mjs";

/** Each cell has a process of its own. */
const CONCURRENCY = 4;

if (unavailable) {
  it("every fault of the machine", (context) => {
    assert.ok(!process.env.CI || process.platform !== "linux", unavailable);
    context.skip(unavailable);
  });
} else {
  matrix("faults of the machine", machine, { through: apart, concurrency: CONCURRENCY });
}
