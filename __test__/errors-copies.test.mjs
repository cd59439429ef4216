// An error is what it is, whichever copy of the package made it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { it } from "node:test";

const require = createRequire(import.meta.url);
const one = require("../index.js");

/** The package once more, as after a test runner or a development server threw its modules away. */
function anotherCopy() {
  const before = { ...require.cache };
  for (const file of Object.keys(require.cache)) if (!file.endsWith(".node")) delete require.cache[file];
  try {
    return require("../index.js");
  } finally {
    Object.assign(require.cache, before);
  }
}

it("instanceof holds for the errors of another copy, of exactly their classes", async () => {
  const other = anotherCopy();
  assert.notEqual(other.ApiError, one.ApiError);
  const refused = other.ApiError.generate(404, { error: "none" }, undefined, {});
  const classes = (error, sdk) =>
    Object.keys(sdk)
      .filter((name) => /^[A-Z]\w+Error$/.test(name) && error instanceof sdk[name])
      .sort();
  assert.deepEqual(classes(refused, one), ["ApiError", "NotFoundError", "TriggerApiError"]);
  const failed = await other.tasks.trigger("", {}, {}, { clientConfig: { accessToken: "tr_dev_x" } }).catch((e) => e);
  assert.deepEqual(classes(failed, one), classes(failed, other));
  assert.ok(failed instanceof one.TriggerNativeError);
  const batch = new other.BatchTriggerError("x", { cause: refused, phase: "create", itemCount: 1 });
  assert.deepEqual(classes(batch, one), ["BatchTriggerError"]);
  const seen = new one.BatchTriggerError("x", { cause: refused, phase: "create", itemCount: 1 });
  assert.equal(seen.apiError, refused);
});

it("instanceof holds for nothing else", () => {
  class Own extends one.ApiError {}
  const refused = one.ApiError.generate(404, { error: "none" }, undefined, {});
  assert.ok(!(refused instanceof Own));
  assert.ok(new Own() instanceof Own && new Own() instanceof one.ApiError);
  for (const value of [undefined, null, 1, "x", {}, new Error("x"), Object.create(null), { name: "TriggerApiError" }]) {
    assert.ok(!(value instanceof one.ApiError));
  }
  assert.equal(one.TriggerApiError, one.ApiError);
});
