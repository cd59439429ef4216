// What `index.d.ts` and `emulator.d.ts` declare is there at run time, for `import` and for `require`, and nothing else.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import * as native from "trigger-native";
import * as emulator from "trigger-native/emulator";

const require = createRequire(import.meta.url);

/** The names a declaration file exports as values. */
async function declared(file) {
  const text = await readFile(new URL(`../${file}`, import.meta.url), "utf8");
  return [...text.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name).sort();
}

/** The names of an imported CommonJS module. */
function imported(module) {
  return Object.keys(module)
    .filter((name) => name !== "default" && name !== "module.exports")
    .sort();
}

describe("the package", () => {
  for (const [name, file, module] of [
    ["trigger-native", "index.d.ts", native],
    ["trigger-native/emulator", "emulator.d.ts", emulator],
  ]) {
    it(`${name} exports what it declares, by import and by require`, async () => {
      const names = await declared(file);
      assert.ok(names.length > 0);
      assert.deepEqual(imported(module), names);
      assert.deepEqual(Object.keys(require(name)).sort(), names);
    });
  }

  it("has the declared functions in auth and runs", () => {
    assert.deepEqual(Object.keys(native.auth).sort(), [
      "configure",
      "createBatchTriggerPublicToken",
      "createPublicToken",
      "createTriggerPublicToken",
    ]);
    assert.deepEqual(Object.keys(native.runs).sort(), ["fetchStream", "subscribeToRun"]);
    assert.deepEqual(Object.keys(native.streams).sort(), ["define", "input", "read"]);
  });

  it("errors are kin as declared", () => {
    for (const name of Object.keys(native).filter((key) => key.endsWith("Error"))) {
      if (!/^[A-Z]/.test(name)) continue;
      const ours = /^(TriggerNative|Protocol|NoProgress|Timeout|Config|Argument|Decode)Error$/.test(name);
      const parent = ours ? native.TriggerNativeError : native.ApiError;
      assert.ok(native[name] === parent || native[name].prototype instanceof parent, name);
    }
  });
});
