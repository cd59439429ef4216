// Programs of Debian that some tests need.

import { existsSync } from "node:fs";
import process from "node:process";
import { run, step } from "./run.mjs";

/**
 * Installs a package of Debian, where that takes no password. False elsewhere.
 *
 * @param {string} name
 */
export async function installFromDebian(name) {
  const install = await installer();
  if (!install) return false;
  const [command, ...args] = [...install, "apt-get", "install", "-y", "-qq", "--no-install-recommends", name];
  // The lists of packages are often missing or old, above all in containers; elsewhere they need no update.
  if ((await run(command, args)) === 0) return true;
  const [update, ...updating] = [...install, "apt-get", "update", "-qq"];
  await step("apt-get update", update, updating);
  await step(`installing ${name} (apt-get)`, command, args);
  return true;
}

/** The command before `apt-get`; undefined where it cannot be run. @returns {Promise<string[] | undefined>} */
async function installer() {
  if (process.platform !== "linux" || !existsSync("/etc/debian_version")) return undefined;
  const plain = ["env", "DEBIAN_FRONTEND=noninteractive"];
  if (process.getuid?.() === 0) return plain;
  return (await run("sudo", ["-n", "true"], { quiet: true })) === 0 ? ["sudo", "-n", ...plain] : undefined;
}
