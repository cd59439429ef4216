// examples/react-router, installed from the packed package, built, and its server in Chromium.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { routes } from "./examples/routes.mjs";
import { attempt, run } from "./examples/support.mjs";

await routes({
  name: "react-router",
  title: "React Router",
  start: ["node_modules/@react-router/serve/bin.js", "build/server/index.js"],
  more: (dir) =>
    describe("with a server bundle that takes everything in", () => {
      /** Builds one route, which is enough, and loads the bundle. @param {string} ssr options of Vite */
      async function load(ssr) {
        await writeFile(
          path.join(dir(), "app", "routes.ts"),
          'import { route } from "@react-router/dev/routes";\nexport default [route("api/token", "routes/token.ts")];\n',
        );
        await writeFile(
          path.join(dir(), "vite.config.ts"),
          `import { reactRouter } from "@react-router/dev/vite";\nexport default { plugins: [reactRouter()], ssr: ${ssr} };\n`,
        );
        await run("npm", ["run", "build"], { cwd: dir() });
        return attempt(process.execPath, ["build/server/index.js"], { cwd: dir() });
      }

      test("does not start where the package is in it", async () => {
        const { code, text } = await load("{ noExternal: true }");
        assert.equal(code, 1);
        assert.match(text, /at requireNative /);
      });

      test("starts where ssr.external names the package", async () => {
        const { code, text } = await load('{ noExternal: true, external: ["trigger-native"] }');
        assert.equal(code, 0, text);
      });
    }),
});
