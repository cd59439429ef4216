// Charts as SVG, readable on light and dark pages. Pure.

const WIDTH = 720;
const LEFT = 210;
const RIGHT = 110;
const BAR = 18;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .quiet { fill: #57606a; font-size: 12px; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .c0 { fill: #8c959f; } .c1 { fill: #0969da; } .c2 { fill: #bc4c00; } .c3 { fill: #1a7f37; }
  .l0 { stroke: #8c959f; } .l1 { stroke: #0969da; } .l2 { stroke: #bc4c00; } .l3 { stroke: #1a7f37; }
  .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .c0 { fill: #767e87; } .c1 { fill: #4493f8; } .c2 { fill: #f0883e; } .c3 { fill: #3fb950; }
    .l0 { stroke: #767e87; } .l1 { stroke: #4493f8; } .l2 { stroke: #f0883e; } .l3 { stroke: #3fb950; }
  }`;

const escaped = (/** @type {unknown} */ text) =>
  String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? "");

const write = (x, y, text, { anchor = "start", name = "" } = {}) =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${name && ` class="${name}"`}>${escaped(text)}</text>`;

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;

function page(title, height, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
${parts.join("\n")}
</svg>
`;
}

/** The same contestant has the same colour on every chart. */
function colour(/** @type {string} */ name, /** @type {number} */ index) {
  if (/bare/i.test(name)) return 0;
  if (/trigger-native|^ours/.test(name)) return 1;
  if (/SDK/.test(name)) return 2;
  return index === 0 ? 0 : 3;
}

/**
 * Groups of bars on a logarithmic scale, on which a hundredfold difference stays readable. The groups of a single
 * series are the contestants.
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.unit
 * @param {string[]} chart.series
 * @param {{ label: string, values: number[], texts?: string[] }[]} chart.groups one value, above 0, for each series
 */
export function bars({ title, unit, series, groups }) {
  const all = groups.flatMap((group) => group.values).filter((value) => value > 0);
  if (all.length === 0) throw new Error(`nothing to draw: ${title}`);
  const low = Math.floor(Math.log10(Math.min(...all)) - 0.001);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all))));
  const at = (/** @type {number} */ value) =>
    LEFT + ((Math.log10(value) - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const parts = [write(0, 16, title, { name: "title" }), ...legend(series, 38)];
  const top = series.length > 1 ? 54 : 30;
  let y = top + 8;
  const drawn = [];
  for (const { label, values, texts } of groups) {
    drawn.push(write(LEFT - 10, y + (values.length * BAR) / 2 + 4, label, { anchor: "end" }));
    values.forEach((value, index) => {
      if (!(value > 0)) return;
      const width = round(Math.max(1, at(value) - LEFT));
      drawn.push(
        `<rect class="c${colour(series.length > 1 ? series[index] : label, index)}" x="${LEFT}" y="${y + 2}" width="${width}" height="${BAR - 4}" rx="2"/>`,
      );
      drawn.push(write(LEFT + width + 6, y + BAR - 5, texts?.[index] ?? short(value), { name: "quiet" }));
      y += BAR;
    });
    y += 12;
  }
  for (let power = low; power <= high; power++) {
    const x = round(at(10 ** power));
    parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${y}"/>`);
    parts.push(write(x, y + 16, short(10 ** power), { anchor: "middle", name: "quiet" }));
  }
  parts.push(...drawn, write(WIDTH, y + 16, `${unit}, log scale`, { anchor: "end", name: "quiet" }));
  return page(title, y + 26, parts);
}

/**
 * Lines over a logarithmic x axis, or over time; from 0 on a linear y axis or on a logarithmic one.
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.x what the x axis counts
 * @param {string} chart.y what the y axis counts
 * @param {boolean} [chart.logarithmic] whether the y axis is logarithmic
 * @param {boolean} [chart.time] whether the x axis is linear, from 0, with many points that need no marks
 * @param {{ label: string, points: [number, number][] }[]} chart.series
 */
export function lines({ title, x: xLabel, y: yLabel, series, logarithmic = false, time = false }) {
  const [left, right, top, height] = [70, WIDTH - 30, 58, 220];
  const points = series.flatMap((each) => each.points);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const along = (/** @type {number} */ x) => (time ? x : Math.log10(x));
  const [x0, x1] = [time ? 0 : along(Math.min(...xs)), along(Math.max(...xs))];
  const scale = (/** @type {number} */ value) => (logarithmic ? Math.log10(value) : value);
  const y0 = logarithmic ? Math.floor(scale(Math.min(...ys))) : 0;
  const y1 = logarithmic ? Math.max(y0 + 1, Math.ceil(scale(Math.max(...ys)))) : ceiling(Math.max(...ys));
  const atX = (/** @type {number} */ x) => round(left + ((along(x) - x0) / (x1 - x0)) * (right - left));
  const atY = (/** @type {number} */ y) => round(top + height - ((scale(y) - y0) / (y1 - y0)) * height);
  const labels = series.map((each) => each.label);
  const parts = [write(0, 16, title, { name: "title" }), ...legend(labels, 38)];
  const marks = logarithmic
    ? Array.from({ length: y1 - y0 + 1 }, (_, index) => 10 ** (y0 + index))
    : Array.from({ length: 5 }, (_, index) => (y1 * index) / 4);
  for (const mark of marks) {
    parts.push(`<line class="grid" x1="${left}" x2="${right}" y1="${atY(mark)}" y2="${atY(mark)}"/>`);
    parts.push(write(left - 8, atY(mark) + 4, short(mark), { anchor: "end", name: "quiet" }));
  }
  for (const x of time ? [0, 1, 2, 3, 4].map((quarter) => (x1 * quarter) / 4) : new Set(xs)) {
    parts.push(write(atX(x), top + height + 18, short(x), { anchor: "middle", name: "quiet" }));
  }
  series.forEach((each, index) => {
    const path = each.points.map(([x, y]) => `${atX(x)},${atY(y)}`).join(" ");
    parts.push(`<polyline class="line l${colour(each.label, index)}" points="${path}"/>`);
    for (const [x, y] of time ? [] : each.points) {
      parts.push(`<circle class="c${colour(each.label, index)}" cx="${atX(x)}" cy="${atY(y)}" r="3.5"/>`);
    }
  });
  parts.push(
    write(right, top + height + 38, `${xLabel}${time ? "" : ", log scale"}; ${yLabel}`, {
      anchor: "end",
      name: "quiet",
    }),
  );
  return page(title, top + height + 48, parts);
}

function legend(names, y) {
  if (names.length < 2) return [];
  let x = 0;
  return names.flatMap((name, index) => {
    const parts = [
      `<rect class="c${colour(name, index)}" x="${x}" y="${y - 11}" width="12" height="12" rx="2"/>`,
      write(x + 18, y, name, { name: "quiet" }),
    ];
    x += 40 + name.length * 6.6;
    return parts;
  });
}

/** The next round number. @param {number} value */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

/** @param {number} value */
function short(value) {
  if (value >= 1) return Number(value.toPrecision(3)).toLocaleString("en");
  return String(Number(value.toPrecision(2)));
}
