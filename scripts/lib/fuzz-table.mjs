// What a run of libFuzzer says of itself, as a row of a table.

/**
 * @typedef {object} Outcome
 * @property {string} target
 * @property {number} executions
 * @property {number} perSecond
 * @property {number | undefined} coverage edges of the core's code that were reached
 * @property {string | undefined} failure what failed, and the input that is kept
 */

/**
 * @param {string} target @param {string} said what libFuzzer wrote @param {number} code its exit code
 * @param {readonly string[]} found the inputs that it kept
 * @returns {Outcome}
 */
export function summary(target, said, code, found) {
  const last = (/** @type {RegExp} */ pattern) => [...said.matchAll(pattern)].at(-1)?.[1];
  const executions = Number(last(/stat::number_of_executed_units:\s*(\d+)/g) ?? last(/^#(\d+)\s/gm) ?? 0);
  const perSecond = Number(last(/stat::average_exec_per_sec:\s*(\d+)/g) ?? last(/exec\/s:\s*(\d+)/g) ?? 0);
  const reached = last(/ cov: (\d+)/g);
  const why = last(/(?:panicked at |ERROR: libFuzzer: )(.*)/g) ?? `it ended with exit code ${code}`;
  // A run that executed nothing has shown nothing.
  const failure =
    code !== 0 || found.length > 0
      ? `${why} (${found.map((name) => `fuzz/artifacts/${target}/${name}`).join(", ") || "no input was kept"})`
      : executions === 0
        ? "nothing was executed"
        : undefined;
  return { target, executions, perSecond, coverage: reached === undefined ? undefined : Number(reached), failure };
}

/** @param {readonly Outcome[]} outcomes */
export function asTable(outcomes) {
  const rows = outcomes.map(({ target, executions, perSecond, coverage, failure }) => [
    target,
    executions.toLocaleString("en-US"),
    perSecond.toLocaleString("en-US"),
    coverage?.toLocaleString("en-US") ?? "-",
    failure ? "1" : "0",
  ]);
  const heads = ["target", "executions", "executions/s", "coverage", "crashes"];
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}
