import { auth } from "trigger-native";
import { visitorTag } from "@/lib/visitor";

/** A token for the runs this visitor started, and no others. */
export async function POST() {
  const token = await auth.createPublicToken({
    scopes: { read: { tags: await visitorTag() } },
    expirationTime: "15m",
  });
  return Response.json({ token }, { headers: { "cache-control": "no-store" } });
}
