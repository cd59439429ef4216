/** The parser of server-sent events. */

/**
 * Returns the function that takes the text of a response, cut anywhere, and hands `on` the name and the data of each event.
 *
 * @param {(name: string, data: string) => void} on
 * @returns {(text: string) => void}
 */
export function eventParser(on) {
  let rest = "";
  let name = "";
  /** @type {string[]} */
  let data = [];
  return (text) => {
    rest += text;
    if (!/[\r\n]/.test(text)) return;
    // A CR at the end may be half of a CRLF: it waits.
    const lines = rest.split(/\r?\n|\r(?!$)/);
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      const [, field, value] = /** @type {string[]} */ (/([^:]*):? ?(.*)/s.exec(line));
      if (!line) {
        if (data.length > 0) on(name, data.join("\n"));
        name = "";
        data = [];
      } else if (field === "event") name = value;
      else if (field === "data") data.push(value);
    }
  };
}
