// Breaks a connection off, as a process that dies does.

/**
 * Node's `resetAndDestroy()` of a socket that is about to end fails with EINVAL, closes nothing, and leaves a handle for
 * which the process waits for ever, busily, where it should end.
 *
 * @param {import("node:net").Socket} socket
 */
export function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
