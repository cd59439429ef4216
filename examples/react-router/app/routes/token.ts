import { auth } from "trigger-native";
import { visitor } from "../visitor.server";
import type { Route } from "./+types/token";

/** A token for the runs this visitor started, and no others. */
export async function action({ request }: Route.ActionArgs) {
  const { tag, setCookie } = await visitor(request);
  const token = await auth.createPublicToken({ scopes: { read: { tags: tag } }, expirationTime: "15m" });
  return Response.json({ token }, { headers: { "cache-control": "no-store", "set-cookie": setCookie } });
}
