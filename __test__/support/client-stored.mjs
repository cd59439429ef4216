// A stored packet: what a run has of it, what the relay and the store answer, and an answer that does not come.

export const stored = { data: "packets/x", type: "application/store" };
export const where = () => Response.json({ presignedUrl: "http://store.example/x" });
export const packet = () => new Response('{"ok":1}', { headers: { "content-type": "application/json" } });
export const never = () => new Promise(() => {});
