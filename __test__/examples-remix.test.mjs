// examples/remix, installed from the packed package, built, and its server in Chromium.

import { routes } from "./examples/routes.mjs";

await routes({
  name: "remix",
  title: "Remix",
  start: ["node_modules/@remix-run/serve/dist/cli.js", "build/server/index.js"],
});
