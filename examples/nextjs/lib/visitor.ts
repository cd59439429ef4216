import { randomUUID } from "node:crypto";
import { cookies } from "next/headers";

/**
 * The tag of everything this visitor starts, from a cookie that only the server reads. An app with users takes its
 * session's user instead.
 */
export async function visitorTag(): Promise<string> {
  const jar = await cookies();
  const known = jar.get("visitor")?.value;
  if (known) return `visitor:${known}`;
  const id = randomUUID();
  jar.set("visitor", id, { httpOnly: true, sameSite: "lax", secure: process.env.NODE_ENV === "production" });
  return `visitor:${id}`;
}
