// The output of the bench: the tables in docs/performance.md, the charts, and the targets of every case. The targets
// are kept so that the list of missed ones stays complete when one case alone is measured again.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const PAGE = "docs/performance.md";
const CHARTS = "docs/charts";
// The package has no pictures, so its pages link to those in the repository.
const CHARTS_URL = "https://github.com/trigger-native/trigger-native/raw/main/docs/charts";
const TARGETS = "bench/targets.json";

/** `page` with `text` between the markers of the section `name`. Pure. */
export function between(page, name, text) {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no section ${name}`);
  return `${page.slice(0, from)}${open}\n${text}\n${page.slice(to)}`;
}

/**
 * Writes the results of one case.
 *
 * @param {string} root
 * @param {string} name
 * @param {{ text: string, charts: Record<string, string>, checks: object[] }} result
 * @param {(checks: any[]) => string} missed
 */
export function write(root, name, { text, charts, checks }, missed) {
  const at = (/** @type {string} */ file) => path.join(root, file);
  mkdirSync(at(CHARTS), { recursive: true });
  const shown = [text];
  for (const [chart, { title, svg }] of Object.entries(charts)) {
    writeFileSync(at(`${CHARTS}/${chart}.svg`), svg);
    shown.push(`![${title}](${CHARTS_URL}/${chart}.svg)`);
  }
  const targets = readJson(at(TARGETS));
  targets[name] = checks;
  writeFileSync(at(TARGETS), `${JSON.stringify(targets, null, 2)}\n`);
  let page = between(readFileSync(at(PAGE), "utf8"), name, shown.join("\n\n"));
  page = between(page, "missed", missed(Object.values(targets).flat()));
  writeFileSync(at(PAGE), page);
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return {};
    throw error;
  }
}
