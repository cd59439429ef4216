// A relay whose every answer the test writes, for the client of the live stream; and simulated time for it.

import { connect } from "trigger-native/client";
// What is loaded when it is needed is loaded here, since that takes time which is not simulated.
import "../../browser/iterate.mjs";
import "../../browser/reason.mjs";
import "../../browser/refusal.mjs";
import "../../browser/stored.mjs";
import "../../browser/token-tries.mjs";

/** Lets all go on that can without time passing. */
export async function settle() {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets so many milliseconds of simulated time pass, in steps. @param {import("node:test").TestContext} t @param {number} ms */
export async function pass(t, ms, step = 50) {
  for (let left = ms; left > 0; left -= step) {
    t.mock.timers.tick(Math.min(step, left));
    await settle();
  }
}

/** Simulated time. @param {import("node:test").TestContext} t */
export const simulate = (t) =>
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000_000_000 });

/**
 * A relay. `asks` has every request, `open()` those that are not over. Without an answer in `answers`, a request gets an empty
 * event stream; an answer is a Response, an Error, or a function of the request that gives one.
 */
export function clientRelay() {
  const asks = [];
  const answers = [];
  const encoder = new TextEncoder();

  /** The `fetch` of a tab, of which nothing is heard any more once it is closed. */
  const fetchOf =
    (tab = {}) =>
    async (url, init = {}) => {
      if (tab.isClosed) return new Promise(() => {});
      const ask = {
        url: `${url}`,
        init,
        tab,
        wants: init.body ? JSON.parse(init.body).wants : [],
        isOver: false,
        /** Sends text as it is. */
        send(text) {
          if (!ask.isOver) ask.controller.enqueue(typeof text === "string" ? encoder.encode(text) : text);
          return settle();
        },
        /** Tells events: `[name, ...data]`. */
        tell: (...events) =>
          ask.send(events.map(([name, ...data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("")),
        end() {
          if (!ask.isOver) ask.controller.close();
          ask.isOver = true;
          return settle();
        },
        cut() {
          if (!ask.isOver) ask.controller.error(new TypeError("terminated"));
          ask.isOver = true;
          return settle();
        },
        /** The id of the want for which `check` holds. */
        id: (check = () => true) => ask.wants.find(check)?.id,
      };
      asks.push(ask);
      const aborted = () => Object.assign(new Error("aborted"), { name: "AbortError" });
      if (init.signal?.aborted) throw aborted();
      let given = answers.shift();
      if (typeof given === "function") given = await given(ask);
      if (given instanceof Error) {
        ask.isOver = true;
        throw given;
      }
      if (given) {
        ask.isOver = true;
        return given;
      }
      const body = new ReadableStream({
        start: (controller) => {
          ask.controller = controller;
        },
        cancel: () => {
          ask.isOver = true;
        },
      });
      init.signal?.addEventListener("abort", () => {
        if (!ask.isOver) ask.controller.error(aborted());
        ask.isOver = true;
      });
      return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
    };
  return {
    asks,
    answers,
    fetchOf,
    fetch: fetchOf(),
    open: () => asks.filter(({ isOver }) => !isOver),
    last: () => asks.at(-1),
  };
}

/** The fields of a run. */
export const runFields = (id, more = {}) => ({
  id,
  status: "EXECUTING",
  taskIdentifier: "task",
  createdAt: 1_000,
  updatedAt: 2_000,
  isFinished: false,
  ...more,
});

/** A row of it. */
export const rowOf = (key, id, more = {}, at = `at-${key}`) => ({ key, at, run: runFields(id, more) });

/** A refusal. */
export const refusal = (status, body = { error: "no" }, headers = {}) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });

/** Where the tests mount their relay. */
export const url = "http://app.example/api/trigger";

/** A connection in simulated time, and its relay. @param {import("node:test").TestContext} t */
export function start(t, options = {}, page = {}) {
  simulate(t);
  const relay = clientRelay();
  const connection = connect({ url, ...options }, Object.assign(page, { fetch: relay.fetch }));
  t.after(() => connection.close());
  return { relay, connection };
}

/** Subscribes, and keeps the states. */
export function watch(followed) {
  const states = [];
  const stop = followed.subscribe((state) => states.push(state));
  return { states, stop, last: () => states.at(-1) };
}

/** Waits until what was followed is asked for. @param {import("node:test").TestContext} t */
export const opened = (t) => pass(t, 10, 5);
