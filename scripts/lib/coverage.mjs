// Lines that tests run, folder by folder. Pure.

import path from "node:path";

/** @typedef {{ covered: number, total: number }} Lines */

/**
 * The figure of each folder: `src/relay`, `js/calls`; of files beside the folders, `src`, `js` and `.`.
 *
 * @param {Iterable<[file: string, lines: Lines]>} files by their paths from the project's root
 * @returns {Map<string, Lines>}
 */
export function byFolder(files) {
  /** @type {Map<string, Lines>} */
  const folders = new Map();
  for (const [file, { covered, total }] of files) {
    const parts = path.posix.dirname(file).split("/");
    const name = parts.slice(0, 2).join("/");
    const sum = folders.get(name) ?? { covered: 0, total: 0 };
    folders.set(name, { covered: sum.covered + covered, total: sum.total + total });
  }
  return new Map([...folders].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** @param {ReadonlyMap<string, Lines>} folders @returns {string} a table, with all of them last */
export function table(folders) {
  const all = { covered: 0, total: 0 };
  for (const { covered, total } of folders.values()) {
    all.covered += covered;
    all.total += total;
  }
  const rows = [...folders, /** @type {const} */ (["all", all])].map(
    ([name, { covered, total }]) =>
      `| ${name} | ${covered} | ${total} | ${total === 0 ? "" : ((100 * covered) / total).toFixed(1)} |`,
  );
  return ["| folder | lines run | lines | % |", "|---|---|---|---|", ...rows].join("\n");
}

/**
 * What cargo-llvm-cov reports. Files of tests are left out: they run themselves.
 *
 * @param {{ data: { files: { filename: string, summary: { lines: { count: number, covered: number } } }[] }[] }} report
 * @param {string} root
 * @returns {[string, Lines][]}
 */
export function ofRust(report, root) {
  return report.data
    .flatMap(({ files }) => files)
    .map(({ filename, summary: { lines } }) => /** @type {const} */ ([relative(filename, root), lines]))
    .filter(([file]) => file.startsWith("src/") && !/(^|[/_])(tests|truth)(\/|\.rs$|_)/.test(file))
    .map(([file, { count, covered }]) => [file, { covered, total: count }]);
}

/**
 * What c8 reports.
 *
 * @param {Record<string, { lines: Lines }>} report `coverage-summary.json`
 * @param {string} root
 * @returns {[string, Lines][]}
 */
export function ofJavaScript({ total: _, ...report }, root) {
  return Object.entries(report).map(([file, { lines }]) => [relative(file, root), lines]);
}

const relative = (/** @type {string} */ file, /** @type {string} */ root) =>
  path.relative(root, file).split(path.sep).join("/");
