// A target in a process of its own, which its parent can stop, and tell other addresses and another time.

import { targets } from "../targets.mjs";
import { worldOf } from "../world.mjs";

const answers = new Map();
let asked = 0;

/** Has the parent do something to the server. */
function ask(what, args) {
  const id = ++asked;
  process.send({ id, what, args });
  return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
}

/** As `ask`, without waiting: the parent keeps the order, and does it when it should. */
const post = async (what, args) => {
  ask(what, args).catch((error) => process.send({ failed: error.message }));
};

const said = (error) => ({ code: error?.code, message: error?.message ?? String(error), stack: error?.stack });

const server = {
  call: (...args) => ask("call", args),
  makeRun: (...args) => ask("makeRun", args),
  change: (...args) => post("change", args),
  write: (...args) => post("write", args),
};

let reading;

const STEPS = {
  async start({ target, url, watch, requestOptions }) {
    const found = targets.find(({ name }) => name === target);
    reading = await found.start(await worldOf({ url, server, watch, requestOptions }));
    for (const step of ["begun", "done"]) {
      reading[step].then(
        () => process.send({ step }),
        (error) => process.send({ step, error: said(error) }),
      );
    }
  },
  change: () => reading.change(),
  finish: () => reading.finish(),
  check: () => reading.check(),
  close: () => reading.close(),
  leave: () => process.disconnect(),
};

process.on("message", async ({ id, value, error, step, given }) => {
  if (id !== undefined) {
    const { resolve, reject } = answers.get(id);
    answers.delete(id);
    return error === undefined ? resolve(value) : reject(new Error(error));
  }
  try {
    await STEPS[step](given);
    if (process.connected) process.send({ step });
  } catch (reason) {
    process.send({ step, error: said(reason) });
  }
});
