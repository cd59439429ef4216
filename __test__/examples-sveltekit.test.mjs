// examples/sveltekit, installed from the packed package, built, and the server of the adapter for Node.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { TriggerClient } from "trigger-native";
import { apps } from "./examples/apps.mjs";
import { attempt } from "./examples/support.mjs";

apps({
  name: "sveltekit",
  title: "SvelteKit",
  built: "build",
  start: "index.js",
  more: (at) => {
    test("relays a body of more than 512 KB where BODY_SIZE_LIMIT allows it, and otherwise the framework breaks it off", async () => {
      const { server, started, emulator } = at();
      const larger = await started({ BODY_SIZE_LIMIT: "2M" });
      try {
        const { TRIGGER_API_URL: baseURL, TRIGGER_SECRET_KEY: accessToken } = emulator.env;
        const { auth } = new TriggerClient({ baseURL, accessToken });
        for (const [{ url }, expected] of [
          [server, 400],
          [larger, 200],
        ]) {
          const answer = await fetch(`${url}/api/trigger/api/v1/tasks/echo/trigger`, {
            method: "POST",
            headers: {
              authorization: `Bearer ${await auth.createTriggerPublicToken("echo")}`,
              "content-type": "application/json",
            },
            body: JSON.stringify({ payload: `"${"z".repeat(600_000)}"`, options: { payloadType: "application/json" } }),
          });
          assert.equal(answer.status, expected, await answer.text());
        }
      } finally {
        await larger.stop();
      }
    });

    test("refuses a POST without a content type that does not say where it comes from, as it would be a form's", async () => {
      const answer = await fetch(`${at().server.url}/api/runs`, { method: "POST" });
      assert.equal(answer.status, 403, await answer.text());
    });

    test("cannot be built with the package among devDependencies, and the addon is named", async () => {
      const { dir, env } = at();
      const file = path.join(dir, "package.json");
      const { dependencies, ...manifest } = JSON.parse(await readFile(file, "utf8"));
      const devDependencies = { ...manifest.devDependencies, ...dependencies };
      await writeFile(file, JSON.stringify({ ...manifest, devDependencies }));
      const { code, text } = await attempt("npm", ["run", "build"], { cwd: dir, env });
      assert.equal(code, 1, text);
      assert.match(text, /trigger-native-[\w-]+[\\/]trigger-native\.node/);
    });
  },
});
