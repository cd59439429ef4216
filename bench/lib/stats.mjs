// Figures from samples. Pure.

/** @param {number[]} numbers */
export function median(numbers) {
  if (numbers.length === 0) throw new Error("no samples");
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that a share of all do not exceed: nearest rank. @param {number[]} numbers @param {number} share in (0, 1] */
export function percentile(numbers, share) {
  if (numbers.length === 0) throw new Error("no samples");
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length))) - 1];
}

/** Median, lowest and highest. @param {number[]} numbers */
export function spread(numbers) {
  return { median: median(numbers), lowest: Math.min(...numbers), highest: Math.max(...numbers) };
}

/** The spread of one field of the samples. @param {Record<string, number>[]} samples @param {string} field */
export function figure(samples, field) {
  return spread(
    samples.map((sample) => {
      if (!Number.isFinite(sample[field])) throw new Error(`a sample has no ${field}: ${JSON.stringify(sample)}`);
      return sample[field];
    }),
  );
}

/**
 * The straight line through points by least squares.
 *
 * @param {[number, number][]} points
 * @returns {{ slope: number, intercept: number }}
 */
export function fit(points) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (under === 0) throw new Error("a line needs two places");
  const slope = over / under;
  return { slope, intercept: meanY - slope * meanX };
}

/** The exponent of growth: the slope on logarithmic axes. 0 is flat, 1 is linear. @param {[number, number][]} points */
export function exponent(points) {
  return fit(points.map(([x, y]) => [Math.log(x), Math.log(y)])).slope;
}
