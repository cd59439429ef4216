// A front that looks at keys, and lets the environment's key be rotated: the emulator's own key never changes.

import { createHmac } from "node:crypto";
import { KEY } from "../support/relay.mjs";
import { listening, pass } from "./passing.mjs";

/** The key after the rotation. */
export const ROTATED = "tr_dev_rotatedverysecret";

const sign = (message, key) => createHmac("sha256", key).update(message).digest("base64url");

/** The emulator's credential in the place of one that counts here; nothing for any other. */
function admitted(bearer, key) {
  if (bearer === key) return KEY;
  const [, message, signature] = /^([^.]+\.[^.]+)\.([^.]+)$/.exec(bearer) ?? [];
  return message && signature === sign(message, key) ? `${message}.${sign(message, KEY)}` : undefined;
}

/** A server whose key is `front.key`. What the old one signed is refused with it, as the server does. */
export async function gate(url) {
  const front = { key: KEY, refused: 0 };
  const own = await listening((request, response) => {
    response.on("close", () => {
      if (response.statusCode === 401) front.refused += 1;
    });
    const bearer = request.headers.authorization?.replace("Bearer ", "") ?? "";
    const credential = admitted(bearer, front.key);
    if (credential) {
      pass(request, response, url, { ...request.headers, authorization: `Bearer ${credential}` });
      return;
    }
    request.resume();
    const error = bearer.includes(".") ? "Public Access Token is invalid" : "Invalid API key";
    response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify({ error }));
  });
  return Object.assign(front, own);
}
