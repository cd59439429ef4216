/**
 * The child's side of `stream-client.mjs`: reads streams with one client and says what came.
 */
import { createRequire } from "node:module";
import { describe, portable } from "./scenario.mjs";

const require = createRequire(import.meta.url);
const client = require(process.argv[2] === "official" ? "@trigger.dev/sdk" : "../../index.js");

const unhandled = [];
process.on("unhandledRejection", (reason) => unhandled.push(describe(reason).message));

/** Parts carry a run: its identity is enough, and the rest is compared elsewhere. */
function compared(value) {
  if (value?.run === undefined || value.type === undefined) return portable(value);
  const { run, ...part } = value;
  return portable({ ...part, run: run.id, status: run.status });
}

async function read({ config, call, args, options, parts, take = Infinity, timeoutMs }, onValue) {
  const result = { values: [], error: null, ended: false, hung: false };
  const started = unhandled.length;
  const controller = new AbortController();
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutMs, "late");
  });
  try {
    client.configure(config);
    const [group, name] = call.split(".");
    const all = call === "runs.fetchStream" ? args : [...args, { ...options, signal: controller.signal }];
    let stream = await client[group][name](...all);
    if (parts) stream = stream.withStreams(typeof parts === "object" ? parts : undefined);
    const iterator = stream[Symbol.asyncIterator]();
    while (result.values.length < take) {
      const step = await Promise.race([iterator.next(), late]);
      if (step === "late") {
        result.hung = true;
        break;
      }
      if (step.done) {
        result.ended = true;
        break;
      }
      result.values.push(compared(step.value));
      timer.refresh();
      onValue(result.values.length);
    }
  } catch (error) {
    result.error = describe(error);
  }
  clearTimeout(timer);
  controller.abort();
  // A rejection is called unhandled only a turn later.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { ...result, unhandled: unhandled.slice(started) };
}

process.on("message", async ({ id, job }) => {
  const result = await read(job, (count) => process.send({ id, count }));
  process.send({ id, result });
});
process.on("disconnect", () => process.exit(0));
process.send({ ready: true });
