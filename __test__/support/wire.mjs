// The recordings of the real server, as cases to compare the emulator's answers with.

import { createHmac } from "node:crypto";

import { readRecordings } from "../../scripts/lib/recordings.mjs";

// For recordings that show tokens and no key.
const unseenKey = "tr_dev_recordedkeyisnotshown";

/** Every recording of the native backend, by its file's name. */
export function recordings() {
  const native = readRecordings().filter(({ backend }) => backend === "native");
  return native.map((recording) => ({ ...recording, name: `${recording.name}.json` }));
}

/** Splits `GET /path?query HTTP/1.1`. */
export function requestLine(exchange) {
  const [method, target] = exchange.request.line.split(" ");
  const [path, query] = target.split("?");
  return { method, target, path, query: new URLSearchParams(query ?? "") };
}

/** A header's value, whatever its case. */
export function header(side, name) {
  return side?.headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** The token after `Bearer`, if there is one. */
export function bearer(exchange) {
  return header(exchange.request, "authorization")?.replace(/^Bearer /, "");
}

/** A JWT's claims, or undefined. */
export function claimsOf(text) {
  const parts = text?.split(".") ?? [];
  if (parts.length !== 3) return undefined;
  try {
    return JSON.parse(Buffer.from(parts[1], "base64url").toString());
  } catch {
    return undefined;
  }
}

const sign = (message, key) => createHmac("sha256", key).update(message).digest("base64url");
const isSignedBy = (token, key) => {
  const cut = token.lastIndexOf(".");
  return sign(token.slice(0, cut), key) === token.slice(cut + 1);
};

/**
 * The environments of a recording: the root keys that worked, each with the `sub` of the tokens
 * it signed or of the claims the server answered, and the additional keys with their scopes.
 */
export function environmentsOf(recording, everyRootKey) {
  const tokens = new Set();
  const rootKeys = new Set();
  const additionalKeys = new Map();
  const subjects = new Map();
  const owners = [];
  for (const exchange of recording.exchanges) {
    const key = bearer(exchange);
    const status = exchange.response?.status;
    for (const token of [key, header(exchange.response, "x-trigger-jwt")]) if (claimsOf(token)) tokens.add(token);
    if (!key || claimsOf(key) || !(status < 300 || status === 404)) continue;
    if (/^tr_[a-z]+_sk_[0-9a-zA-Z]{24}$/.test(key)) additionalKeys.set(key, []);
    else if (key.startsWith("tr_")) rootKeys.add(key);
    if (exchange.request.line.includes("/jwt/claims") && status === 200) {
      subjects.set(key, JSON.parse(exchange.response.body).sub);
    }
  }
  for (const token of tokens) {
    const key = everyRootKey.find((candidate) => isSignedBy(token, candidate));
    if (key) rootKeys.add(key);
    owners.push([token, key]);
  }
  // A key can sign tokens of other environments too (they are refused); its own is the commonest.
  for (const key of rootKeys) {
    const counts = new Map();
    for (const [token, signer] of owners) {
      const { sub } = claimsOf(token);
      if (signer === key) counts.set(sub, (counts.get(sub) ?? 0) + 1);
    }
    const [commonest] = [...counts].sort(([, a], [, b]) => b - a);
    if (!subjects.has(key) && commonest) subjects.set(key, commonest[0]);
  }
  // A token whose environment the server did not know belongs to no key.
  const unknown = new Set();
  for (const exchange of recording.exchanges) {
    if (exchange.response?.body?.includes("Invalid Public Access Token")) unknown.add(claimsOf(bearer(exchange))?.sub);
  }
  // Browser recordings show no key: any will do, as long as the tokens are signed anew.
  if (rootKeys.size === 0) rootKeys.add(unseenKey);
  const unowned = [...tokens]
    .map((token) => claimsOf(token).sub)
    .filter((sub) => ![...subjects.values(), ...unknown].includes(sub));
  for (const key of rootKeys) {
    if (!subjects.has(key)) subjects.set(key, unowned.shift() ?? `env_${key}`);
  }
  // The recorded calls of an additional key show its scopes: those it was granted or denied.
  for (const exchange of recording.exchanges) {
    const scopes = additionalKeys.get(bearer(exchange));
    if (!scopes) continue;
    if (exchange.request.line.includes("/public-tokens") && exchange.response?.status === 200) {
      for (const scope of JSON.parse(exchange.request.body).scopes) scopes.push(scope.split(":").slice(0, 2).join(":"));
    }
    if (exchange.request.line.includes("/trigger ")) scopes.push("trigger:tasks");
    if (exchange.request.line.startsWith("GET ")) scopes.push("read:runs");
  }
  return [...rootKeys].map((secretKey, index) => ({
    id: subjects.get(secretKey),
    secretKey,
    additionalKeys:
      index === 0 ? [...additionalKeys].map(([key, scopes]) => ({ key, scopes: [...new Set(scopes)] })) : [],
  }));
}

/**
 * Signs a recorded token anew so that it is now what it was at `recordedAt` (Unix seconds):
 * valid, expired, badly signed, of another environment. Tokens that differed still differ, and
 * the same token becomes the same one until it expires. `rename` is what to put for the names in
 * its claims.
 */
export function renewer(environments) {
  let shift;
  return (token, recordedAt, rename = (text) => text) => {
    const now = Math.floor(Date.now() / 1000);
    shift ??= now - recordedAt;
    const [head] = token.split(".");
    const claims = claimsOf(token);
    const isExpired = claims.exp <= recordedAt;
    // An hour of slack keeps a token valid that was, however fast the replay.
    const exp = isExpired ? now - 3600 : claims.exp + shift + 3600;
    const message = `${head}.${Buffer.from(rename(JSON.stringify({ ...claims, exp, iat: claims.iat + shift }))).toString("base64url")}`;
    const signer = environments.find((environment) => isSignedBy(token, environment.secretKey));
    const unseen = environments.length === 1 && environments[0].secretKey === unseenKey;
    const key = signer?.secretKey ?? (unseen ? unseenKey : "signed with no known key");
    return `${message}.${sign(message, key)}`;
  };
}

/** The root keys that signed anything in any recording. */
export function rootKeysOf(all) {
  const keys = new Set();
  for (const recording of all) {
    for (const exchange of recording.exchanges) {
      const key = bearer(exchange);
      if (/^tr_[a-z]+_[0-9a-zA-Z]+$/.test(key ?? "") && exchange.response?.status < 300) keys.add(key);
    }
  }
  return [...keys];
}
