// Where the parts come from: lock files, and the bill of materials of what is published.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { bundledPackages, ofPackages } from "../scripts/lib/bill.mjs";
import { lockFaults } from "../scripts/lib/lock.mjs";
import { root } from "../scripts/lib/run.mjs";

const examples = readdirSync(path.join(root, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => `examples/${name}/package-lock.json`);

describe("a lock file", () => {
  for (const name of ["package-lock.json", ...examples]) {
    it(`names the registry and a digest for every package: ${name}`, () => {
      const lock = JSON.parse(readFileSync(path.join(root, name), "utf8"));
      assert.ok(Object.keys(lock.packages).length > 5);
      assert.deepEqual(lockFaults(lock), []);
    });
  }

  it("with a package from elsewhere, or without a digest, is refused", () => {
    const integrity = "sha512-AAAA";
    const packages = {
      "": {},
      "node_modules/fine": { resolved: "https://registry.npmjs.org/fine/-/fine-1.0.0.tgz", integrity },
      "node_modules/inside": { inBundle: true },
      "node_modules/git": { resolved: "git+ssh://git@example.com/x.git#1", integrity },
      "node_modules/bare": { resolved: "https://registry.npmjs.org/bare/-/bare-1.0.0.tgz" },
      "node_modules/old": { resolved: "https://registry.npmjs.org/old/-/old-1.0.0.tgz", integrity: "sha1-AAAA" },
      "node_modules/link": { link: true, integrity },
    };
    assert.deepEqual(lockFaults({ packages }), [
      "node_modules/git comes from git+ssh://git@example.com/x.git#1",
      "node_modules/bare has no digest of its contents",
      "node_modules/old has no digest of its contents",
      "node_modules/link is a link",
    ]);
  });
});

describe("the bill of materials of the package", () => {
  const component = (name) => ({ "bom-ref": name, name, version: "1.0.0", purl: `pkg:npm/${name}`, properties: [] });
  const bill = {
    metadata: { component: component("trigger-native@1.0.0") },
    components: ["a@1.0.0", "@b/c@1.0.0", "test@1.0.0"].map(component),
    dependencies: [
      { ref: "trigger-native@1.0.0", dependsOn: ["test@1.0.0"] },
      { ref: "a@1.0.0", dependsOn: ["@b/c@1.0.0", "test@1.0.0"] },
      { ref: "test@1.0.0", dependsOn: [] },
    ],
  };

  it("has what the bundles have in them, and nothing else", () => {
    const made = ofPackages(bill, ["a@1.0.0", "@b/c@1.0.0"]);
    assert.deepEqual(
      made.components.map((each) => each["bom-ref"]),
      ["a@1.0.0", "@b/c@1.0.0"],
    );
    assert.deepEqual(made.dependencies, [
      { ref: "trigger-native@1.0.0", dependsOn: ["a@1.0.0", "@b/c@1.0.0"] },
      { ref: "a@1.0.0", dependsOn: ["@b/c@1.0.0"] },
    ]);
  });

  it("is refused where a bundled package is in no lock file", () => {
    assert.throws(() => ofPackages(bill, ["a@1.0.0", "a@2.0.0"]), /in no lock file: a@2\.0\.0/);
  });

  it("knows the package of each bundled file", () => {
    const inputs = [
      "page/src/main.tsx",
      "node_modules/react/index.js",
      "node_modules/react/cjs/react.js",
      "node_modules/@trigger.dev/core/node_modules/jose/index.js",
    ];
    assert.deepEqual(bundledPackages(inputs), [
      "node_modules/react",
      "node_modules/@trigger.dev/core/node_modules/jose",
    ]);
  });
});
