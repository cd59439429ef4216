// The world of one cell: an emulator, what stands before it, and the options of a user who does not want to wait.

import { AsyncLocalStorage } from "node:async_hooks";
import { auth } from "trigger-native";
import { KEY, tokenFor } from "../support/relay.mjs";
import { openServer } from "./server.mjs";

/** Waits short enough for a test, and as many attempts as by default. */
const RETRY = { minDelayMs: 10, maxDelayMs: 200 };
const CALL_RETRY = { minTimeoutInMs: 10, maxTimeoutInMs: 200 };

/** @param {import("./contract.mjs").Fault} fault */
export async function openWorld(fault) {
  const server = await openServer(fault.server);
  const front = await fault.front(server.url).catch(async (error) => {
    await server.stop();
    throw error;
  });
  const watch = { ...fault.watch, retry: { ...RETRY, ...fault.watch?.retry } };
  const requestOptions = { ...fault.requestOptions, retry: { ...CALL_RETRY, ...fault.requestOptions?.retry } };
  return worldOf({ url: front.url, server, front, watch, requestOptions }, fault);
}

/**
 * The world of an app that is at `place`, as its fault configures it.
 *
 * @param {Pick<import("./contract.mjs").World, "url" | "server" | "watch" | "requestOptions"> & object} place
 * @param {Partial<import("./contract.mjs").Fault>} [fault]
 */
export async function worldOf(place, fault = {}) {
  // One context for all the work of a cell: a function that makes tokens makes them for the place where it is configured.
  let context;
  const world = {
    ...place,
    key: KEY,
    refusals: [],
    secrets: {},
    as: async (work) => context(work),
    async configure(configuration) {
      const options = { baseURL: place.url, ...configuration };
      context = await auth.withAuth(options, async () => AsyncLocalStorage.snapshot());
    },
    pageToken(scopes, isRefused) {
      if (fault.pageToken) return fault.pageToken(world, scopes, isRefused);
      return isRefused ? undefined : tokenFor(scopes);
    },
  };
  await world.configure(fault.configure?.(world) ?? { accessToken: KEY });
  return world;
}

/** A front that is no front: for cells in which the server itself does what is wrong. */
export const nothing = async (url) => ({
  url,
  open: async () => ({ requests: 0, connections: 0 }),
  stop: async () => {},
});
