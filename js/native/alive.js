"use strict";

/**
 * Has what was started live until it is stopped, and the process with it, whether or not the program keeps what it was
 * given. Native code holds the promise, the promise what waits for it, and that the native object, whose end would be
 * that of what it runs. Nothing of it outlives its thread, nor the modules' being thrown away.
 *
 * @param {{ ended(): Promise<unknown> }} started
 */
function aliveUntilStopped(started) {
  void started.ended().then(() => started);
}

module.exports = { aliveUntilStopped };
