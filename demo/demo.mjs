// `npm run demo`: mint tokens, trigger a run as a browser would, follow it to its end, and say what it cost.

import process from "node:process";
import { auth, configure, NotFoundError, runs } from "trigger-native";
import { snapshotStatus, trigger } from "./calls.mjs";
import { describe } from "./claims.mjs";
import { computed, startOfficial, table, total } from "./compare.mjs";
import { help, parse, UsageError } from "./options.mjs";
import { openServer } from "./server.mjs";
import { Terminal } from "./terminal.mjs";
import { web } from "./web.mjs";

const terminal = new Terminal(process.stdout, process.env);

/**
 * @param {import("./options.mjs").Options} options
 * @param {AbortSignal} signal
 * @returns {Promise<number>} The exit code.
 */
async function demo(options, signal) {
  const server = await openServer(options.server);
  terminal.hide(server.key);
  /** @type {Awaited<ReturnType<typeof startOfficial>> | undefined} */
  let official;
  try {
    const where = server.local ? "a local emulator, no account needed" : "your server";
    terminal.line("server", `${server.url} (${where})`);
    configure({ baseURL: server.url, accessToken: server.key });
    if (server.local && options.task) {
      official = await startOfficial({ task: options.task, payload: options.payload, mode: options.mode });
    }
    const { run, token } = await prepare(server, options);
    const { last, stats } = await follow(run, options, signal);
    if (signal.aborted) {
      terminal.line("stopped", "the subscription is closed");
      return 130;
    }
    const ours = await server.requests();
    result(last);
    const status = await checked(server, token, run);
    terminal.line("checked", `the server lets a browser with this token read the run: ${status}`);
    if (official) await cost(ours, official);
    else estimate(server, options, stats);
    return verdict(last, options);
  } finally {
    terminal.settle();
    // Whatever happened: a server left behind would keep this process alive.
    await Promise.all([official?.stop(), server.stop()]);
  }
}

/**
 * Mints both tokens, and triggers the run unless one was named.
 *
 * @param {import("./server.mjs").Server} server
 * @param {import("./options.mjs").Options} options
 */
async function prepare(server, options) {
  const run = options.run ?? (await start(server, options));
  const before = performance.now();
  const token = await auth.createPublicToken({ scopes: { read: { runs: [run] } }, expirationTime: "1h" });
  terminal.line("token", `public, reads this run for an hour, minted in ${since(before)}`);
  terminal.line("claims", describe(token));
  return { run, token };
}

/**
 * @param {import("./server.mjs").Server} server
 * @param {import("./options.mjs").Options} options
 */
async function start(server, options) {
  const task = options.task ?? "";
  const before = performance.now();
  const token = await auth.createTriggerPublicToken(task);
  terminal.line("token", `one-time, triggers "${task}", minted in ${since(before)} (the first asks for the claims)`);
  const run = await trigger(server, token, task, options.payload);
  terminal.line("run", `${run}, triggered with that token as a browser would`);
  return run;
}

/**
 * Follows the run to its end, and shows each change.
 *
 * @param {string} run
 * @param {import("./options.mjs").Options} options
 * @param {AbortSignal} signal
 */
async function follow(run, options, signal) {
  const began = performance.now();
  const subscription = runs.subscribeToRun(run, {
    signal,
    onRetry: ({ attempt, delayMs, reason }) =>
      terminal.line("retry", `${reason}: attempt ${attempt}, in ${Math.round(delayMs)} ms`),
  });
  /** @type {import("trigger-native").AnyRealtimeRun | undefined} */
  let last;
  let cancelled = false;
  try {
    for await (const state of subscription) {
      show(state, last, began);
      last = state;
      if (options.mode === "cancel" && !cancelled && state.status === "EXECUTING") {
        cancelled = true;
        await runs.cancel(run);
      }
    }
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new Error(`${run}: ${error.message} (is it a run of the environment this key is for?)`, { cause: error });
  }
  terminal.settle();
  return { last, stats: subscription.stats() };
}

/**
 * @param {import("trigger-native").AnyRealtimeRun} state
 * @param {import("trigger-native").AnyRealtimeRun | undefined} last
 * @param {number} began
 */
function show(state, last, began) {
  if (state.status !== last?.status) {
    const colour = state.isFailed || state.isCancelled ? "red" : state.isSuccess ? "green" : "cyan";
    terminal.line("status", `${state.status} after ${since(began)}`, colour);
  }
  const percent = percentOf(state.metadata);
  if (percent === undefined || JSON.stringify(state.metadata) === JSON.stringify(last?.metadata)) return;
  const { progress: _, of: __, label: ___, ...rest } = state.metadata ?? {};
  terminal.progress(percent, Object.keys(rest).length > 0 ? JSON.stringify(rest) : "");
}

