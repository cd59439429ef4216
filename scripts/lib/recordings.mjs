// Where the recordings of the real server are, and whether they are there.

import { readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { root } from "./run.mjs";

/** Where the recordings are looked for: `TRIGGER_NATIVE_WIRE`, else beside the project. */
export const wireDirectory = process.env.TRIGGER_NATIVE_WIRE ?? path.join(root, "..", "shared", "wire");

/** The recordings' files, whole paths in order; none when the folder is not there. */
export function recordingFiles() {
  try {
    const names = readdirSync(wireDirectory).filter((name) => name.endsWith(".json"));
    return names.sort().map((name) => path.join(wireDirectory, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
