// Rust's text, as far as placing a mutant in it needs: where the body of a function begins and ends. Pure.

/**
 * Skips a comment, string or character that begins at `at`, and returns where the text goes on; `at` itself where none
 * begins there.
 *
 * @param {string} text
 * @param {number} at
 */
function skipped(text, at) {
  if (text.startsWith("//", at)) {
    const end = text.indexOf("\n", at);
    return end < 0 ? text.length : end;
  }
  if (text.startsWith("/*", at)) {
    let depth = 1;
    let here = at + 2;
    while (depth > 0 && here < text.length) {
      if (text.startsWith("/*", here)) depth += 1;
      else if (text.startsWith("*/", here)) depth -= 1;
      else {
        here += 1;
        continue;
      }
      here += 2;
    }
    return here;
  }
  const raw = /^b?r(#*)"/.exec(text.slice(at, at + 12));
  if (raw && !/\w/.test(text[at - 1] ?? "")) {
    const close = `"${raw[1]}`;
    return text.indexOf(close, at + raw[0].length) + close.length;
  }
  if (text[at] === '"') {
    let here = at + 1;
    while (text[here] !== '"') here += text[here] === "\\" ? 2 : 1;
    return here + 1;
  }
  // A character, and not a lifetime: `'a'`, `'\n'`, `'\u{41}'`, `'é'`.
  const character = text[at] === "'" && /^'(?:\\u\{[^}]*\}|\\x..|\\.|[^\\'])'/su.exec(text.slice(at, at + 14));
  return character ? at + character[0].length : at;
}

/**
 * The body of the first function at or after `from`: the offsets after its opening brace and of its closing one.
 *
 * @param {string} text
 * @param {number} from
 * @returns {[number, number] | undefined} nothing where a semicolon comes first: a function without a body
 */
export function bodyOf(text, from) {
  let depth = 0;
  let braces = 0;
  let begins = -1;
  for (let at = from; at < text.length; ) {
    const next = skipped(text, at);
    if (next !== at) {
      at = next;
      continue;
    }
    const one = text[at];
    at += 1;
    if (one === "{") {
      if (begins < 0 && depth === 0) begins = at;
      braces += 1;
    } else if (one === "}") {
      braces -= 1;
      if (braces === 0 && begins >= 0) return [begins, at - 1];
    } else if (begins < 0) {
      if (one === "(" || one === "[") depth += 1;
      else if (one === ")" || one === "]") depth -= 1;
      else if (one === ";" && depth === 0) return undefined;
    }
  }
  return undefined;
}

/**
 * The offset of a position as compilers give it: lines and columns from 1, a column a character.
 *
 * @param {string} text
 * @returns {(position: { line: number, column: number }) => number}
 */
export function offsets(text) {
  const begins = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) begins.push(at + 1);
  return ({ line, column }) => {
    let at = begins[line - 1] ?? text.length;
    for (let left = column - 1; left > 0; left -= 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    return at;
  };
}
