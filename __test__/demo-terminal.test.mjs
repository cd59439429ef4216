// What the demo draws where a terminal is watching, and what it must never draw.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describe as describeToken } from "../demo/claims.mjs";
import { table } from "../demo/compare.mjs";
import { Terminal } from "../demo/terminal.mjs";

/** A terminal that keeps its output. */
function screen({ isTTY = true, columns = 80, env = {} } = {}) {
  const written = [];
  const terminal = new Terminal({ write: (text) => written.push(text), isTTY, columns }, { TERM: "xterm", ...env });
  return { terminal, text: () => written.join("") };
}

/** The visible text of each line: a carriage return starts the line again. */
function visible(text) {
  return text.split("\n").map((line) => {
    let shown = "";
    for (const part of line.split("\r")) shown = part + shown.slice(part.length);
    return shown.trimEnd();
  });
}

describe("the demo's terminal", () => {
  it("moves one bar in place, and keeps it below the lines", () => {
    const { terminal, text } = screen({ env: { NO_COLOR: "1" } });
    terminal.progress(0, "starting");
    terminal.line("status", "EXECUTING");
    terminal.progress(50, "half");
    terminal.settle();
    terminal.line("end", "done");
    const lines = visible(text());
    assert.equal(lines[0], "status     EXECUTING");
    assert.match(lines[1], /^progress {3}█{15}░{15} {2}50 % half$/);
    assert.deepEqual(lines.slice(2), ["end        done", ""]);
  });

  it("never writes more than fits on a line", () => {
    const { terminal, text } = screen({ columns: 40 });
    terminal.progress(100, "x".repeat(200));
    assert.ok(text().length < 40);
  });

  it("colours where there is colour, and nowhere else", () => {
    const coloured = screen();
    coloured.terminal.line("status", "FAILED", "red");
    assert.ok(coloured.text().includes("\u001b[31mFAILED\u001b[0m"));
    for (const where of [{ env: { NO_COLOR: "1" } }, { isTTY: false }, { env: { TERM: "dumb" } }]) {
      const { terminal, text } = screen(where);
      terminal.line("status", "FAILED", "red");
      terminal.progress(10, "");
      assert.ok(!text().includes("\u001b"), JSON.stringify(where));
    }
  });

  it("lets no text of a server move the cursor or change the colour", () => {
    const { terminal, text } = screen({ env: { NO_COLOR: "1" } });
    terminal.line("output", "a\u001b[2Jb\u009bc\rd\ne");
    terminal.progress(1, "\u001b]0;title\u0007");
    for (const code of ["\u001b", "\u009b", "\u0007"]) assert.ok(!text().includes(code));
    assert.equal(visible(text())[0], "output     a[2Jbcd");
  });

  it("shows neither a hidden text nor the signature of a token", () => {
    const { terminal, text } = screen({ isTTY: false });
    terminal.hide("tr_dev_hidden");
    terminal.line("error", "tr_dev_hidden was refused with eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOnRydWV9.c2lnbmF0dXJl");
    assert.equal(
      text(),
      "error      (secret) was refused with eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOnRydWV9.(signature not shown)\n",
    );
  });
});

describe("the demo's figures", () => {
  it("claims are told one a line, times readable", () => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "HS256" })}.${part({ scopes: ["read:runs:run_1"], exp: 1_800_000_000 })}.c2ln`;
    assert.equal(
      describeToken(token),
      'alg: "HS256"\nscopes: ["read:runs:run_1"]\nexp: 1800000000  (2027-01-15T08:00:00Z)',
    );
  });

  it("requests are counted by route, also those that only one side made", () => {
    assert.deepEqual(
      table({ "GET /a": 2 }, { "GET /a": 3, "POST /b": 1 })
        .split("\n")
        .map((line) => line.trim().split(/ {2,}/)),
      [
        ["ours", "official"],
        ["GET /a", "2", "3"],
        ["POST /b", "0", "1"],
        ["in all", "2", "4"],
      ],
    );
  });
});
