// Reading what valgrind's memcheck wrote. Pure.

/** What Node itself allocates for a value that holds something of an addon's: given back with the value, and not at the exit. */
const OF_NODE = /definitely lost[^\n]*\n[^\n]*operator new[^\n]*\n[^\n]*: napi_create_(external|reference) /;

/**
 * The reports in a log whose stack has a frame of `library`, and how many others there are: those of Node's own.
 *
 * @param {string} log
 * @param {string} library
 * @returns {{ mine: string[], others: number }}
 */
export function ours(log, library) {
  const lines = log.split("\n").map((line) => line.replace(/^==\d+== ?/, ""));
  const reports = lines
    .join("\n")
    .split(/\n\s*\n/)
    .filter((report) => /^\s+(at|by) 0x/m.test(report));
  const mine = reports.filter((report) => report.includes(library) && !OF_NODE.test(report));
  return { mine, others: reports.length - mine.length };
}
