// Helpers of the measuring processes. CPU time and memory are the operating system's figures.

import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";

export const require = createRequire(import.meta.url);

export const ROOT_KEY = "tr_dev_benchbenchbenchbench00";
/** A key that cannot sign: each of its tokens is a call to the server. */
export const ADDITIONAL_KEY = "tr_dev_sk_benchbenchbenchbench0000";

/**
 * The package under test, configured.
 *
 * @param {string} client `ours` or `official`
 * @param {string} [url]
 * @param {string} [key]
 */
export function load(client, url, key = ROOT_KEY) {
  const module = client === "ours" ? require("../../index.js") : require("@trigger.dev/sdk");
  // The cost of a feed is that of its own long-poll: the case `budget` measures feeds that share one.
  const unbounded = client === "ours" ? { realtime: { connections: 0 } } : {};
  if (url) module.configure({ baseURL: url, accessToken: key, ...unbounded });
  return module;
}

/** User and system time of this process so far, in microseconds. */
export function cpuMicros() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The peak memory of this process, in KB. */
export function peakRss() {
  // `getrusage` also counts the memory of the process that started this one.
  return statusOf("VmHWM") ?? process.resourceUsage().maxRSS;
}

/** The memory of this process now, in KB. */
export function rss() {
  return statusOf("VmRSS") ?? Math.round(process.memoryUsage.rss() / 1024);
}

function statusOf(field) {
  try {
    const found = readFileSync("/proc/self/status", "latin1").match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
    return found ? Number(found[1]) : undefined;
  } catch {
    return undefined;
  }
}

/** Microseconds a call, calls one after another, after a warm-up. @param {number} calls @param {(index: number) => any} call */
export async function each(calls, call) {
  const warm = Math.min(calls, 2000);
  for (let i = 0; i < warm; i++) await call(i);
  const start = performance.now();
  for (let i = 0; i < calls; i++) await call(i);
  return ((performance.now() - start) * 1000) / calls;
}

/** Run ids, all different: a token is hardly ever minted for the same run twice. @param {number} count */
export function runIds(count) {
  return Array.from({ length: count }, (_, index) => `run_${String(index).padStart(24, "0")}`);
}

/** Resolves once it was called `count` times. @param {number} count */
export function latch(count) {
  let missing = count;
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return {
    opened,
    arrive() {
      if (--missing === 0) open();
    },
  };
}

/** The value of `promise`, or `undefined` after so many milliseconds. */
export function within(ms, promise) {
  return Promise.race([promise, sleep(ms)]);
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const agent = new http.Agent({ keepAlive: true });

/** A control call to the server, past the client under test. @param {string} url */
export function control(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
  });
}

/** Waits until the server holds so many requests, or until their number no longer grows. The largest number. */
export async function untilHeld(url, count, timeoutMs = 6_000) {
  let most = 0;
  for (let grown = performance.now(); performance.now() - grown < timeoutMs; ) {
    const { held } = await control(`${url}/bench/stats`);
    if (held >= count) return held;
    if (held > most) {
      most = held;
      grown = performance.now();
    }
    await sleep(20);
  }
  return most;
}
