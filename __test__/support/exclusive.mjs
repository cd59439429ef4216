/** Test files run at the same time, in processes of their own: what they share is made by one of them. */
import { mkdir, rm } from "node:fs/promises";

/** How long somebody may hold the lock before he is taken for dead, in milliseconds. */
const STALE_MS = 240_000;

/** @param {string} lock a folder: making one succeeds once @param {() => Promise<void>} work */
export async function exclusively(lock, work) {
  const since = Date.now();
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (Date.now() - since > STALE_MS) await rm(lock, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
