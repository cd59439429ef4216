// What an error says, and what it is taken for, beside the official client's.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { it } from "node:test";
import * as official from "@trigger.dev/core/v3";

const require = createRequire(import.meta.url);
const sdk = require("../index.js");
const { toRunError } = require("../js/runs/error.js");

it("the message of a server's error is the same, whatever the server sent", () => {
  const bodies = [
    { error: { message: "text" } },
    { error: { message: { code: 1 } } },
    { error: { message: ["a"] } },
    { error: { message: 5 } },
    { error: { code: 1 } },
    { error: "text" },
    { error: "" },
    { error: null },
    { message: "top" },
    {},
    null,
    undefined,
  ];
  for (const body of bodies) {
    for (const text of [undefined, "<html>"]) {
      const [ours, theirs] = [sdk, official].map(({ ApiError }) => ApiError.generate(400, body, text, {}));
      assert.equal(ours.message, theirs.message, JSON.stringify(body));
    }
  }
});

it("a refused token is told from every other failure, and from what is no error", () => {
  const made = (status) => sdk.ApiError.generate(status, { error: "x" }, undefined, {});
  for (const status of [401, 403]) assert.equal(sdk.isTriggerRealtimeAuthError(made(status)), true);
  const others = [made(404), made(500), new Error("x"), { status: 401 }, { name: "TriggerApiError" }];
  for (const value of [...others, null, undefined, 401, "TriggerApiError", true]) {
    assert.equal(sdk.isTriggerRealtimeAuthError(value), false, String(value));
  }
});

it("the causes of a run's error are shown whole, and what is no text is left out", () => {
  const causes = [{ name: "E", message: "a", stackTrace: "s" }, { message: "b" }];
  const thrown = { type: "BUILT_IN_ERROR", name: "Error", message: "m", stackTrace: "at x" };
  for (const error of [{ ...thrown, causes }, { ...thrown, causes: [] }, thrown]) {
    assert.deepEqual(toRunError(error), official.createJsonErrorObject(error));
  }
  const odd = toRunError({ ...thrown, causes: [{ name: 1, message: "a", stackTrace: null }, null] });
  assert.deepEqual(odd.causes, [{ message: "a" }, {}]);
});
