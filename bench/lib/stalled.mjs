// What a measurement that stopped says: which viewers wait, what the relay counts, what lies unread in which socket, where
// the threads are, and whether one more update frees the viewers.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { control, sleep, within } from "./client.mjs";

const exec = promisify(execFile);

/** How long the relay's process may take to answer with its counts: its thread is idle, if it is not stuck. */
const STATS_MS = 3_000;
/** How long one more update has to free the viewers. */
const NUDGE_MS = 5_000;

/**
 * The connections with bytes that their reader has not taken, by the kernel's table, on both sides of a port.
 *
 * @param {string} tcp the text of `/proc/net/tcp`
 * @param {number} port the relay's
 */
export function unread(tcp, port) {
  const sides = { relay: side(), viewers: side() };
  for (const line of tcp.split("\n").slice(1)) {
    const [, local, remote, state, queues] = line.trim().split(/\s+/);
    if (!queues) continue;
    const [from, to] = [local, remote].map((address) => Number.parseInt(address.split(":")[1], 16));
    if (from !== port && to !== port) continue;
    const [sent, received] = queues.split(":").map((hex) => Number.parseInt(hex, 16));
    const one = from === port ? sides.relay : sides.viewers;
    // 0A: the listener, whose queue holds connections that were not accepted.
    if (state === "0A") {
      one.notAccepted += received;
      continue;
    }
    one.states[STATES[state] ?? state] = (one.states[STATES[state] ?? state] ?? 0) + 1;
    if (received > 0) {
      one.unread++;
      if (one.ports.length < 20) one.ports.push(from === port ? to : from);
    }
    if (sent > 0) one.unsent++;
  }
  return sides;
}

const STATES = { "01": "open", "02": "SYN sent", "03": "SYN received", "06": "TIME_WAIT", "08": "CLOSE_WAIT" };
const side = () => ({ states: {}, unread: 0, unsent: 0, notAccepted: 0, ports: [] });

/** The stacks of all threads of a process; why there are none where there is no gdb. @param {number} pid */
export async function stacks(pid) {
  try {
    const args = ["-p", String(pid), "-batch", "-ex", "set pagination off", "-ex", "thread apply all bt 40"];
    const { stdout } = await exec("gdb", args, { timeout: 60_000, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    return `no stacks: ${error.message.slice(0, 300)}`;
  }
}

/** The states of all threads, and in which call of the kernel each sleeps. @param {number} pid */
export async function threads(pid) {
  try {
    const { stdout } = await exec("ps", ["-L", "-o", "tid,stat,wchan:24,pcpu,comm", "-p", String(pid)]);
    return stdout;
  } catch (error) {
    return `no threads: ${error.message}`;
  }
}

/**
 * All that can be known of a stalled run, as text.
 *
 * @param {{
 *   pid: number, phase: string, peer: string, group: string, url?: string, updates: number,
 *   viewers?: unknown, ask: () => Promise<unknown>, steps: () => number,
 * }} run
 */
export async function diagnosis(run) {
  const said = [`it stopped after: ${run.phase}`, `viewers: ${JSON.stringify(run.viewers ?? "they said nothing")}`];
  const stats = await within(STATS_MS, run.ask());
  said.push(`relay: ${stats ? JSON.stringify(stats) : "JavaScript's thread does not answer"}`);
  const server = await within(STATS_MS, control(`${run.peer}/bench/stats`));
  said.push(`server: ${server ? JSON.stringify(server) : "the server does not answer"}`);
  if (run.url) said.push(`sockets: ${JSON.stringify(unread(tcp(), Number(new URL(run.url).port)))}`);
  said.push(await threads(run.pid), await stacks(run.pid));
  // An update that frees the viewers shows that a wake-up was lost; one that does not, that connections were.
  const before = run.steps();
  await within(STATS_MS, control(`${run.peer}/bench/release/${run.group}/${run.updates - 1}`));
  await sleep(NUDGE_MS);
  const freed = run.steps() - before;
  said.push(freed > 0 ? `one more update freed viewers: ${freed} steps` : "one more update frees no viewer");
  return said.join("\n");
}

function tcp() {
  try {
    return readFileSync("/proc/net/tcp", "latin1");
  } catch {
    return "";
  }
}
