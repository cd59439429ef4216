// `npm run process-ends`: processes with 1,000 feeds and the viewers of a relay end in every way, again and again. Ends with
// exit code 1 after the first that hangs, crashes, or ends in another way than it should.

import { parseArgs } from "node:util";
import { isMain, StepError, script } from "./lib/run.mjs";

/** What the tests are made of: no part of the scripts, and not type-checked with them. @param {string} name */
const load = (name) => import(`../__test__/support/${name}`);

async function main() {
  const { values } = parseArgs({
    options: {
      repeats: { type: "string", default: "200" },
      feeds: { type: "string", default: "1000" },
      viewers: { type: "string", default: "100" },
      minutes: { type: "string", default: "0" },
      only: { type: "string" },
    },
  });
  const { ENDS, end } = await load("process-ends.mjs");
  const { startTickingServer } = await load("ticking-server.mjs");
  const [repeats, feeds, viewers, minutes] = [values.repeats, values.feeds, values.viewers, values.minutes].map(Number);
  const names = values.only?.split(",") ?? Object.keys(ENDS);
  const unknown = names.find((name) => !(name in ENDS));
  if (unknown) throw new StepError(`there is no end "${unknown}": the ends are ${Object.keys(ENDS).join(", ")}`);
  const server = await startTickingServer();
  const began = performance.now();
  let [done, slowest] = [0, 0];
  try {
    // All ends in turn, so that what stops early has seen each of them.
    for (; done < repeats && (minutes === 0 || performance.now() - began < minutes * 60_000); done++) {
      const name = names[done % names.length];
      const { wrong, endingMs } = await end(name, { url: server.url, feeds, viewers });
      if (wrong.length > 0) throw new StepError(`repeat ${done + 1}, ${name}: ${wrong.join("; ")}`);
      slowest = Math.max(slowest, endingMs);
      console.error(`${done + 1}: ${name}, over after ${Math.round(endingMs)} ms`);
    }
  } finally {
    await server.stop();
  }
  console.log(
    `${done} processes with ${feeds} feeds and ${viewers} viewers each ended as they should, in ${names.length} ways; ` +
      `the slowest end took ${Math.round(slowest)} ms`,
  );
}

if (isMain(import.meta.url)) await script(main);
