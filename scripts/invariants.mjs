// `npm run invariants`: whether docs/invariants.md has what the pages with numbered rules say. `-- --write` writes it.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { pageOf } from "./lib/invariants.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";
import { projectFiles } from "./lib/texts.mjs";

const PAGE = "docs/invariants.md";

if (isMain(import.meta.url)) {
  await script(async () => {
    const files = projectFiles(root);
    const expected = pageOf(files);
    if (files.get(PAGE) === expected) return;
    if (!process.argv.includes("--write")) throw new StepError(`${PAGE}: out of date: npm run invariants -- --write`);
    await writeFile(path.join(root, PAGE), expected);
  });
}
