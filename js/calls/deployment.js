"use strict";

/** The version and deployment of a task to run, where the caller named none. */

/** The longest id of a deployment. */
const MAX_LENGTH = 128;

/** The variables in which hosts and CI systems name the commit they built, in the order of the official SDK. */
const COMMIT_VARIABLES = [
  "VERCEL_GIT_COMMIT_SHA",
  "RAILWAY_GIT_COMMIT_SHA",
  "RENDER_GIT_COMMIT",
  "CF_PAGES_COMMIT_SHA",
  "WORKERS_CI_COMMIT_SHA",
  "COMMIT_REF",
  "AWS_COMMIT_ID",
  "HEROKU_BUILD_COMMIT",
  "HEROKU_SLUG_COMMIT",
  "KOYEB_GIT_SHA",
  "GITHUB_SHA",
  "CI_COMMIT_SHA",
  "CIRCLE_SHA1",
  "BITBUCKET_COMMIT",
  "BUILDKITE_COMMIT",
  "BUILD_SOURCEVERSION",
  "COMMIT_SHA",
  "DRONE_COMMIT_SHA",
  "GIT_COMMIT",
  "BUILD_VCS_NUMBER",
  "TRAVIS_COMMIT",
  "COMMIT_HASH",
  "GIT_SHA",
  "GIT_HASH",
];

/**
 * The version to lock a run to.
 *
 * @param {unknown} explicit
 * @param {import("../config/config.js").Resolved} resolved
 * @param {Record<string, string | undefined>} [env]
 */
function versionOf(explicit, resolved, env = process.env) {
  return explicit ?? (resolved.inheritContext ? env.TRIGGER_VERSION : undefined);
}

/**
 * The deployment to run on: the caller's, the configuration's, `TRIGGER_EXTERNAL_DEPLOYMENT_ID`,
 * then the commit of the build where `TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION` is on.
 *
 * @param {unknown} explicit `null` opts out
 * @param {import("../config/config.js").Resolved} resolved
 * @param {Record<string, string | undefined>} [env]
 * @returns {string | undefined}
 */
function deploymentOf(explicit, resolved, env = process.env) {
  if (explicit === null) return undefined;
  const own = usable(explicit) ?? usable(resolved.externalDeploymentId);
  if (own !== undefined || !resolved.inheritContext) return own;
  const named = usable(env.TRIGGER_EXTERNAL_DEPLOYMENT_ID);
  if (named !== undefined) return named;
  const protection = env.TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION?.trim().toLowerCase();
  if (protection !== "1" && protection !== "true") return undefined;
  for (const name of COMMIT_VARIABLES) {
    const commit = usable(env[name]);
    if (commit !== undefined) return commit;
  }
  return undefined;
}

/** @param {unknown} value */
function usable(value) {
  const id = typeof value === "string" ? value.trim() : "";
  return id === "" || id.length > MAX_LENGTH ? undefined : id;
}

module.exports = { deploymentOf, versionOf };
