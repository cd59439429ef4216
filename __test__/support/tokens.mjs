/** Tokens, and functions that make them. */

/** A function that gives these tokens in turn, the last one again and again; counts its calls. */
export function maker(...tokens) {
  const make = async () => tokens[Math.min(make.calls++, tokens.length - 1)];
  make.calls = 0;
  return make;
}

/** A function that never answers, and a promise that it was called. */
export function silent() {
  let asked;
  const called = new Promise((resolve) => {
    asked = resolve;
  });
  const make = () => {
    asked();
    return new Promise(() => {});
  };
  return { make, called };
}

/** A token that says when it expires. @param {string} name @param {number} exp Unix seconds */
export function jwt(name, exp) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ pub: true, name, exp })}.c2ln`;
}
