export const dynamic = "force-dynamic";

/** A request of the page's own. */
export function GET() {
  return new Response("own");
}
