// The recipes of the documentation: blocks of code that begin with the name of their file.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { blocks, COMPILED } from "../../scripts/lib/docs-code.mjs";

/** The code of each recipe by the name of its file. Pages that have the same recipe have it word for word. */
export function recipes() {
  /** @type {Map<string, { page: string, code: string }>} */
  const found = new Map();
  for (const { page, line, language, code } of blocks()) {
    const [, file] = /^(?:\/\/|<!--) (?:.*: )?(\S+\.(?:tsx?|html))(?: -->)?$/.exec(code.split("\n", 1)[0]) ?? [];
    if (!file || ![...COMPILED, "html"].includes(language)) continue;
    const known = found.get(file);
    if (known) assert.equal(code, known.code, `${file}: ${page}:${line} and ${known.page} differ`);
    else found.set(file, { page, code });
  }
  return new Map([...found].map(([file, { code }]) => [file, code]));
}

/**
 * Writes recipes into an app, as they stand.
 *
 * @param {string} dir
 * @param {Record<string, string>} files which recipe, by the file that it becomes
 */
export async function writeRecipes(dir, files) {
  const all = recipes();
  for (const [to, from] of Object.entries(files)) {
    const code = all.get(from);
    assert.ok(code, `there is no recipe ${from}`);
    const file = path.join(dir, to);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, code);
  }
}

/** What the recipes take for granted: the app's own task and session. */
const AROUND = {
  "trigger/export.ts": `type Given = { project: string };
export declare const exportTask: {
  id: "export";
  trigger(payload: Given): Promise<{ id: string }>;
  triggerAndWait(payload: Given): { unwrap(): Promise<{ url: string }> };
};
`,
  "lib/session.ts": `export const userOf = async (request: Request) => ({
  id: request.headers.get("cookie")?.split("user=")[1] ?? "nobody",
});
`,
};

/** Writes that into an app, as `~/…`. @param {string} dir */
export async function writeAround(dir) {
  for (const [name, code] of Object.entries(AROUND)) {
    const file = path.join(dir, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, code);
  }
  const file = path.join(dir, "tsconfig.json");
  const settings = JSON.parse(await readFile(file, "utf8"));
  settings.compilerOptions.paths = { "~/*": ["./*"] };
  await writeFile(file, JSON.stringify(settings));
}
