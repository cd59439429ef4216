// The workflows build, test and publish every platform, and no more is granted to them than they need.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { addon } from "../scripts/build.mjs";
import { root } from "../scripts/lib/run.mjs";
import { GLIBC, TRIPLES } from "../scripts/lib/zig.mjs";
import { inOrder } from "../scripts/publish.mjs";

const { TARGETS } = createRequire(import.meta.url)("../js/native/platform.js");
const folder = path.join(root, ".github", "workflows");
const workflows = Object.fromEntries(
  readdirSync(folder).map((name) => [name, parse(readFileSync(path.join(folder, name), "utf8"))]),
);
const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const { "ci.yml": ci, "packages.yml": packages, "release.yml": release } = workflows;

/** Every job of every workflow. */
const jobs = Object.entries(workflows).flatMap(([file, { jobs }]) =>
  Object.entries(jobs).map(([name, job]) => ({ where: `${file} ${name}`, job })),
);
const steps = jobs.flatMap(({ where, job }) => (job.steps ?? []).map((step) => ({ where, step })));

describe("the workflows", () => {
  it("build and test every platform, each where it was built, but for Linux, where Zig builds for all", () => {
    const matrix = (/** @type {any} */ { strategy }) => strategy.matrix.include;
    const [built, tested] = [matrix(packages.jobs.build), matrix(packages.jobs.test)];
    assert.deepEqual(
      built.map(({ target }) => target),
      [...TARGETS],
    );
    assert.deepEqual(
      tested.map(({ target }) => target),
      [...TARGETS],
    );
    assert.deepEqual(
      built.filter(({ zig }) => zig).map(({ target }) => target),
      Object.keys(TRIPLES),
    );
    for (const [index, { target, zig, runner }] of built.entries()) {
      assert.equal(tested[index].runner, zig && target.includes("arm64") ? `${runner}-arm` : runner, target);
    }
  });

  it("test the addon that was built, where the face looks for it", () => {
    const using = (/** @type {string} */ job, /** @type {string} */ action) =>
      packages.jobs[job].steps.find(({ uses }) => uses?.startsWith(`actions/${action}@`)).with;
    const [upload, download] = [using("build", "upload-artifact"), using("test", "download-artifact")];
    assert.equal(upload.name, download.name);
    // An artifact of one file holds its name, without its folder.
    const arrived = path.join(root, download.path, path.basename(upload.path));
    assert.equal(arrived, addon);
    const pack = packages.jobs.test.steps.find(({ name }) => name === "pack").run;
    assert.equal(path.join(root, /--addon (\S+)/.exec(pack)?.[1] ?? ""), arrived);
    assert.equal(/--glibc ([\d.]+)/.exec(pack)?.[1], GLIBC);
  });

  it("publish only what was tested", () => {
    assert.deepEqual(release.jobs.publish.needs, ["check", "packages", "sbom"]);
    assert.equal(release.jobs.packages.uses, "./.github/workflows/packages.yml");
    assert.equal(packages.jobs.test.needs, "build");
    assert.equal(packages.jobs.root.needs, "test");
    // A package is uploaded by the job that tested it, after the tests.
    for (const name of ["build", "test", "root"]) {
      const uploads = packages.jobs[name].steps.filter(({ uses }) => uses?.startsWith("actions/upload-artifact@"));
      assert.equal(uploads.length, 1);
      assert.equal(packages.jobs[name].steps.at(-1), uploads[0]);
      assert.match(uploads[0].with.name, name === "build" ? /^addon-/ : /^package-/);
    }
    const publishing = steps.filter(({ step }) => step.run?.includes("publish"));
    assert.deepEqual(
      publishing.map(({ where }) => where),
      ["release.yml publish"],
    );
    assert.deepEqual(Object.keys(release.on), ["push"]);
    assert.deepEqual(Object.keys(release.on.push), ["tags"]);
  });

  it("may read the repository, and only publishing may prove who it is", () => {
    for (const [name, workflow] of Object.entries(workflows)) {
      assert.deepEqual(workflow.permissions, { contents: "read" }, name);
    }
    for (const { where, job } of jobs) {
      const more = where === "release.yml publish" ? { contents: "read", "id-token": "write" } : undefined;
      assert.deepEqual(job.permissions, more, where);
    }
    assert.ok(!JSON.stringify(workflows).includes("secrets."), "there is no secret to steal");
  });

  it("use actions of one known commit each, which nobody can move, and end when they hang", () => {
    const used = Object.keys(workflows).flatMap((name) =>
      // The comment after the commit says its version, which the parsed workflow does not have.
      [...readFileSync(path.join(folder, name), "utf8").matchAll(/^ *(?:- )?uses: (?!\.\/)(.*)$/gm)].map(
        ([, of]) => of,
      ),
    );
    assert.equal(used.length, steps.filter(({ step }) => step.uses).length);
    const commits = new Map();
    for (const action of used) {
      const [, name, commit] = /^(actions\/[\w-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$/.exec(action) ?? [];
      assert.ok(name, action);
      assert.equal(commits.get(name) ?? commit, commit, name);
      commits.set(name, commit);
    }
    for (const { where, job } of jobs) assert.ok(job.uses || job["timeout-minutes"] <= 120, where);
  });

  it("check a change as .ci/run does, by that script and nothing beside it", () => {
    const run = ci.jobs.check.steps.flatMap(({ run }) => run ?? []);
    const checks = run.filter((/** @type {string} */ command) => !command.startsWith("rustup "));
    assert.deepEqual(checks, [".ci/run"]);
    const list = readFileSync(path.join(root, ".ci", "run"), "utf8");
    const commands = [...list.matchAll(/^npm (.+)$/gm)].map(([, command]) => command);
    assert.equal(commands[0], "run lint");
    // Last, so that what is printed last is how many tests ran.
    assert.equal(commands.at(-1), "test -- --coverage");
    for (const name of ["supply", "instructions"]) assert.ok(commands.includes(`run ${name}`), name);
    for (const command of commands.slice(0, -1)) assert.ok(scripts[command.split(" ")[1]], command);
    // Lints need what the workflow's toolchain brings.
    assert.match(run.find((/** @type {string} */ command) => command.startsWith("rustup ")) ?? "", /clippy,rustfmt/);
  });

  it("run scripts that are there", () => {
    for (const { where, step } of steps) {
      for (const [, name] of (step.run ?? "").matchAll(/npm run ([\w:-]+)/g))
        assert.ok(scripts[name], `${where}: ${name}`);
      for (const [file] of (step.run ?? "").matchAll(/(scripts|\.github)\/[\w/]+\.(mjs|sh)/g)) {
        assert.ok(existsSync(path.join(root, file)), `${where}: ${file}`);
      }
    }
  });
});

describe("publishing", () => {
  const targets = ["darwin-x64", "linux-x64-gnu"];
  const files = [
    "trigger-native-1.0.0.tgz",
    "trigger-native-linux-x64-gnu-1.0.0.tgz",
    "trigger-native-darwin-x64-1.0.0.tgz",
  ];

  it("goes platform by platform, the root last", () => {
    assert.deepEqual(
      inOrder([...files, "trigger-native"], targets, "1.0.0").map(({ name }) => name),
      ["trigger-native-darwin-x64", "trigger-native-linux-x64-gnu", "trigger-native"],
    );
  });

  it("is refused when a package is missing, or one is of another version", () => {
    assert.throws(
      () => inOrder(files.slice(0, 2), targets, "1.0.0"),
      /not there: trigger-native-darwin-x64-1\.0\.0\.tgz/,
    );
    assert.throws(() => inOrder([...files, "trigger-native-0.9.0.tgz"], targets, "1.0.0"), /not of version 1\.0\.0/);
  });
});
