// The emulator's page in a browser: what somebody does with it, and what went wrong in it.

import assert from "node:assert/strict";

/** A failsafe only: what a test waits for comes as soon as the page shows it. */
const FAILSAFE_MS = 30_000;

/** What can be operated, by its role: each must have a name. */
const CONTROLS = new Set(["button", "link", "textbox", "searchbox", "combobox", "progressbar", "log", "dialog"]);

/** The page of an emulator. */
export class EmulatorTab {
  /** Warnings and errors of the console, and uncaught errors. */
  console = [];
  /** Requests that failed otherwise than by the page giving them up, and answers that are refusals. */
  failures = [];
  /** The path of every request. */
  paths = [];

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {string} url
   * @param {{ width?: number, height?: number, scheme?: "light" | "dark" }} [look]
   */
  static async open(browser, url, { width = 1100, height = 800, scheme = "light" } = {}) {
    const tab = new EmulatorTab();
    tab.context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    tab.page = await tab.context.newPage();
    tab.page.setDefaultTimeout(FAILSAFE_MS);
    tab.#watch();
    await tab.page.goto(url);
    await tab.page.getByText("Live", { exact: true }).waitFor();
    return tab;
  }

  #watch() {
    this.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.console.push(message.text());
    });
    this.page.on("pageerror", (error) => this.console.push(`${error.name}: ${error.message}`));
    this.page.on("request", (request) => this.paths.push(new URL(request.url()).pathname));
    this.page.on("response", (response) => {
      if (response.status() >= 400) this.failures.push(`${response.url()}: ${response.status()}`);
    });
    this.page.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText;
      if (reason !== "net::ERR_ABORTED") this.failures.push(`${request.method()} ${request.url()}: ${reason}`);
    });
  }

  /** Presses keys, one after the other. */
  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Triggers a task by the keyboard alone; the id of its run, which is open then. */
  async trigger(task, payload) {
    const before = await this.openId();
    await this.press("t");
    await this.page.getByRole("dialog", { name: "Trigger a task" }).waitFor();
    await this.page.keyboard.type(task);
    if (payload !== undefined) await this.page.getByLabel("Payload (JSON)").fill(JSON.stringify(payload));
    await this.page.getByLabel("Payload (JSON)").press("Control+Enter");
    await this.page.waitForFunction((id) => location.hash.length > 1 && location.hash.slice(1) !== id, before);
    await this.page.getByRole("heading", { level: 2, name: task, exact: true }).waitFor();
    return this.openId();
  }

  /** Closes the dialog that is open. */
  async dismiss() {
    await this.press("Escape");
    // By the element: one that is closed has no role any more, but may still be there.
    await this.page.locator("dialog").waitFor({ state: "detached" });
  }

  /** The id of the run that is open, or an empty text. */
  openId() {
    return this.page.evaluate(() => location.hash.slice(1));
  }

  /** Waits until the open run is in this state, in the page's words. */
  status(words) {
    return this.page.getByRole("status", { name: `Status: ${words}`, exact: true }).waitFor();
  }

  /** Waits for a part of the open run that has a heading and shows this text. */
  section(heading, text) {
    return this.page
      .locator("section", { has: this.page.getByRole("heading", { name: heading, exact: true }) })
      .filter({ hasText: text })
      .waitFor();
  }

  /** Waits until a POST to an address like this was answered with success. */
  answered(address) {
    return this.page.waitForResponse(
      (response) => response.request().method() === "POST" && address.test(response.url()) && response.ok(),
    );
  }

  /** Waits until the progress bar of the open run is at this percentage. */
  progress(percent) {
    return this.page.locator(`main progress[value="${percent}"]`).waitFor();
  }

  /** What is in the clipboard, once the page has put something else there than `but`. */
  async clipboard(but = "") {
    await this.page.waitForFunction(async (old) => (await navigator.clipboard.readText()) !== old, but);
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /** How much wider the document is than the window, in pixels. */
  overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  }

  /** Controls without a name, ids that are there twice, pictures without a text: what is wrong for assistive software. */
  async flaws() {
    const session = await this.context.newCDPSession(this.page);
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    const nameless = nodes
      .filter(({ ignored, role, name }) => !ignored && CONTROLS.has(role?.value) && !name?.value?.trim())
      .map(({ role, nodeId }) => `a ${role.value} without a name (${nodeId})`);
    const others = await this.page.evaluate(() => {
      const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
      return [
        ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `two elements with the id ${id}`),
        ...[...document.querySelectorAll("img:not([alt])")].map(({ src }) => `no text for ${src}`),
        ...(document.documentElement.lang && document.title ? [] : ["no language or no title"]),
        ...(document.querySelectorAll("h1").length === 1 && document.querySelector("main") ? [] : ["no h1 or no main"]),
      ];
    });
    return [...nameless, ...others];
  }

  /** Text that stands out too little from what is behind it (WCAG 2.2, 1.4.3). */
  faint() {
    return this.page.evaluate(faintTexts);
  }

  /** Goes through the page by the Tab key; the places where nobody sees that the focus is there. */
  async unseen() {
    const unseen = [];
    const seen = new Set();
    for (let step = 0; step < 200; step++) {
      await this.press("Tab");
      const at = await this.page.evaluate(() => {
        const { activeElement: element } = document;
        if (!element || element === document.body) return undefined;
        const style = getComputedStyle(element);
        const drawn = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0;
        const { tagName, textContent } = element;
        // biome-ignore lint/suspicious/noAssignInExpressions: a number for each element, kept on it
        const number = (element.number ??= window.numbers = (window.numbers ?? 0) + 1);
        return { number, name: `${tagName} ${textContent.slice(0, 30)}`, visible: drawn || style.boxShadow !== "none" };
      });
      if (at === undefined || seen.has(at.number)) break;
      seen.add(at.number);
      if (!at.visible) unseen.push(at.name);
    }
    assert.ok(seen.size > 5, `the Tab key reached ${seen.size} places`);
    return unseen;
  }

  /** Asserts that nothing went wrong. */
  isClean() {
    assert.deepEqual([this.console, this.failures], [[], []]);
  }

  close() {
    return this.context.close();
  }
}

/** Runs in the page. */
function faintTexts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  /** Any CSS colour over another, as red, green and blue. */
  const over = (below, color) => {
    canvas.fillStyle = `rgb(${below.join(" ")})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    return layers.reduce(over, [255, 255, 255]);
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (text.length === 0 || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest(":disabled, option, datalist")) continue;
    const back = behind(element);
    const front = over(back, getComputedStyle(element).color);
    const [light, dark] = [luminance(back), luminance(front)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faint.push(`${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
