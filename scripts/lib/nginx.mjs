// nginx, for the tests of what a reverse proxy does, and for a benchmark.

import { spawnSync } from "node:child_process";
import { installFromDebian } from "./debian.mjs";

export const nginxAdvice = "install nginx (Debian: apt-get install nginx-light)";

/** The nginx of this machine; undefined where there is none. */
export function findNginx() {
  return ["nginx", "/usr/sbin/nginx"].find((name) => spawnSync(name, ["-v"]).error === undefined);
}

/** Finds nginx, and installs Debian's where there is none and no password is needed. Elsewhere it says what is missing. */
export async function ensureNginx() {
  if (findNginx()) return;
  if (!(await installFromDebian("nginx-light"))) console.error(`> nginx was not found: ${nginxAdvice}`);
}
