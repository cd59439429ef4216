// examples/react-router, installed from the packed package, built, and its server in Chromium.

import { routes } from "./examples/routes.mjs";

await routes({
  name: "react-router",
  title: "React Router",
  start: ["node_modules/@react-router/serve/bin.js", "build/server/index.js"],
});
