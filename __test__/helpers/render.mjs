// Rendered rows, as the core hands them to JavaScript.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * For each feed, for each of its answers, what the answer published.
 *
 * @param {{ schema: string, bodies: string[] }[]} feeds
 * @returns {any[][][]}
 */
export function render(feeds) {
  const input = feeds.map(({ schema, bodies }) => JSON.stringify({ schema, bodies })).join("\n");
  const cargo = ["run", "--quiet", "--no-default-features", "--example", "render"];
  const { status, stdout, stderr } = spawnSync("cargo", cargo, {
    cwd: ROOT,
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the rows could not be rendered:\n${stderr}`);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return feeds.map(({ bodies }) => lines.splice(0, bodies.length));
}
