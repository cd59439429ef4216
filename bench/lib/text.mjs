// Figures and tables as Markdown. Pure.

/** A number with as many digits as mean something. @param {number} value */
export function number(value) {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

/** Median, and the spread behind it. @param {{ median: number, lowest: number, highest: number }} figure */
export function withSpread(figure) {
  if (figure.lowest === figure.highest) return number(figure.median);
  return `${number(figure.median)} (${number(figure.lowest)} to ${number(figure.highest)})`;
}

/** How many times: `23.4 ×`. @param {number} ratio */
export function times(ratio) {
  return `${ratio >= 100 ? Math.round(ratio).toLocaleString("en") : ratio.toFixed(ratio >= 10 ? 1 : 2)} ×`;
}

/** @param {string[]} heads @param {string[][]} rows */
export function table(heads, rows) {
  for (const row of rows)
    if (row.length !== heads.length) throw new Error(`a row has not ${heads.length} cells: ${row}`);
  return [
    `| ${heads.join(" | ")} |`,
    `|${heads.map((_, index) => (index === 0 ? " --- " : " ---: ")).join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");
}

/**
 * One target with its result.
 *
 * @param {string} what names it in the list of missed targets
 * @param {number} value
 * @param {{ least?: number, most?: number, unit: string }} bound `unit` is `×`, `KB`, …
 */
export function check(what, value, { least, most, unit }) {
  const met = (least === undefined || value >= least) && (most === undefined || value <= most);
  const target =
    least === undefined ? `≤ ${most?.toLocaleString("en")} ${unit}` : `≥ ${least.toLocaleString("en")} ${unit}`;
  const text = unit === "×" ? times(value) : `${number(value)} ${unit}`;
  return { what, target, text, met };
}

/** A target's cell of a table. @param {{ target: string, met: boolean }} checked */
export function verdict({ target, met }) {
  return `${target} ${met ? "✓" : "✗"}`;
}

/** The missed targets, or that all were met. @param {{ what: string, target: string, text: string, met: boolean }[]} checks */
export function missed(checks) {
  const rows = checks.filter((each) => !each.met).map((each) => [each.what, each.target, each.text]);
  return rows.length === 0 ? "None." : table(["what", "target", "measured"], rows);
}
