"use strict";

/**
 * Keeps an emulator or a listener alive until it is stopped, and the process with it, whether or not the program keeps
 * its object: a native object stops what it runs when it is collected. Native code holds the promise of `ended()`, and
 * the promise this closure, which holds the object. All of it goes with its thread, and with modules that are reloaded.
 *
 * @param {{ ended(): Promise<unknown> }} started
 */
function aliveUntilStopped(started) {
  void started.ended().then(() => started);
}

module.exports = { aliveUntilStopped };
