// Writes docs/api.md out of the declarations.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { parts, render } from "./lib/api.mjs";
import { isMain, root, script } from "./lib/run.mjs";
import { ensurePackages } from "./setup.mjs";

if (isMain(import.meta.url)) {
  await script(async () => {
    await ensurePackages();
    await writeFile(path.join(root, "docs", "api.md"), render(parts(root)));
  });
}
