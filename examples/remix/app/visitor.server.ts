import { randomUUID } from "node:crypto";
import { createCookie } from "@remix-run/node";
import { runs } from "trigger-native";

const cookie = createCookie("visitor", { httpOnly: true, sameSite: "lax", path: "/" });

/**
 * The tag of everything this visitor starts, and the cookie that remembers it. An app with users takes its session's
 * user instead, and signs its cookies.
 */
export async function visitor(request: Request): Promise<{ tag: string; setCookie: string }> {
  const id: string = (await cookie.parse(request.headers.get("cookie"))) ?? randomUUID();
  return { tag: `visitor:${id}`, setCookie: await cookie.serialize(id) };
}

/** A run as it is now, if this visitor started it. */
export async function runOf(request: Request, id: string) {
  const { tag } = await visitor(request);
  const run = await runs.retrieve(id, { signal: request.signal });
  if (!run.tags.includes(tag)) throw new Response("Not found", { status: 404 });
  return run;
}
