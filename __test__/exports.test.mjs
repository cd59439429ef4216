// What the declarations of the package and its subpath name is there at run time, for `import` and for `require`, and nothing else.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import * as native from "trigger-native";
import * as emulator from "trigger-native/emulator";
import * as react from "trigger-native/react";
import { declaredBy } from "../scripts/lib/compatibility/compiler.mjs";
import { root } from "../scripts/lib/run.mjs";

const require = createRequire(import.meta.url);

/** The names a package declares as values. */
function declared(specifier) {
  return [...declaredBy(root, specifier)].filter(([, { isValue }]) => isValue).map(([name]) => name);
}

/** The names of an imported CommonJS module. */
function imported(module) {
  return Object.keys(module)
    .filter((name) => name !== "default" && name !== "module.exports")
    .sort();
}

describe("the package", () => {
  for (const [name, module] of [
    ["trigger-native", native],
    ["trigger-native/emulator", emulator],
  ]) {
    it(`${name} exports what it declares, by import and by require`, () => {
      const names = declared(name);
      assert.ok(names.length > 0);
      assert.deepEqual(imported(module), names);
      assert.deepEqual(Object.keys(require(name)).sort(), names);
    });
  }

  it("trigger-native/react exports what it declares", () => {
    assert.deepEqual(Object.keys(react).sort(), declared("trigger-native/react"));
  });

  it("has the declared functions in each namespace, and no others", () => {
    for (const [name, { members }] of declaredBy(root, "trigger-native")) {
      if (members.length > 0) assert.deepEqual(Object.keys(native[name] ?? {}).sort(), members, name);
    }
  });

  it("errors are kin as declared", () => {
    for (const name of Object.keys(native).filter((key) => key.endsWith("Error"))) {
      if (!/^[A-Z]/.test(name)) continue;
      const ours = /^(TriggerNative|Protocol|NoProgress|Timeout|Config|Argument|Decode)Error$/.test(name);
      const alone = /^(BatchTrigger|BatchNotSealed|WaitpointTimeout)Error$/.test(name);
      const parent = ours ? native.TriggerNativeError : alone ? Error : native.ApiError;
      assert.ok(native[name] === parent || native[name].prototype instanceof parent, name);
    }
  });
});
