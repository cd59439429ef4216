// The trend of samples over time, robust against single ones (Theil 1950, Sen 1968). Pure.

import { median } from "./stats.mjs";

/**
 * The median of the slopes between all pairs of points, and the bounds between which the slope lies with 95 % confidence.
 *
 * @param {[number, number][]} points
 * @returns {{ slope: number, lowest: number, highest: number }}
 */
export function trend(points) {
  const slopes = [];
  for (const [index, [x, y]] of points.entries()) {
    for (const [laterX, laterY] of points.slice(index + 1)) if (laterX !== x) slopes.push((laterY - y) / (laterX - x));
  }
  if (slopes.length === 0) throw new Error("a trend needs two times");
  slopes.sort((a, b) => a - b);
  const n = points.length;
  // By the normal approximation of Kendall's statistic.
  const spread = 1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (/** @type {number} */ rank) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))];
  return {
    slope: median(slopes),
    lowest: at((slopes.length - spread) / 2),
    highest: at((slopes.length + spread) / 2),
  };
}
