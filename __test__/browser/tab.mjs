// One page of the browser: what it shows, and what went wrong in it.

import assert from "node:assert/strict";

/** A failsafe only: what a test waits for comes as soon as the page shows it. */
const FAILSAFE_MS = 30_000;

/** A page that shows one hook. */
export class Tab {
  /** Warnings and errors of the console, and uncaught errors. */
  console = [];
  /** Requests that failed otherwise than by the page giving them up. */
  failures = [];
  /** Requests without an answer yet. */
  pending = new Set();
  #page;
  #context;
  #names;
  #received = [];
  #calls = [];
  #isNative = false;

  /** @param {boolean} [isNative] whether the page's hooks are ours */
  static async open(browser, pageURL, baseURL, asked, isNative = false) {
    const tab = new Tab();
    tab.#isNative = isNative;
    // Connections and caches of its own: a browser opens six connections to an origin, and polls hold them.
    tab.#context = await browser.newContext({ viewport: { width: 480, height: 640 } });
    tab.#page = await tab.#context.newPage();
    tab.#page.setDefaultTimeout(FAILSAFE_MS);
    tab.#names = new Names(baseURL);
    tab.#watch();
    if (isNative) await tab.#page.addInitScript(recordEvents);
    await tab.#page.goto(`${pageURL}/#${encodeURIComponent(JSON.stringify([asked]))}`);
    return tab;
  }

  #watch() {
    const page = this.#page;
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.console.push(message.text());
    });
    page.on("pageerror", (error) => this.console.push(`${error.name}: ${error.message}`));
    page.on("request", (request) => {
      this.pending.add(request);
      if (!FOLLOWS.test(request.url())) this.#calls.push(request);
    });
    page.on("requestfinished", (request) => this.pending.delete(request));
    page.on("response", (response) => {
      // A body that the page gave up is not one it could show.
      this.#received.push(response.text().catch(() => ""));
    });
    page.on("requestfailed", (request) => {
      this.pending.delete(request);
      const reason = request.failure()?.errorText;
      if (reason !== "net::ERR_ABORTED") this.failures.push(`${request.method()} ${request.url()}: ${reason}`);
    });
  }

  /** Presses the button of this name. */
  press(name) {
    return this.#page.getByRole("button", { name }).click();
  }

  /**
   * Waits until the page shows this.
   *
   * @param {(state: object) => unknown} condition runs in the page, on what the document shows now
   * @param {unknown} [given] its second argument
   */
  async shows(condition, given) {
    const source = `(state, given) => (${condition})(state, given)`;
    try {
      await this.#page.waitForFunction(
        ([text, value]) => {
          const state = window.states?.at(-1);
          // biome-ignore lint/security/noGlobalEval: the condition is a function of the test's
          return state !== undefined && eval(text)(state, value);
        },
        [source, given],
        { polling: 10 },
      );
    } catch (error) {
      const states = JSON.stringify(await this.states(), null, 1);
      const seen = [...this.console, ...this.failures].join("\n");
      throw new Error(`the page never showed ${condition}\n${states}\n${seen}`, { cause: error });
    }
  }

  /** Every state the document had, in order, with names for values that differ from run to run. */
  async states() {
    return this.#names.apply(await this.#page.evaluate(() => window.states));
  }

  /** What the document says to its reader, in the same names. */
  async text() {
    return this.#names.apply(await this.#page.locator("main").innerText());
  }

  /** All that the page was sent so far. Of streams that of ours alone: else it has to be read to the end. */
  async received() {
    if (this.#isNative) return this.#page.evaluate(() => window.events.join(""));
    return (await Promise.all(this.#received)).join("\n");
  }

  /**
   * Waits until the page has a poll open, as long as it follows something. With `orError` it gives false when the page
   * shows an error instead.
   */
  async follows(orError = false) {
    const until = Date.now() + FAILSAFE_MS;
    for (;;) {
      if (orError && (await this.states()).at(-1).error) return false;
      if ([...this.pending].some((request) => /live=true|\/relay\/v1\/live$/.test(request.url()))) return true;
      assert.ok(Date.now() < until, "the page asks for no more news");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits until the page has no request open: it follows nothing any more. */
  async rests() {
    const until = Date.now() + FAILSAFE_MS;
    while (this.pending.size > 0) {
      assert.ok(Date.now() < until, "the page still asks for news");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The calls of the page, each once and in the same names, with the headers that a page chooses. */
  async calls() {
    const calls = [];
    for (const request of this.#calls) {
      if (!request.url().startsWith(this.#names.baseURL)) continue;
      const headers = Object.entries(await request.allHeaders()).filter(([name]) => CHOSEN.test(name));
      const shown = headers.map(([name, value]) => `${name}: ${DIFFERS.test(name) ? value.length : value}`).sort();
      const path = request.url().slice(this.#names.baseURL.length);
      calls.push(JSON.stringify([request.method(), path, request.postData(), shown]));
    }
    return this.#names.apply([...new Set(calls)]);
  }

  close() {
    return this.#context.close();
  }
}

/** Requests that follow something: what ours has one of. */
const FOLLOWS = /\/realtime\/v1\/(runs|batches)|\/realtime\/v1\/streams\/[^/]+\/(?!input\/)|\/relay\/v1\/live$/;
/** Headers that hooks set, and those of them whose value is another each time. */
const CHOSEN = /^(authorization|content-type|trigger-version|x-trigger-.*)$/;
const DIFFERS = /^(authorization|x-trigger-request-idempotency-key)$/;

/** Keeps what each response of the page brings, as it comes: a live stream has no end. Runs in the page. */
function recordEvents() {
  const { fetch } = window;
  window.events = [];
  window.fetch = async (...request) => {
    const response = await fetch(...request);
    const reader = response.clone().body?.getReader();
    const read = async () => {
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        window.events.push(decoder.decode(value, { stream: true }));
      }
    };
    if (reader) read().catch(() => {});
    return response;
  };
}

const IDS = /\b(run|batch|waitpoint)_c?[0-9a-z]{20,}\b/g;

/** Names in the place of ids, in the order they are seen in, and of what else differs from run to run. */
class Names {
  #known = new Map();
  #counts = new Map();

  constructor(baseURL) {
    this.baseURL = baseURL;
  }

  /** @template T @param {T} value any JSON @returns {T} */
  apply(value) {
    const text = JSON.stringify(value)
      .replaceAll(this.baseURL, "<api>")
      .replaceAll(IDS, (id, kind) => this.#name(id, kind))
      .replaceAll(/\b[a-z]+-[0-9a-f]{8}-[0-9a-f-]{27}/g, "<tag>")
      .replaceAll(/\bhandle=[^&: ]+/g, "handle=<handle>")
      .replaceAll(/\b(cursor|offset)=[0-9][0-9_]*/g, "$1=<place>");
    return JSON.parse(text);
  }

  #name(id, kind) {
    if (!this.#known.has(id)) {
      const count = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, count);
      this.#known.set(id, `<${kind} ${count}>`);
    }
    return this.#known.get(id);
  }
}

/** The names that {@link Tab.states} uses, for what was recorded elsewhere. */
export function named(value, baseURL) {
  return new Names(baseURL).apply(value);
}
