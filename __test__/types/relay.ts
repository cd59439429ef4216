// The relay in the routes of frameworks, as they declare them.

import { createServer } from "node:http";
import { createRealtimeHandler, type RealtimeHandler, type RelayListener } from "trigger-native";

declare function userOf(request: Request): Promise<{ id: string; runs: string[] } | null>;

const handler: RealtimeHandler = createRealtimeHandler({
  basePath: "/api/trigger",
  allow: ["runs", "streams"],
  limits: { viewersPerToken: 10 },
  metrics: true,
  async authorize(request) {
    const user = await userOf(request);
    if (!user) return null;
    return { scopes: { read: { runs: user.runs } }, skipColumns: ["payload"], id: user.id };
  },
});

// Next.js
type NextRoute = (request: Request, context: { params: Promise<{ path: string[] }> }) => Promise<Response>;
export const GET: NextRoute = handler;
// What its own check of a route infers has to be a request, and that is of the last signature alone.
type FirstOf<T> = T extends (first: infer First, second: any) => unknown ? First : never;
export const first = (given: FirstOf<typeof handler>): Request => given;
// Remix, React Router
type LoaderFunction = (args: { request: Request; params: Record<string, string | undefined> }) => Promise<Response>;
export const loader: LoaderFunction = handler;
// Node
createServer(handler.node);
createServer((req, res) => void handler.node(req, res, () => res.end()));

export async function listen(): Promise<string> {
  await using listening: RelayListener = await handler.listen({ port: 3000, host: "0.0.0.0" });
  return listening.url;
}

createRealtimeHandler({ authorize: () => ({ scopes: ["read:runs:run_1"] }) });
createRealtimeHandler({ authorize: () => new Response(null, { status: 302 }) });
// @ts-expect-error a key that a function makes
createRealtimeHandler({ accessToken: () => "tr_dev_x" });
// @ts-expect-error no family
createRealtimeHandler({ allow: ["everything"] });
