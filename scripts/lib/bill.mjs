// The bill of materials of the npm package: those packages of npm's own bill that its bundles have in them. Pure.

/** @typedef {{ "bom-ref": string, name: string, version: string, purl: string }} Component */
/**
 * @typedef {object} Bill CycloneDX 1.5, as npm writes it
 * @property {{ component: Component & { properties?: unknown } }} metadata
 * @property {Component[]} components
 * @property {{ ref: string, dependsOn: string[] }[]} dependencies
 */

/**
 * The folders of the packages that files of a bundle belong to.
 *
 * @param {readonly string[]} inputs the bundled files
 */
export function bundledPackages(inputs) {
  const paths = inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(paths.flatMap((found) => found ?? []))];
}

/**
 * A bill of these packages alone.
 *
 * @template {Bill} B
 * @param {B} bill of all packages of the lock file
 * @param {readonly string[]} inside each as `name@version`
 * @returns {B}
 */
export function ofPackages(bill, inside) {
  const components = bill.components.filter((component) => inside.includes(component["bom-ref"]));
  const lost = inside.filter((name) => !components.some((component) => component["bom-ref"] === name));
  if (lost.length > 0) throw new Error(`bundled, and in no lock file: ${lost.join(", ")}`);
  const refs = new Set(components.map((component) => component["bom-ref"]));
  const root = bill.metadata.component["bom-ref"];
  return {
    ...bill,
    metadata: { ...bill.metadata, component: { ...bill.metadata.component, name: "trigger-native" } },
    // In the package they are, whatever npm knows them as: all of them are development dependencies of the project.
    components: components.map((component) => ({ ...component, scope: "required", properties: undefined })),
    dependencies: [
      { ref: root, dependsOn: [...refs] },
      ...bill.dependencies
        .filter(({ ref }) => refs.has(ref))
        .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) })),
    ],
  };
}
