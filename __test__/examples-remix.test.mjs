// examples/remix, installed from the packed package, built, and its server in Chromium.

import assert from "node:assert/strict";
import { test } from "node:test";
import { routes } from "./examples/routes.mjs";

const [relay, loader] = ["app/routes/api.trigger.$.ts", "app/routes/exports.$id.tsx"];

await routes({
  name: "remix",
  title: "Remix",
  start: ["node_modules/@remix-run/serve/dist/cli.js", "build/server/index.js"],
  followers: ["By EventSource", "By the official hooks"],
  recipes: { [relay]: relay, [loader]: loader },
  more: (_dir, at) =>
    test("has the README's loader wait for a run", async () => {
      const { url, emulator } = at();
      const { id } = await emulator.ask("/api/v1/tasks/export/trigger", { method: "POST", body: "{}" });
      const waited = fetch(`${url}/exports/${id}`);
      await emulator.goOn();
      const answer = await (await waited).json();
      assert.deepEqual(answer, { status: "COMPLETED", url: "https://files.example/export" });
    }),
});
