// The viewers of a soak, in a process of their own: each follows a run for a while, as the official hooks do, leaves amid a
// poll or with its end, and comes back for another.

import http from "node:http";
import { setTimeout as pass } from "node:timers/promises";

const [url, token, count] = [process.argv[2], process.env.BENCH_TOKEN, Number(process.argv[3])];

/** How many of them open their first connections at once. */
const OPENING = 100;

/** The runs that can be viewed now. @type {string[]} */
let runs = [];
let over = false;
const counts = { polls: 0, updates: 0, ends: 0, left: 0, refused: 0 };
/** @type {Record<string, number>} */
const failures = {};

process.on("message", (message) => {
  if (message.runs) runs = message.runs;
  if (message.end) over = true;
});

/** @param {http.Agent} agent @param {string} path @param {AbortSignal} signal */
function get(agent, path, signal) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
    const request = http.get(`${url}${path}`, { agent, headers, signal }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (more) => {
        text += more;
      });
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** Follows one run, until its end or until the time is up. */
async function view(agent, run, signal) {
  let query = "offset=-1";
  for (;;) {
    const answer = await get(agent, `/realtime/v1/runs/${run}?log=full&${query}`, signal);
    if (answer.status !== 200) {
      counts.refused++;
      const name = `status ${answer.status}`;
      failures[name] = (failures[name] ?? 0) + 1;
      return pass(1_000);
    }
    counts.polls++;
    if (answer.text.includes('"value"')) counts.updates++;
    if (answer.text.includes('"status":"COMPLETED_SUCCESSFULLY"')) {
      counts.ends++;
      return;
    }
    query = `live=true&handle=${answer.headers["electric-handle"]}&offset=${answer.headers["electric-offset"]}`;
  }
}

async function viewer(index) {
  // Spread, as visitors are.
  await pass((index / OPENING) * 200);
  while (!over) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const leaving = new AbortController();
    const timer = setTimeout(() => leaving.abort(), 2_000 + Math.random() * 60_000);
    const watch = setInterval(() => over && leaving.abort(), 250);
    try {
      while (!over && !leaving.signal.aborted)
        await view(agent, runs[Math.floor(Math.random() * runs.length)], leaving.signal);
    } catch (error) {
      if (leaving.signal.aborted) counts.left++;
      else failures[error.code ?? error.message] = (failures[error.code ?? error.message] ?? 0) + 1;
    }
    clearTimeout(timer);
    clearInterval(watch);
    agent.destroy();
  }
}

while (runs.length === 0) await pass(50);
await Promise.all(Array.from({ length: count }, (_, index) => viewer(index)));
process.send({ counts, failures });
process.disconnect();
