/** How often the name of a server is looked up, in a process whose resolver is slow. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { runProgram } from "./support/program.mjs";
import { KEY, startServer } from "./support/relay.mjs";
import { system, unavailable } from "./support/system.mjs";

/** Each feed has a connection of its own over HTTP/1.1, and so has each call that finds none idle. */
const PROGRAM = `
  const { configure, runs } = require("./index.js");
  configure({ baseURL, accessToken });
  const { ids } = process.env;
  const first = async (id) => (await runs.subscribeToRun(id).next()).value.id;
  const all = ids.split(" ").flatMap((id) => [first(id), runs.retrieve(id).then((run) => run.id)]);
  Promise.all(all).then((found) => {
    console.log(new Set(found).size);
    process.exit(0);
  });
`;

const COUNT = 100;

describe("the name of a server", { skip: unavailable }, () => {
  let server;
  let baseURL;
  before(async () => {
    server = await startServer();
    baseURL = `http://server.test:${new URL(server.url).port}`;
  });
  after(() => server.stop());

  test("is looked up once at a time, however many connections wait for it", async () => {
    const ids = [];
    for (let n = 0; n < COUNT; n += 1) ids.push(await server.makeRun({ status: "EXECUTING" }));
    const { env, tell, lookups } = system();
    tell({ lookupMs: 200 });
    const accessToken = KEY;
    const options = { baseURL, accessToken, env: { ...env, ids: ids.join(" ") }, timeoutMs: 60_000 };
    const { out, err } = await runProgram(PROGRAM, options);
    assert.equal(out.trim(), `${COUNT}`, err);
    const { all, most } = lookups();
    assert.ok(all > 0, "the name was looked up");
    assert.equal(most, 1, `${all} look-ups, ${most} at the same time`);
  });
});