/**
 * How far a run says it is: `progress` of metadata, out of `of` or 100.
 *
 * @param {Record<string, unknown> | undefined} metadata
 * @returns {number | undefined} 0 to 100.
 */
function percentOf(metadata) {
  const { progress, of = 100 } = metadata ?? {};
  if (typeof progress !== "number" || typeof of !== "number" || of <= 0) return undefined;
  return (progress / of) * 100;
}

/**
 * @param {import("./server.mjs").Server} server
 * @param {string} token
 * @param {string} run
 */
async function checked(server, token, run) {
  const status = await snapshotStatus(server, token, run);
  if (status !== 200) throw new Error(`the public token was answered ${status}`);
  return "200";
}

/**
 * @param {Record<string, number>} ours
 * @param {Awaited<ReturnType<typeof startOfficial>>} official
 */
async function cost(ours, official) {
  const theirs = await official.finish();
  if (!theirs) {
    terminal.line("requests", `${total(ours)} in all; the official SDK could not be run beside it`);
    return;
  }
  terminal.line("requests", "the same work with the official SDK, measured on a second emulator:");
  terminal.line("", table(ours, theirs.requests));
  if (!theirs.ended) terminal.line("", "(the official client had not ended when it was stopped)");
}

/**
 * What it cost a server that counts nothing for us.
 *
 * @param {import("./server.mjs").Server} server
 * @param {import("./options.mjs").Options} options
 * @param {import("trigger-native").SubscriptionStats} stats
 */
function estimate(server, options, stats) {
  const { ours, official } = computed({
    feed: stats.requests,
    tokens: options.run ? 1 : 2,
    calls: (options.run ? 0 : 1) + (options.mode === "cancel" ? 1 : 0),
    // Other keys than the environment's own cannot sign: the server makes each of their tokens.
    signs: !/^tr_[a-z]+_sk_/.test(server.key),
  });
  terminal.line("requests", `${ours} in all, ${stats.requests} of them for the feed`);
  terminal.line("", `${official} with the official SDK (computed, not measured: it reads the run's first state twice`);
  terminal.line("", "and asks for the environment's claims again for every token it signs)");
}

/** @param {import("trigger-native").AnyRealtimeRun | undefined} last */
function result(last) {
  if (!last?.isFinished) return;
  if (last.error) terminal.line("error", `${last.error.name ?? "Error"}: ${last.error.message}`);
  terminal.line("output", JSON.stringify(last.output, null, 2) ?? "none");
}

/**
 * @param {import("trigger-native").AnyRealtimeRun | undefined} last
 * @param {import("./options.mjs").Options} options
 */
function verdict(last, options) {
  if (!last?.isFinished) {
    terminal.line("end", "the feed ended before the run did");
    return 1;
  }
  // For a run that existed before, any end is the requested one.
  const expected = options.run !== undefined || expectedEnd(last, options.mode);
  terminal.line("end", expected ? `${last.status}, as it should` : `${last.status}, which was not expected`);
  return expected ? 0 : 1;
}

/**
 * @param {import("trigger-native").AnyRealtimeRun} last
 * @param {import("./options.mjs").Mode} mode
 */
function expectedEnd(last, mode) {
  switch (mode) {
    case "fail":
      return last.isFailed;
    case "cancel":
      return last.isCancelled;
    case "succeed":
    case "slow":
      return last.isSuccess;
  }
}

/** Time since `before`, readable. @param {number} before As `performance.now()` gave it. */
function since(before) {
  const ms = performance.now() - before;
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** @returns {Promise<number>} The exit code. */
async function main() {
  const stop = new AbortController();
  // The reader of the output has left, as `head` does: the demo ends without a message.
  process.stdout.on("error", (error) => {
    if (!("code" in error) || error.code !== "EPIPE") throw error;
    stop.abort();
  });
  const options = parse(process.argv.slice(2), process.env);
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  process.once("SIGINT", () => stop.abort());
  if (options.web) {
    process.once("SIGTERM", () => stop.abort());
    return web(terminal, options.web.port, stop.signal);
  }
  return demo(options, stop.signal);
}

try {
  process.exitCode = await main();
} catch (error) {
  terminal.settle();
  const usage = error instanceof UsageError;
  const text =
    error instanceof Error
      ? `${error.name === "Error" || usage ? "" : `${error.name}: `}${error.message}`
      : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
  // "Connection error." alone does not say what to fix.
  const why = cause && !text.includes(cause) ? `because: ${cause}\n` : "";
  process.stderr.write(`${terminal.clean(`${text}\n${why}`)}${usage ? "See: npm run demo -- --help\n" : ""}`);
  process.exitCode = usage ? 2 : 1;
}
