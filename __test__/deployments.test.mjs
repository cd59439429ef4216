// The deployment that a run is locked to, beside the official client's.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { it } from "node:test";
import { PLATFORM_COMMIT_SHA_ENV_VARS, resolveExternalDeploymentId } from "@trigger.dev/core/v3";

const require = createRequire(import.meta.url);
const { deploymentOf } = require("../js/calls/deployment.js");

const ON = { TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION: "1" };

/** What both say, which must be the same. */
function both(env, explicit, configured) {
  const ours = deploymentOf(explicit, { inheritContext: true, externalDeploymentId: configured }, env);
  const read = (/** @type {string} */ name) => env[name];
  assert.equal(ours, resolveExternalDeploymentId({ explicit, clientConfig: configured, read }), JSON.stringify(env));
  return ours;
}

it("each host's name of the commit is known, and the first of two counts", () => {
  for (const [at, name] of PLATFORM_COMMIT_SHA_ENV_VARS.entries()) {
    assert.equal(both({ [name]: "sha" }), undefined, "nobody asked for it");
    assert.equal(both({ ...ON, [name]: "sha" }), "sha");
    both({ ...ON, [name]: " one ", [PLATFORM_COMMIT_SHA_ENV_VARS.at(at - 1)]: "two" });
    both({ ...ON, [name]: "x".repeat(129), [PLATFORM_COMMIT_SHA_ENV_VARS.at(at - 1)]: "" });
  }
});

it("the caller's counts most, then the configuration's, then the environment's", () => {
  const env = { ...ON, GIT_SHA: "sha", TRIGGER_EXTERNAL_DEPLOYMENT_ID: "named" };
  assert.equal(both(env, "own", "configured"), "own");
  assert.equal(both(env, " ", "configured"), "configured");
  assert.equal(both(env), "named");
  for (const protection of ["true", " TRUE ", "1", "0", "yes", ""]) {
    both({ GIT_SHA: "sha", TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION: protection });
  }
  assert.equal(deploymentOf(null, { inheritContext: true }, env), undefined, "opted out");
  assert.equal(deploymentOf(undefined, { inheritContext: false }, env), undefined, "another tenant's client");
});
