// examples/react-router, installed from the packed package, built, and its server in Chromium.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { routes } from "./examples/routes.mjs";
import { attempt } from "./examples/support.mjs";
import { ensureToolbox, tools } from "./support/toolbox.mjs";

const example = {
  name: "react-router",
  start: ["node_modules/@react-router/serve/bin.js", "build/server/index.js"],
  followers: ["By EventSource", "By the official hooks", "Over one connection"],
  recipes: { "app/routes/relay.ts": "app/routes/api.trigger.$.ts" },
};

// Both are there before the first has ended: --test-force-exit would end the process with it.
const eight = routes({
  ...example,
  title: "React Router 8",
  variant: "react-router-8",
  start: ["node_modules/@react-router/serve/bin.cjs", "build/server/index.js"],
  // It needs Node 22.22.
  node: async () => {
    await ensureToolbox();
    return tools.node24[0];
  },
});

const seven = routes({
  ...example,
  title: "React Router",
  more: (dir) =>
    describe("with a server bundle that takes everything in", () => {
      /** Builds one route, which is enough. @param {string} ssr options of Vite */
      async function build(ssr) {
        await writeFile(
          path.join(dir(), "app", "routes.ts"),
          'import { route } from "@react-router/dev/routes";\nexport default [route("api/token", "routes/token.ts")];\n',
        );
        await writeFile(
          path.join(dir(), "vite.config.ts"),
          `import { reactRouter } from "@react-router/dev/vite";\nexport default { plugins: [reactRouter()], ssr: ${ssr} };\n`,
        );
        return attempt("npm", ["run", "build"], { cwd: dir() });
      }

      test("cannot be built where the package is to be in it, and the addon is named", async () => {
        const { code, text } = await build("{ noExternal: true }");
        assert.equal(code, 1, text);
        assert.match(text, /trigger-native\.node \(1:0\): Unexpected character/);
      });

      test("is built and starts where ssr.external names the package", async () => {
        const built = await build('{ noExternal: true, external: ["trigger-native"] }');
        assert.equal(built.code, 0, built.text);
        const { code, text } = await attempt(process.execPath, ["build/server/index.js"], { cwd: dir() });
        assert.equal(code, 0, text);
      });
    }),
});

await Promise.all([eight, seven]);
