"use strict";

/**
 * The errors of an addon that cannot be used: for which platform, which files were tried, why each failed, what to do.
 */

const fs = require("node:fs");
const path = require("node:path");
const { TARGETS, candidates, libcOf } = require("./platform.js");

/** @typedef {import("./native.js").Thrown} Thrown */

const FROM_SOURCE =
  'build it from source (it needs Rust, https://rustup.rs; docs/packaging.md, "Building from source") and name the ' +
  "file in TRIGGER_NATIVE_ADDON";

const UNBUNDLE =
  "A bundler took the package's JavaScript into a bundle, where the addon is not. Leave trigger-native out of it: in " +
  'Next.js serverExternalPackages: ["trigger-native"], in Vite ssr: { external: ["trigger-native"] }, in esbuild ' +
  'external: ["trigger-native"]; and let it be installed where the server runs.';

/**
 * No file could be loaded.
 *
 * @param {import("./native.js").Attempt[]} attempts in order
 */
function missing(attempts) {
  const lines = attempts.map(({ place, cause }) => `  - ${place}: ${reason(cause)}`);
  const causes = attempts.map(({ cause }) => cause);
  return failure(
    "ERR_NO_ADDON",
    `no native addon for ${machine()}. Looked for:\n${lines.join("\n")}\n${fix(causes)}`,
    causes.at(-1),
  );
}

/**
 * The one file to be used is there, or was named, and cannot be loaded.
 *
 * @param {string} place
 * @param {Thrown} cause
 */
function unloadable(place, cause) {
  let remedy = fix([cause]);
  // Node reads a file with another ending as JavaScript.
  if (!isPackage(place) && !place.endsWith(".node")) remedy = "Give the file a name that ends in .node.";
  if (isAbsent(cause)) remedy = "Name another file in TRIGGER_NATIVE_ADDON, or none.";
  return failure("ERR_NO_ADDON", `${place} cannot be loaded on ${machine()}: ${reason(cause)}\n${remedy}`, cause);
}

/**
 * @param {string} place
 * @param {unknown} found
 * @param {string} wanted
 */
function mismatched(place, found, wanted) {
  const remedy = isPackage(place)
    ? `Install both of one version: npm install trigger-native@${wanted}. An "overrides" entry or an old lock file can hold one of them back.`
    : "Build it anew: npm run build.";
  const version = typeof found === "string" ? `version ${found}` : "an unknown version";
  return failure("ERR_ADDON_VERSION", `the addon ${place} is of ${version}, the package of ${wanted}. ${remedy}`);
}

/** Whether a place is a platform's package, not a file. @param {string} place */
const isPackage = (place) => place.startsWith("trigger-native-");

/** @param {import("../errors/codes.js").CodeOf<"Error">} code @param {string} message @param {Thrown} [cause] */
function failure(code, message, cause) {
  const error = new Error(`trigger-native: ${message}`, cause && { cause });
  return Object.assign(error, { code });
}

/** Platform, processor, C library and runtime, as a person says them. */
function machine() {
  const libc = libcOf() === "gnu" ? "glibc" : libcOf();
  const linux = process.platform === "linux" ? ` (${libc ?? "unknown libc"})` : "";
  const { bun, deno } = process.versions;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${process.versions.node}`;
  return `${process.platform} ${process.arch}${linux}, ${runtime}`;
}

/** The first line: Node goes on with a list of the modules that required it. @param {Thrown} cause */
function reason(cause) {
  return String(cause?.message ?? cause).split("\n", 1)[0];
}

/** Whether there was nothing to load. @param {Thrown} cause */
function isAbsent(cause) {
  return cause?.code === "MODULE_NOT_FOUND" || cause?.code === "ENOENT";
}

/** Whether this file is part of a bundle: `__dirname` is missing then, made up, or the folder of the bundle. */
function isBundled() {
  if (typeof __dirname !== "string") return true;
  return !path.isAbsolute(__dirname) || !fs.existsSync(path.join(__dirname, "no-addon.js"));
}

/** @param {Thrown[]} causes of all attempts */
function fix(causes) {
  const all = causes.map((cause) => String(cause?.message ?? cause)).join("\n");
  if (/NotCapable|[Rr]equires ffi access/.test(all)) return "Allow Deno to load it: --allow-ffi.";
  if (/GLIBC_/.test(all)) return `The system's C library is too old: glibc 2.17 or newer is needed; or ${FROM_SOURCE}.`;
  if (isBundled()) return UNBUNDLE;
  if (!causes.every(isAbsent)) {
    return `The file is damaged or for another platform: install again on this machine; or ${FROM_SOURCE}.`;
  }
  const [wanted] = candidates();
  if (!wanted) return `There is no binary for this platform (${TARGETS.join(", ")}): ${FROM_SOURCE}.`;
  const others = TARGETS.filter((target) => target !== wanted && isInstalled(`trigger-native-${target}`));
  if (others.length > 0) {
    return (
      `Only the package for ${others.join(" and ")} is installed: node_modules come from another platform. Install again ` +
      "on this one (npm ci), or for it: npm install --os --cpu --libc, pnpm's and yarn's supportedArchitectures."
    );
  }
  return (
    `Install again so that optional dependencies come with it: without --omit=optional or --no-optional. A lock file that ` +
    "was written on another platform can lack the package (https://github.com/npm/cli/issues/4828): remove node_modules " +
    "and package-lock.json, then npm install. From a clone, npm run build."
  );
}

/** Whether a package is in a folder that `require` searches. @param {string} name */
function isInstalled(name) {
  return (require.resolve.paths?.(name) ?? []).some((folder) => fs.existsSync(path.join(folder, name, "package.json")));
}

module.exports = { mismatched, missing, unloadable };
