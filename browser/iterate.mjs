/** Iterations over what is followed. Pages subscribe mostly: this module is loaded with the first iteration. */

/** @typedef {import("./followed.mjs").State} State */
/** @typedef {import("./followed.mjs").Subscriber} Subscriber */

/**
 * Iterates: over each part of a stream, and else over the newest states. It follows from its first value on.
 *
 * @param {() => State} getState
 * @param {(subscriber: Subscriber) => () => void} add
 * @param {unknown} isStream
 * @param {any} last the value before anything is known
 * @returns {AsyncGenerator<any, any, any>} `any`: what it gives depends on what is followed
 */
export function iterate(getState, add, isStream, last) {
  /** @type {any[]} */
  let queue = [];
  let isOver = false;
  let wake = () => {};

  /** @type {Subscriber} */
  const take = ({ value, state }, parts) => {
    if (isStream) for (const { chunk } of parts) queue.push(chunk);
    // What waits or connects says nothing yet, though its value may be an empty list, or of before: and its end says no more.
    else if (value !== last && value !== undefined && state === "live") {
      last = value;
      queue = [value];
    }
    wake();
  };

  async function* steps() {
    const now = getState();
    // What had ended before is given as it was.
    take(now.state === "ended" ? { ...now, state: "live" } : now, isStream ? now.value : []);
    const leave = add(take);
    try {
      while (!isOver) {
        const { error, state } = getState();
        if (queue.length > 0) {
          const batch = queue;
          queue = [];
          for (const one of batch) yield one;
        } else if (error) throw error;
        else if (state === "ended") return;
        else {
          await new Promise((/** @type {(value?: any) => void} */ resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      leave();
    }
  }

  const iterator = steps();
  for (const how of /** @type {const} */ (["return", "throw"])) {
    const finish = iterator[how];
    // A value that is waited for ends as well.
    iterator[how] = (/** @type {any} */ value) => {
      isOver = true;
      wake();
      return finish.call(iterator, value);
    };
  }
  return iterator;
}
