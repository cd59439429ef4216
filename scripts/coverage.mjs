// `npm run coverage`: how many lines the tests run, folder by folder: of `src` by the Rust tests, of `js` by the JavaScript
// tests of `npm run test:fast`. `npm test -- --coverage` counts them while it tests, those of all JavaScript tests that do not
// build and install apps. The bridge is only in the addon, which is not counted.

import { javascriptTests } from "./lib/javascript-tests.mjs";
import { countedRustTests } from "./lib/line-counts.mjs";
import { isMain, script } from "./lib/run.mjs";
import { nameOf, SLOW } from "./lib/suites.mjs";
import { setup } from "./setup.mjs";
import { testFiles } from "./test.mjs";

if (isMain(import.meta.url)) {
  await script(async () => {
    await setup();
    const files = (await testFiles()).filter((file) => !(nameOf(file) in SLOW));
    await javascriptTests(files, await countedRustTests());
  });
}
