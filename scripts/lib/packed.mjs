// What must hold of the packages before they are published. Each check gives its faults as sentences.

import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { glibcFloor, readElf } from "./elf.mjs";
import { root } from "./run.mjs";

/** The most that the root and one platform may take on the disk together. */
export const MAX_BYTES = 8_000_000;

/** What every Linux has. Anything else would have to be installed first. */
const SYSTEM_LIBRARIES = [
  /^libc\.so\.6$/,
  /^libc\.musl-\w+\.so\.1$/,
  /^libc\.so$/,
  /^libm\.so\.6$/,
  /^libgcc_s\.so\.1$/,
  /^lib(dl|rt|pthread)\.so\.\d$/,
  /^ld-linux(-[\w-]+)?\.so\.\d$/,
];

/** What must be there for the package to be of use. */
const NEEDED = [
  "package.json",
  "README.md",
  "LICENSE",
  "index.js",
  "index.d.ts",
  "edge.mjs",
  "emulator.js",
  "emulator.d.ts",
  "browser/client.mjs",
  "browser/react.mjs",
  "browser/superjson.mjs",
  "types/connect.d.ts",
  "bin/trigger-native.js",
  "js/native/native.js",
  "types/auth.d.ts",
  "docs/README.md",
  "skills/trigger-native/SKILL.md",
  "page/dist/page.js.gz",
];

/** Files of no use in an installed package. */
const UNWANTED = [
  [/\.node$/, "is a binary"],
  [/\.rs$|(^|\/)Cargo\./, "is Rust source"],
  [/\.map$/, "is a source map"],
  [/(^|\/)(__test__|tests?)\/|\.test\./, "is a test"],
  [/(^|\/)\.|\.tgz$|~$/, "is no file to publish"],
];

/**
 * @param {import("../pack.mjs").Packed} packed
 * @returns {Promise<string[]>}
 */
export async function rootFaults({ files, folder }) {
  const faults = NEEDED.filter((name) => !files.includes(name)).map((name) => `${name} is not in the package`);
  for (const name of files) {
    for (const [pattern, what] of UNWANTED) {
      if (/** @type {RegExp} */ (pattern).test(name)) faults.push(`${name} ${what}`);
    }
  }
  faults.push(...(await folderFaults(files, folder)));
  const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  if (manifest.scripts) faults.push("package.json has scripts: nothing may run at an install");
  return faults;
}

/**
 * @param {import("../pack.mjs").Packed} packed
 * @param {string} target
 * @param {string} [glibc] the newest glibc it may need, as `2.17`
 * @returns {Promise<string[]>}
 */
export async function addonFaults({ files, folder }, target, glibc) {
  const wanted = ["LICENSE", "README.md", "package.json", "trigger-native.node"];
  const faults = files.filter((name) => !wanted.includes(name)).map((name) => `${name} does not belong there`);
  faults.push(...wanted.filter((name) => !files.includes(name)).map((name) => `${name} is not in the package`));
  faults.push(...(await folderFaults(files, folder)));
  if (target.startsWith("linux-")) {
    faults.push(...elfFaults(await readFile(path.join(folder, "trigger-native.node")), target, glibc));
  }
  return faults;
}

/** Files that name the folder they were made in. @param {string[]} files @param {string} folder */
async function folderFaults(files, folder) {
  const faults = [];
  for (const name of files) {
    const bytes = await readFile(path.join(folder, name));
    if ([root, `${os.homedir()}${path.sep}`].some((own) => bytes.includes(own))) {
      faults.push(`${name} names a folder of this machine`);
    }
  }
  return faults;
}

/** @param {Buffer} bytes @param {string} target @param {string} [glibc] */
export function elfFaults(bytes, target, glibc) {
  const elf = readElf(bytes);
  if (!elf) return [`the addon for ${target} is no 64-bit ELF library`];
  const faults = elf.needed
    .filter((name) => !SYSTEM_LIBRARIES.some((pattern) => pattern.test(name)))
    .map((name) => `the addon loads ${name}, which not every system has`);
  if (elf.sections.some((name) => name === ".symtab" || name.startsWith(".debug_"))) {
    faults.push("the addon is not stripped");
  }
  const floor = glibcFloor(elf.versions);
  if (target.endsWith("-musl") && floor) faults.push("the addon for musl needs glibc");
  if (glibc !== undefined && floor) {
    const [major, minor] = glibc.split(".").map(Number);
    if (floor[0] > major || (floor[0] === major && floor[1] > minor)) {
      faults.push(`the addon needs glibc ${floor.join(".")}, newer than ${glibc}`);
    }
  }
  return faults;
}

/**
 * @param {readonly import("../pack.mjs").Packed[]} packed what is installed together
 * @returns {string[]}
 */
export function sizeFaults(packed) {
  const bytes = packed.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0);
  return bytes > MAX_BYTES ? [`${bytes} bytes unpacked, more than ${MAX_BYTES}`] : [];
}
