// The environment of programs that tests start.

import process from "node:process";

/** The variables a client would take its configuration from: the tests configure explicitly. */
const CONFIGURING = /^(TRIGGER_|VERCEL_)/;

export function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !CONFIGURING.test(name)));
}
