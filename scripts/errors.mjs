// `npm run errors`: whether docs/errors.md and the type `ErrorCode` say what the registry of codes says. `-- --write`
// writes them.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { written } from "./lib/errors.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";

if (isMain(import.meta.url)) {
  await script(async () => {
    const stale = written(root).filter(({ is, expected }) => is !== expected);
    if (process.argv.includes("--write")) {
      for (const { name, expected } of stale) await writeFile(path.join(root, name), expected);
    } else if (stale.length > 0) {
      throw new StepError(`${stale.map(({ name }) => name).join(", ")}: out of date: npm run errors -- --write`);
    }
  });
}
