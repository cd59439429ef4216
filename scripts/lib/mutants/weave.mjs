// Many mutants in one build: the body of a function is kept once as it is and once for each of its mutants, and an
// environment variable chooses. Compiling the core takes minutes and running a test milliseconds, so one build for all
// mutants is what makes a sample of hundreds affordable. Pure.

import { bodyOf, offsets } from "./source.mjs";

/** @typedef {{ line: number, column: number }} Position */
/** @typedef {{ start: Position, end: Position }} Span */
/**
 * A mutant, as `cargo mutants --list --json` gives it.
 *
 * @typedef {object} Listed
 * @property {string} name `src/x.rs:3:5: replace f -> bool with true`
 * @property {string} file
 * @property {Span} span the text that is replaced
 * @property {string} replacement
 * @property {string} genre
 * @property {{ function_name: string, return_type: string, span: Span } | null} [function]
 */
/** @typedef {Listed & { id: number }} Mutant */
/** Where a mutant stands in the woven file, in bytes, as the compiler's messages count. @typedef {{ id: number, start: number, end: number }} Range */

/** The environment variable that names the active mutant. Tests drop what begins with `TRIGGER_` for the programs that they start. */
export const ACTIVE = "CORE_MUTANT";

/** The environment variable that names the file to which reached mutants are written. */
export const REACHED = "CORE_MUTANTS_REACHED";

/** The module that chooses, for the end of `src/lib.rs`. */
export const SWITCH = `
#[allow(clippy::all, clippy::pedantic, dead_code, missing_debug_implementations)]
pub(crate) mod mutant_switch {
    use std::collections::HashSet;
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex};

    static ACTIVE: LazyLock<Option<u32>> = LazyLock::new(|| std::env::var("${ACTIVE}").ok()?.parse().ok());
    static REACHED: LazyLock<Option<Mutex<(HashSet<u32>, std::fs::File)>>> = LazyLock::new(|| {
        let path = std::env::var_os("${REACHED}")?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path).ok()?;
        Some(Mutex::new((HashSet::new(), file)))
    });

    pub(crate) fn on(id: u32) -> bool {
        if let Some(reached) = &*REACHED {
            let mut reached = reached.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if reached.0.insert(id) {
                let _ = reached.1.write_all(format!("{id}\\n").as_bytes());
            }
        }
        *ACTIVE == Some(id)
    }
}
`;

/** @param {string} text */
const bytes = (text) => Buffer.byteLength(text);

/**
 * Whether a mutant can be chosen while the program runs. A constant function cannot ask, and a function that returns
 * \`impl Trait\` returns one type whatever the mutant is.
 *
 * @param {Listed} mutant
 * @param {string} text the source file
 */
export function canBeWoven(mutant, text) {
  if (!mutant.function) return false;
  const at = offsets(text);
  const [from, to] = [at(mutant.function.span.start), at(mutant.function.span.end)];
  const body = bodyOf(text, from);
  if (!body || body[0] > at(mutant.span.start) || body[1] < at(mutant.span.end) || body[1] > to) return false;
  const header = text.slice(from, body[0]);
  return !/\bconst\s+(?:async\s+|unsafe\s+)*fn\b/.test(header) && !/->[^{]*\bimpl\b/.test(header);
}

/**
 * @param {string} text a source file
 * @param {readonly Mutant[]} mutants those of the file, each of which can be woven
 * @returns {{ text: string, ranges: Range[] }}
 */
export function weave(text, mutants) {
  const at = offsets(text);
  /** @type {{ body: [number, number], mutants: Mutant[] }[]} */
  const hosts = [];
  const byBody = mutants.map((mutant) => ({
    mutant,
    body: mutant.function ? bodyOf(text, at(mutant.function.span.start)) : undefined,
  }));
  // The outer functions first: a function inside another is part of its body, and so are its mutants.
  byBody.sort((one, other) => (one.body?.[0] ?? 0) - (other.body?.[0] ?? 0));
  for (const { mutant, body } of byBody) {
    if (!body) continue;
    const host = hosts.find((known) => known.body[0] <= body[0] && body[1] <= known.body[1]);
    if (host) host.mutants.push(mutant);
    else hosts.push({ body, mutants: [mutant] });
  }
  /** @type {Range[]} */
  const ranges = [];
  let woven = "";
  let copied = 0;
  for (const { body, mutants: own } of hosts) {
    const [begins, ends] = body;
    woven += text.slice(copied, begins);
    for (const mutant of own) {
      const [from, to] = [at(mutant.span.start), at(mutant.span.end)];
      woven += `if crate::mutant_switch::on(${mutant.id}) {`;
      const start = bytes(woven);
      woven += `${text.slice(begins, from)} ${mutant.replacement} ${text.slice(to, ends)}\n`;
      ranges.push({ id: mutant.id, start, end: bytes(woven) });
      woven += "} else ";
    }
    woven += `{${text.slice(begins, ends)}}`;
    copied = ends;
  }
  return { text: woven + text.slice(copied), ranges };
}

/**
 * The mutants that a compiler's message is about: those in whose text its main place is, else any of its places.
 *
 * @param {any} message of `--message-format=json`
 * @param {ReadonlyMap<string, readonly Range[]>} woven ranges by file
 * @returns {number[]}
 */
export function blamed(message, woven) {
  /** @param {any} one @returns {any[]} */
  const spans = (one) => [...one.spans, ...(one.children ?? []).flatMap(spans)];
  const all = spans(message);
  /** @param {any[]} places */
  const hit = (places) =>
    places.flatMap(({ file_name, byte_start, byte_end }) =>
      (woven.get(file_name) ?? [])
        .filter(({ start, end }) => start <= byte_start && byte_end <= end)
        .map(({ id }) => id),
    );
  const main = hit(all.filter(({ is_primary }) => is_primary));
  return [...new Set(main.length > 0 ? main : hit(all))];
}
