/** Packets that are stored elsewhere. Few are: this module is loaded with the first. */

/**
 * Gets a packet that is stored elsewhere, through the relay, which says where.
 *
 * @param {import("./hub.mjs").Hub} hub
 * @param {string | undefined} token
 * @param {string} runId
 * @param {string} field
 * @param {string} path
 * @returns {Promise<import("./packet.mjs").Packet>}
 */
export async function loadPacket(hub, token, runId, field, path) {
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const ask = (/** @type {string} */ at) => hub.page.fetch(`${hub.url()}/api/v1/${at}`, { headers });
  let found = await ask(`runs/${encodeURIComponent(runId)}/packets/${field}`);
  // Servers of before know the path alone.
  if (found.status === 404 && !/(^|\/)\.\.?(\/|$)/.test(path))
    found = await ask(`packets/${path.split("/").map(encodeURIComponent).join("/")}`);
  if (!found.ok) throw new Error(`it is stored elsewhere, and asking where was answered with ${found.status}`);
  const { presignedUrl } = await found.json();
  const stored = await hub.page.fetch(presignedUrl);
  if (!stored.ok) throw new Error(`the store answered ${stored.status}`);
  return { data: await stored.text(), type: stored.headers.get("content-type") ?? "application/json" };
}
