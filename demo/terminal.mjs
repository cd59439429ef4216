// What the demo prints: plain lines anywhere, a moving bar and colours where a terminal shows them.

/** @typedef {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} Output */

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };
/** Columns of the bar, and of the word before each line. */
const BAR = 30;
const WORD = 10;

/** Control characters, which text from a server must not bring to a terminal. Line breaks and tabs may stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** A JSON Web Token, wherever it may turn up. */
const token = /\b(eyJ[\w-]+\.eyJ[\w-]+)\.[\w-]+/g;

export class Terminal {
  #out;
  #bar = "";
  /** @type {Set<string>} */
  #secrets = new Set();
  /** Whether a line can be written over. */
  live;
  /** Whether escape codes may be written. */
  colour;

  /**
   * @param {Output} out
   * @param {Readonly<Record<string, string | undefined>>} env `NO_COLOR` (any text) means no escape code at all.
   */
  constructor(out, env) {
    this.#out = out;
    this.live = out.isTTY === true && env.TERM !== "dumb";
    this.colour = this.live && !env.NO_COLOR;
  }

  /** Never prints this text. @param {string} secret */
  hide(secret) {
    if (secret) this.#secrets.add(secret);
  }

  /** Text as it may be shown. @param {string} text */
  clean(text) {
    let shown = text.replace(control, "").replace(token, "$1.(signature not shown)");
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, "(secret)");
    return shown;
  }

  /**
   * One line: a word that says what it is about, and the text.
   *
   * @param {string} label
   * @param {string} text May hold line breaks; the further lines are indented.
   * @param {keyof typeof codes} [colour] Of the text.
   */
  line(label, text, colour) {
    const lines = this.clean(text)
      .split("\n")
      .map((line) => this.#paint(colour, line));
    this.#write(`${this.#paint("bold", label.padEnd(WORD))} ${lines.join(`\n${" ".repeat(WORD + 1)}`)}`);
  }

  /**
   * Shows how far the run is. On a terminal the bar moves in place; elsewhere it is one more line.
   *
   * @param {number} percent 0 to 100.
   * @param {string} text
   */
  progress(percent, text) {
    const part = Math.min(Math.max(percent, 0), 100) / 100;
    if (!this.live) {
      this.#write(`${"progress".padEnd(WORD)} ${Math.round(part * 100)} % ${this.clean(text)}`.trimEnd());
      return;
    }
    const full = Math.round(part * BAR);
    const bar = `${"█".repeat(full)}${"░".repeat(BAR - full)} ${`${Math.round(part * 100)}`.padStart(3)} %`;
    const width = (this.#out.columns ?? 80) - 1;
    this.#erase();
    // Cut, not wrapped: a wrapped line cannot be written over.
    this.#bar = `${"progress".padEnd(WORD)} ${bar} ${this.clean(text).replace(/\s+/g, " ")}`.slice(0, width);
    this.#out.write(this.#bar);
  }

  /**
   * @param {keyof typeof codes | undefined} name
   * @param {string} text
   */
  #paint(name, text) {
    return this.colour && name ? `\u001b[${codes[name]}m${text}\u001b[0m` : text;
  }

  /** @param {string} text */
  #write(text) {
    const bar = this.#bar;
    this.#erase();
    this.#out.write(`${text}\n`);
    if (bar) this.#out.write(bar);
    this.#bar = bar;
  }

  /** Leaves the bar where it is, and goes on below it. */
  settle() {
    if (this.#bar) this.#out.write("\n");
    this.#bar = "";
  }

  /** Spaces over the bar, and no escape code: NO_COLOR terminals know a carriage return too. */
  #erase() {
    if (this.#bar) this.#out.write(`\r${" ".repeat(this.#bar.length)}\r`);
    this.#bar = "";
  }
}
