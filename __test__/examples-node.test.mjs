// examples/node, installed from the packed package: every server does the same.

import { after, before, describe } from "node:test";
import { startHalfway } from "./examples/emulator.mjs";
import { servesRuns } from "./examples/serves.mjs";
import { installed, serve } from "./examples/support.mjs";

describe("the Node examples", () => {
  /** @type {Awaited<ReturnType<typeof installed>>} */
  let example;
  /** @type {Awaited<ReturnType<typeof startHalfway>>} */
  let emulator;

  before(async () => {
    emulator = await startHalfway();
    example = await installed("node");
  });

  after(async () => {
    await emulator?.stop();
    await example?.remove();
  });

  for (const file of ["http.mjs", "express.mjs", "hono.mjs", "fastify.mjs", "koa.mjs", "nest.mjs"]) {
    describe(file, () => {
      /** @type {Awaited<ReturnType<typeof serve>>} */
      let server;

      before(async () => {
        server = await serve([file], { cwd: example.dir, env: emulator.env });
      });

      after(() => server?.stop());

      servesRuns(() => ({ server, emulator }));
    });
  }
});
