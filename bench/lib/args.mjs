// The command line of the bench. Pure.

import { parseArgs } from "node:util";

export const USAGE = `npm run bench -- [options]
  --case a,b      the cases to measure; "all" for every one (default: those that fit into ten minutes)
  --rounds 5      how often each figure is measured; medians are shown
  --quick         small sizes and one round: to see that it works, not to compare
  --write         puts tables and charts into docs/performance.md and docs/charts/`;

/** An invalid command line, which is printed without a stack. */
export class UsageError extends Error {}

/**
 * @param {string[]} argv
 * @param {{ known: string[], byDefault: string[] }} cases
 */
export function parse(argv, { known, byDefault }) {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        case: { type: "string" },
        rounds: { type: "string" },
        quick: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const names = values.case === "all" ? known : (values.case?.split(",").map((name) => name.trim()) ?? byDefault);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no case "${unknown}": the cases are ${known.join(", ")}`);
  if (values.rounds !== undefined && !/^[1-9]\d{0,2}$/.test(values.rounds)) {
    throw new UsageError(`--rounds takes a whole number from 1 to 999, not "${values.rounds}"`);
  }
  if (values.quick && values.write) throw new UsageError("--quick figures are not worth keeping: leave out --write");
  const rounds = values.rounds === undefined ? (values.quick ? 1 : 5) : Number(values.rounds);
  return { names: [...new Set(names)], rounds, quick: values.quick, write: values.write, help: values.help };
}
