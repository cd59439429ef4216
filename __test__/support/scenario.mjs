/**
 * One way to drive either client and one shape for what came of it, so that two results can be
 * compared with nothing but `assert.deepEqual`.
 *
 * @typedef {object} Described the compared part of an error
 * @property {string} name
 * @property {string} className
 * @property {string} message
 * @property {number} [status]
 * @property {string} [code]
 * @property {string} [type]
 * @property {string} [param]
 *
 * @typedef {object} Followed
 * @property {unknown[]} items
 * @property {string[][]} keys of each item, those that can be enumerated, in order
 * @property {Described | null} error what the iterator rejected with
 * @property {boolean} ended the iterator said it was done
 * @property {boolean} hung a `next()` was still pending when the scenario was stopped
 * @property {number} ms how long it took
 * @property {string[]} unhandled messages of unhandled rejections meanwhile
 *
 * @typedef {object} Spec
 * @property {unknown} target a run id or a handle
 * @property {Record<string, unknown>} [options] for `subscribeToRun`, without `signal`
 * @property {number} [take] stop after this many items, default all
 * @property {number} [abortAfter] abort the signal after this many items; 0 means before subscribing
 * @property {number} timeoutMs a failsafe: a `next()` pending for so long counts as hung
 */

const STOPPED = Symbol("stopped");

/** @returns {Described} */
export function describe(error) {
  const described = {
    name: error?.name,
    className: error?.constructor?.name,
    message: String(error?.message ?? error),
  };
  for (const field of ["status", "code", "type", "param"]) {
    if (error?.[field] !== undefined) described[field] = error[field];
  }
  return described;
}

/**
 * Makes a value fit for the structured clone that brings it out of a child process. The clone knows
 * no URL objects and forgets the names of errors: both become tagged, as in our own results, so that
 * nothing is compared that was lost on the way. Stacks are left out: they differ by place.
 */
export function portable(value) {
  if (value instanceof URL) return { $url: value.href };
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return {
      $error: { className: value.constructor.name, name, message, cause: portable(cause), ...portable({ ...value }) },
    };
  }
  if (Array.isArray(value)) return value.map(portable);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [portable(key), portable(entry)]));
  if (value instanceof Set) return new Set([...value].map(portable));
  if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, portable(entry)]));
  }
  return value;
}

/** A run as it is compared; `isFinished` need not be enumerable to be there (defect 21). */
function itemOf(run) {
  const item = portable(run);
  if ("isFinished" in run) item.isFinished = run.isFinished;
  return item;
}

/**
 * Subscribes to what `target` names: `{ tags, filters }`, `{ batch }`, or a run.
 *
 * @param {any} runs the `runs` of either client
 */
export function subscribeTo(runs, target, options) {
  if (target?.tags !== undefined) return runs.subscribeToRunsWithTag(target.tags, target.filters, options);
  if (target?.batch !== undefined) return runs.subscribeToBatch(target.batch, options);
  return runs.subscribeToRun(target, options);
}

/**
 * Follows a subscription to its end, an error, or until it is stopped.
 *
 * @param {(target: unknown, options: object) => AsyncIterable<unknown>} subscribe
 * @param {Spec} spec
 * @param {object} [hooks]
 * @param {(count: number) => void} [hooks.onItem] called with the number of items so far
 * @param {Promise<void>} [hooks.stop] a `next()` still pending when it resolves counts as hung
 * @returns {Promise<Followed>}
 */
export async function follow(subscribe, spec, hooks = {}) {
  const { take = Infinity, abortAfter, timeoutMs } = spec;
  const result = { items: [], keys: [], error: null, ended: false, hung: false, ms: 0, unhandled: [] };
  const started = Date.now();
  const controller = new AbortController();
  if (abortAfter === 0) controller.abort();
  let timer;
  const stop = Promise.race([
    hooks.stop ?? new Promise(() => {}),
    new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    }),
  ]).then(() => STOPPED);
  try {
    const iterator = subscribe(spec.target, { ...spec.options, signal: controller.signal })[Symbol.asyncIterator]();
    while (result.items.length < take) {
      const step = await Promise.race([iterator.next(), stop]);
      if (step === STOPPED) {
        result.hung = true;
        break;
      }
      if (step.done) {
        result.ended = true;
        break;
      }
      result.items.push(itemOf(step.value));
      timer.refresh();
      result.keys.push(Object.keys(step.value));
      hooks.onItem?.(result.items.length);
      if (result.items.length === abortAfter) controller.abort();
    }
  } catch (error) {
    result.error = describe(error);
  }
  clearTimeout(timer);
  // Frees the connections; a hung iterator cannot be returned from, only aborted.
  controller.abort();
  result.ms = Date.now() - started;
  return result;
}
