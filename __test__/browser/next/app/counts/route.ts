import { relay } from "@/lib/relay";

export const dynamic = "force-dynamic";

/** The relay's counts, and what this process took of the processor so far. */
export function GET() {
  return Response.json({ stats: relay.stats(), cpu: process.cpuUsage() });
}
