// Makes calls with one of the two packages, in a process of its own, and reports each result.
//
// `node calls-child.mjs <official|ours>`: lines of superjson, `{ calls, url, env }` on stdin, the outcomes on stdout.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { SuperJSON } from "superjson";
import { payloads } from "./calls-payloads.mjs";

const require = createRequire(import.meta.url);
const sdk = process.argv[2] === "ours" ? require("../../index.js") : require("@trigger.dev/sdk");
const plain = new SuperJSON();

for await (const line of createInterface({ input: process.stdin })) {
  const { calls, url, env } = plain.parse(line);
  Object.assign(process.env, { TRIGGER_API_URL: url }, env);
  const outcomes = [];
  for (const call of calls) outcomes.push(await outcome(() => make(call)));
  for (const name of Object.keys(env)) delete process.env[name];
  process.stdout.write(`${plain.stringify(outcomes)}\n`);
}

async function outcome(work) {
  try {
    return { value: describe(await work()) };
  } catch (error) {
    return { error: describeError(error) };
  }
}

/**
 * `use` says what is done with what the call gives, `within` the functions of `auth` around it, each
 * with its arguments, the outermost first.
 */
async function make({ name, args, configuration, client, within = [], use }) {
  if (configuration) sdk.configure(configuration);
  const root = client ? new sdk.TriggerClient(client) : sdk;
  const [namespace, ...rest] = name.split(".");
  const call = () => {
    if (name === "streams.input.send") {
      const [input, ...sent] = args;
      return sdk.streams.input(input).send(...sent);
    }
    let self = root[namespace];
    let target = self;
    for (const part of rest) [self, target] = [target, target[part]];
    return target.apply(self, args.map(revive));
  };
  const run = async () => {
    switch (use) {
      case "items": {
        const items = [];
        for await (const item of call()) items.push(item);
        return items;
      }
      case "pages": {
        const first = await call();
        const second = first.hasNextPage() ? await first.getNextPage() : undefined;
        const back = second?.hasPreviousPage() ? await second.getPreviousPage() : undefined;
        return [first, second, back];
      }
      case "response": {
        const { data, response } = await call().withResponse();
        const raw = await call().asResponse();
        return { data, status: response.status, type: raw.headers.get("content-type"), body: await raw.text() };
      }
      default:
        return await call();
    }
  };
  // Not all of the official ones hand on what the innermost gives.
  let given;
  let wrapped = async () => {
    given = await run();
  };
  for (const [around, ...rest] of within.toReversed()) {
    const inner = wrapped;
    wrapped = () => sdk.auth[around](...rest, inner);
  }
  await wrapped();
  return given;
}

/** Arguments that cannot be written down come as `{ $payload }` and `{ $source, items }`. */
function revive(argument) {
  if (typeof argument?.$payload === "number") return payloads[argument.$payload];
  if (Array.isArray(argument)) return argument.map(revive);
  if (argument?.$source === "iterable") return iterate(revive(argument.items));
  if (argument?.$source === "stream") return ReadableStream.from(revive(argument.items));
  return argument?.payload?.$payload === undefined ? argument : { ...argument, payload: revive(argument.payload) };
}

async function* iterate(items) {
  yield* items;
}

function describe(value) {
  if (Array.isArray(value)) return value.map(describe);
  if (value instanceof Error) return describeError(value);
  if (typeof value?.hasNextPage === "function") {
    const { data, pagination } = value;
    return { data, pagination, more: value.hasNextPage(), before: value.hasPreviousPage() };
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, describe(field)]));
  }
  return value;
}

function describeError(error) {
  const { name, status, error: said, code, param, type, body, phase, batchId, itemCount, isRateLimited } = error;
  const ofApi = name === "TriggerApiError";
  return {
    class: error.constructor.name,
    name,
    // The wording is each package's own where the server said nothing.
    message: ofApi ? error.message : undefined,
    ...(ofApi && { status, said, param, type, body, retry: error.headers?.["x-should-retry"] }),
    code: ofApi ? code : undefined,
    ...(phase && { phase, batchId, itemCount, isRateLimited, cause: describeError(error.cause) }),
    ...(error.apiError && { apiError: error.apiError.constructor.name }),
  };
}
