// What must hold of package-lock.json. Pure.

/** Where every package comes from. */
const REGISTRY = "https://registry.npmjs.org/";

/**
 * The faults of a lock file, as sentences: a package from elsewhere, or one whose contents could change unseen.
 *
 * @param {{ packages: Record<string, { resolved?: string, integrity?: string, link?: boolean, inBundle?: boolean }> }} lock
 * @returns {string[]}
 */
export function lockFaults({ packages }) {
  const faults = [];
  for (const [name, { resolved, integrity, link, inBundle }] of Object.entries(packages)) {
    // The project itself, and what is inside another package's tarball.
    if (name === "" || inBundle) continue;
    if (link) faults.push(`${name} is a link`);
    if (resolved !== undefined && !resolved.startsWith(REGISTRY)) faults.push(`${name} comes from ${resolved}`);
    if (!integrity?.startsWith("sha512-")) faults.push(`${name} has no digest of its contents`);
  }
  return faults;
}
