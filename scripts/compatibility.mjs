// `npm run compatibility`: what of the official SDK works here. `--write` writes `docs/compatibility.md`.
//
// Fails on an export that is neither here nor given a reason, on one that is declared and not there, on one that is not
// what the official one is, and on notes that are out of date.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { inspect } from "./lib/compatibility/inspect.mjs";
import { pageOf } from "./lib/compatibility/page.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";

const page = path.join(root, "docs", "compatibility.md");

/** The findings, and the page as it is and as it should be. */
export async function checkCompatibility() {
  const findings = await inspect(root);
  const written = await readFile(page, "utf8").catch(() => "");
  return { findings, written, expected: pageOf(findings) };
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const { findings, written, expected } = await checkCompatibility();
    const lines = Object.entries(findings.problems).flatMap(([kind, found]) => found.map((one) => `${kind}: ${one}`));
    if (process.argv.includes("--write")) await writeFile(page, expected);
    else if (written !== expected) lines.push("docs/compatibility.md is out of date: npm run compatibility -- --write");
    if (lines.length > 0) throw new StepError(lines.join("\n"));
    const working = [...findings.values, ...findings.types].filter(({ works }) => works).length;
    console.log(`${working} exports of @trigger.dev/sdk ${findings.notes.version} work here`);
  });
}
