"use strict";

/**
 * Loads the native addon. The only place that knows where it lies: where `TRIGGER_NATIVE_ADDON` says, else beside this
 * file (a clone, `npm run build`), else in the package of this platform, which npm installs as an optional dependency.
 *
 * Everything it exports takes and gives plain data; failures come back as data too
 * (`js/errors/errors.js` turns them into errors), so that no error crosses the boundary as a throw.
 */

const fs = require("node:fs");
const path = require("node:path");

/** The version of this package, which the addon has to be of. `scripts/version.mjs` writes it. */
const VERSION = "0.1.0";

/** @returns {any} the addon's exports */
function load() {
  // Failing, and not looking further: whoever names a file means that one.
  const named = process.env.TRIGGER_NATIVE_ADDON;
  if (named) return checked(named, fromFile(path.resolve(named)));
  // A bundle of ES modules knows no `__dirname`, and has nothing beside it.
  const beside = typeof __dirname === "string" && path.join(__dirname, "trigger-native.node");
  if (beside && fs.existsSync(beside)) return checked(beside, fromFile(beside));
  /** @type {Attempt[]} */
  const attempts = [];
  if (beside) attempts.push({ place: beside, cause: Object.assign(new Error("no such file"), { code: "ENOENT" }) });
  for (const target of require("./platform.js").candidates()) {
    const place = `trigger-native-${target}`;
    const attempt = fromPackage(target);
    if (attempt.addon) return checked(place, attempt);
    attempts.push({ place, cause: attempt.cause });
  }
  throw require("./no-addon.js").missing(attempts);
}

/**
 * @typedef {{ place: string, cause?: any }} Attempt
 *
 * @param {string} place
 * @param {{ addon?: any, cause?: any }} found
 */
function checked(place, { addon, cause }) {
  if (cause) throw require("./no-addon.js").unloadable(place, cause);
  // Calls of one version over the boundary of another would fail anywhere, and late.
  if (addon.VERSION !== VERSION) throw require("./no-addon.js").mismatched(place, addon.VERSION, VERSION);
  return addon;
}

/** @param {string} file */
function fromFile(file) {
  try {
    return { addon: require(file) };
  } catch (cause) {
    return { cause };
  }
}

/**
 * Each name is written out, for the tools that copy what a server needs by reading `require` calls; all in one `try`,
 * so that bundlers take those that are not installed for optional.
 *
 * @param {string} target
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
    return { cause };
  }
}

module.exports = load();
