// Counted instructions held against a baseline. Pure.

/**
 * @typedef {object} Baseline
 * @property {number} tolerancePercent how far a count may be off, up or down
 * @property {string} compiler
 * @property {string} machine
 * @property {Record<string, number>} instructions of one iteration, by work
 */

/**
 * @param {Baseline} baseline
 * @param {Record<string, number>} counted
 * @returns {{ lines: string[], failures: string[] }} A line for each piece of work, and what is wrong.
 */
export function compare({ tolerancePercent, instructions }, counted) {
  const lines = [];
  const failures = [];
  for (const [work, count] of Object.entries(counted)) {
    const known = instructions[work];
    if (known === undefined) {
      failures.push(`${work} is not in the baseline`);
      continue;
    }
    const percent = (100 * (count - known)) / known;
    const change = `${percent >= 0 ? "+" : ""}${percent.toFixed(2)} %`;
    lines.push(`${work.padEnd(8)} ${count.toLocaleString("en").padStart(12)} instructions, ${change}`);
    if (percent > tolerancePercent) failures.push(`${work} costs ${change} more than ${tolerancePercent} % allow`);
    // A gain that is not taken over would hide the next loss.
    if (percent < -tolerancePercent) failures.push(`${work} became cheaper by ${change}: take it as the new baseline`);
  }
  for (const work of Object.keys(instructions)) {
    if (!(work in counted)) failures.push(`${work} is in the baseline and was not counted`);
  }
  return { lines, failures };
}
