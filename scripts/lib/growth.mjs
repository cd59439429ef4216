// How counted work grows with its list. Pure.

/** The lengths of the lists. */
export const LENGTHS = [1_000, 10_000, 80_000];

/** The largest exponent between two lengths: 1 is as the list, 2 as its square. The rest is the logarithm of trees. */
export const MAX_EXPONENT = 1.15;

/**
 * @param {Record<string, number[]>} counted by work, for each of the lengths
 * @returns {{ lines: string[], failures: string[] }} a table, and what grows too fast
 */
export function growth(counted) {
  const cell = (/** @type {string} */ text) => text.padStart(16);
  const lines = [
    ["work".padEnd(12), ...LENGTHS.map((length) => cell(length.toLocaleString("en"))), cell("exponents")].join(""),
  ];
  const failures = [];
  for (const [work, counts] of Object.entries(counted)) {
    if (counts.length !== LENGTHS.length || counts.some((count) => !(count > 0))) {
      failures.push(`${work} was not counted at each length`);
      continue;
    }
    const exponents = counts
      .slice(1)
      .map((count, at) => Math.log(count / counts[at]) / Math.log(LENGTHS[at + 1] / LENGTHS[at]));
    const shown = exponents.map((exponent) => exponent.toFixed(2)).join(", ");
    lines.push([work.padEnd(12), ...counts.map((count) => cell(count.toLocaleString("en"))), cell(shown)].join(""));
    if (exponents.some((exponent) => exponent > MAX_EXPONENT)) {
      failures.push(`${work} grows faster than its list: exponents ${shown}, at most ${MAX_EXPONENT}`);
    }
  }
  return { lines, failures };
}
