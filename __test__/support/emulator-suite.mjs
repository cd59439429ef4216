// One suite, for the official SDK and for this package: what the emulator answers must serve both alike.

import { describe } from "node:test";
import * as official from "@trigger.dev/sdk";
import * as ours from "trigger-native";

/** A failsafe only: every test ends by what the emulator answers. */
const FAILSAFE_MS = 60_000;

/**
 * Both suites run side by side, each on an emulator of its own, and the tests of each beside one
 * another: they wait most of the time. A test must not touch another test's runs.
 *
 * @param {string} on
 * @param {(sdk: typeof official, which: { isOurs: boolean }) => void} define registers the tests
 */
export function describeBoth(on, define) {
  describe(on, { concurrency: 2, timeout: FAILSAFE_MS }, () => {
    describe(`the official SDK on ${on}`, { concurrency: 4 }, () => define(official, { isOurs: false }));
    describe(`this package on ${on}`, { concurrency: 4 }, () => define(ours, { isOurs: true }));
  });
}
