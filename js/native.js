"use strict";

/**
 * Loads the native addon. The only place that knows where it lies.
 *
 * Everything it exports takes and gives plain data; failures come back as data too
 * (`js/errors.js` turns them into errors), so that no error crosses the boundary as a throw.
 */

const path = require("node:path");

const file = path.join(__dirname, "trigger-native.node");

/** @returns {any} the addon's exports */
function load() {
  try {
    return require(file);
  } catch (cause) {
    const report = /** @type {any} */ (process.report?.getReport?.());
    const libc = process.platform === "linux" ? (report?.header?.glibcVersionRuntime ? "glibc" : "musl") : "";
    const error = new Error(
      `trigger-native: no native addon for ${process.platform} ${process.arch}${libc && ` (${libc})`}: looked for ${file}. ` +
        "From a clone, run `npm run build` (it needs a Rust toolchain, https://rustup.rs).",
      { cause },
    );
    /** @type {any} */ (error).code = "ERR_NO_ADDON";
    throw error;
  }
}

module.exports = load();
