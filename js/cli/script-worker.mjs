// Imports a file of tasks in a thread of its own, and hands its default export over as JSON.

import { parentPort, workerData } from "node:worker_threads";

try {
  const { default: tasks } = await import(workerData);
  if (tasks === undefined) throw new Error("it has no default export");
  parentPort?.postMessage({ json: JSON.stringify(tasks) ?? "null" });
} catch (error) {
  // The error and, for one of syntax, its line: without the stack through Node.
  const text = String(error?.stack ?? error)
    .split("\n    at ")[0]
    .trim();
  parentPort?.postMessage({ error: error instanceof SyntaxError ? text : text.replace(/^Error: /, "") });
}
