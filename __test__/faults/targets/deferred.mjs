/**
 * Runs the reader of a target: `done` is how it ends, `begun` is resolved when the reader says so, and rejected where it
 * fails before.
 *
 * @param {(begin: () => void) => Promise<unknown>} read
 */
export function reader(read) {
  const [begun, done] = [deferred(), deferred()];
  read(begun.resolve).then(done.resolve, (error) => {
    begun.reject(error);
    done.reject(error);
  });
  return { begun: begun.promise, done: done.promise };
}

/** A promise, and what settles it. */
export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
