// The published clients and ours over the same bytes: cases from a seed, until one differs or the time is over.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { root, StepError } from "../run.mjs";
import { choices } from "./random.mjs";
import { answersOf, isOrdinary, officialShape, shapeCase, shapeDifference, shapeLine } from "./shape.mjs";
import { officialStream, piecesOf, streamCase, streamDifference, streamLine } from "./streams.mjs";

/** @typedef {import("./shape.mjs").ShapeCase | import("./streams.mjs").StreamCase} Case */

/** So much of a case is shown: one of long texts hides what was said before it, and its seed gives it again. */
const MOST_SHOWN = 4_000;

/** Our readers, as a program that is given a case and says what it saw. @param {string} program */
export function startOurs(program) {
  const child = spawn(program, [], { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** @param {string} line @returns {Promise<any>} */
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done) throw new StepError(`our readers ended amid a case:\n${line.slice(0, 4_000)}`);
      return JSON.parse(value);
    },
    stop: () => child.stdin.end(),
  };
}

/** @typedef {ReturnType<typeof startOurs>} Ours */

/** The case of a seed. @param {number} seed @returns {Case} */
export function caseOf(seed) {
  const random = choices(seed);
  return random.chance(0.5) ? shapeCase(random) : streamCase(random);
}

/** The difference of a case; undefined where there is none. @param {Ours} ours @param {Case} one */
export async function difference(ours, one) {
  if (one.kind === "shape") {
    const answers = answersOf(one, choices);
    return shapeDifference(await ours.ask(shapeLine(answers)), await officialShape(answers));
  }
  const pieces = piecesOf(one, choices);
  return streamDifference(await ours.ask(streamLine(one, pieces)), await officialStream(one, pieces));
}

/** Smaller cases, the smallest first. @param {Case} one @returns {Case[]} */
function smaller(one) {
  const without = (/** @type {any[]} */ list) => list.map((_, at) => list.filter((_, other) => other !== at));
  if (one.kind === "stream") return without(one.parts).map((parts) => ({ ...one, parts }));
  const generations = without(one.generations).filter((left) => left.length > 0);
  const answers = one.generations.flatMap((generation, number) => {
    const replaced = (/** @type {any} */ fresh) => one.generations.map((old, at) => (at === number ? fresh : old));
    const fewer = without(generation).filter((left) => left.length > 0 && left[0].schema);
    const slimmer = generation.flatMap((answer, at) =>
      without(answer.messages).map((messages) =>
        generation.map((old, other) => (other === at ? { ...old, messages } : old)),
      ),
    );
    return [...fewer, ...slimmer].map(replaced);
  });
  return [...generations, ...answers].map((left) => ({ ...one, generations: left })).filter(isOrdinary);
}

/** The smallest case below `one` that still differs. @param {Ours} ours @param {Case} one */
export async function minimized(ours, one) {
  let smallest = one;
  for (let found = true; found; ) {
    found = false;
    for (const candidate of smaller(smallest)) {
      if (await difference(ours, candidate)) {
        [smallest, found] = [candidate, true];
        break;
      }
    }
  }
  return smallest;
}

/**
 * Compares cases for so many seconds, from `seed` on. The result names the first difference, with its smallest case.
 *
 * @param {{ program: string, seconds: number, seed: number, cases?: number }} options
 */
export async function compare({ program, seconds, seed, cases = Number.POSITIVE_INFINITY }) {
  const ours = startOurs(program);
  const until = performance.now() + seconds * 1_000;
  const compared = { shape: 0, stream: 0 };
  try {
    for (let at = 0; at < cases && performance.now() < until; at++) {
      const one = caseOf(seed + at);
      if (await difference(ours, one)) {
        const smallest = await minimized(ours, one);
        const what = await difference(ours, smallest);
        const again = `npm run fuzz -- --target differential --seed ${seed + at}`;
        return { compared, failure: `${again}\n${what}\n${JSON.stringify(smallest).slice(0, MOST_SHOWN)}` };
      }
      compared[one.kind]++;
    }
  } finally {
    ours.stop();
  }
  return { compared, failure: undefined };
}
