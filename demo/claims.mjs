// What a token says. Its signature, which makes it work, stays out.

/**
 * @param {string} token A JSON Web Token.
 * @returns {{ header: Record<string, unknown>, claims: Record<string, unknown> }}
 */
export function decode(token) {
  const [header, claims] = token
    .split(".", 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
  return { header, claims };
}

/**
 * The claims in one line each, times readable.
 *
 * @param {string} token
 * @returns {string}
 */
export function describe(token) {
  const { header, claims } = decode(token);
  const lines = Object.entries({ ...header, ...claims }).map(([name, value]) => {
    const time = (name === "exp" || name === "iat") && typeof value === "number" ? `  (${at(value)})` : "";
    return `${name}: ${JSON.stringify(value)}${time}`;
  });
  return lines.join("\n");
}

/** @param {number} seconds Unix seconds. */
function at(seconds) {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
