"use strict";

/**
 * Loads the native addon. No other file knows where it is: the file that `TRIGGER_NATIVE_ADDON` names, else the one
 * beside this file (a clone, `npm run build`), else that of this platform's package, which npm installs as an optional
 * dependency.
 *
 * `addon.d.ts` types what it exports. Arguments and results are plain data, and so are failures: no error crosses the
 * boundary as a throw (`js/errors/errors.js` makes errors of them).
 */

const fs = require("node:fs");
const path = require("node:path");

/** The version of this package, which the addon has to be of. `scripts/version.mjs` writes it. */
const VERSION = "0.1.0";

/** @typedef {typeof import("./addon.js")} Addon */

/** @returns {Addon} */
function load() {
  // A file that is named and fails ends the search: another one was not meant.
  const named = process.env.TRIGGER_NATIVE_ADDON;
  if (named) return checked(named, fromFile(path.resolve(named)));
  // A bundle of ES modules has no `__dirname`, and no addon beside it.
  const beside = typeof __dirname === "string" && path.join(__dirname, "trigger-native.node");
  if (beside && fs.existsSync(beside)) return checked(beside, fromFile(beside));
  /** @type {Attempt[]} */
  const attempts = [];
  if (beside) attempts.push({ place: beside, cause: Object.assign(new Error("no such file"), { code: "ENOENT" }) });
  for (const target of require("./platform.js").candidates()) {
    const place = `trigger-native-${target}`;
    const attempt = fromPackage(target);
    if (attempt.addon !== undefined) return checked(place, attempt);
    attempts.push({ place, cause: attempt.cause });
  }
  throw require("./no-addon.js").missing(attempts);
}

/**
 * @typedef {Error & { code?: string }} Thrown by `require`
 * @typedef {{ place: string, cause: Thrown }} Attempt
 * @typedef {{ addon: Addon, cause?: undefined } | { addon?: undefined, cause: Thrown }} Found
 *
 * @param {string} place
 * @param {Found} found
 */
function checked(place, { addon, cause }) {
  if (addon === undefined) throw require("./no-addon.js").unloadable(place, cause);
  // Calls of one version over the boundary of another would fail late, and anywhere.
  if (addon.VERSION !== VERSION) throw require("./no-addon.js").mismatched(place, addon.VERSION, VERSION);
  return addon;
}

/** @param {string} file @returns {Found} */
function fromFile(file) {
  try {
    return { addon: require(file) };
  } catch (cause) {
    return { cause: /** @type {Thrown} */ (cause) };
  }
}

/**
 * Each name is written out, for tools that copy what a server needs by reading `require` calls. All are in one `try`,
 * so that bundlers take packages that are not installed for optional.
 *
 * @param {string} target
 * @returns {Found}
 */
function fromPackage(target) {
  try {
    switch (target) {
      case "darwin-arm64":
        return { addon: require("trigger-native-darwin-arm64") };
      case "darwin-x64":
        return { addon: require("trigger-native-darwin-x64") };
      case "linux-arm64-gnu":
        return { addon: require("trigger-native-linux-arm64-gnu") };
      case "linux-arm64-musl":
        return { addon: require("trigger-native-linux-arm64-musl") };
      case "linux-x64-gnu":
        return { addon: require("trigger-native-linux-x64-gnu") };
      case "linux-x64-musl":
        return { addon: require("trigger-native-linux-x64-musl") };
      case "win32-arm64-msvc":
        return { addon: require("trigger-native-win32-arm64-msvc") };
      case "win32-x64-msvc":
        return { addon: require("trigger-native-win32-x64-msvc") };
      default:
        return { cause: new Error(`there is no package for ${target}`) };
    }
  } catch (cause) {
    return { cause: /** @type {Thrown} */ (cause) };
  }
}

module.exports = load();
