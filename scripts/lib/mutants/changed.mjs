// Which lines of which files a change touched. Pure.

/**
 * The lines as they are now, by file. A line that was taken out touches none.
 *
 * @param {string} diff of `git diff --unified=0 --no-prefix`
 * @returns {Map<string, Set<number>>}
 */
export function changedLines(diff) {
  /** @type {Map<string, Set<number>>} */
  const files = new Map();
  /** @type {Set<number>} */
  let lines = new Set();
  for (const line of diff.split("\n")) {
    const file = /^\+\+\+ (.+)$/.exec(line)?.[1];
    if (file !== undefined) {
      lines = new Set();
      files.set(file, lines);
      continue;
    }
    const hunk = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (!hunk) continue;
    const first = Number(hunk[1]);
    for (let at = 0; at < Number(hunk[2] ?? 1); at += 1) lines.add(first + at);
  }
  return files;
}
