// What a user asks of the compiler is kept when folders are left out of the addon.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { asPublished } from "../scripts/lib/cargo.mjs";

const REMAPPED = /^--remap-path-prefix=.+=cargo$/;

describe("building the addon", () => {
  it("keeps the flags of the environment", () => {
    const encoded = (env) => asPublished({ CARGO_HOME: "/c", ...env }).env.CARGO_ENCODED_RUSTFLAGS.split("\x1f");
    assert.deepEqual(encoded({ RUSTFLAGS: " -C  target-feature=-crt-static" }).slice(0, 2), [
      "-C",
      "target-feature=-crt-static",
    ]);
    // As cargo does: these are then all there are.
    assert.equal(encoded({ RUSTFLAGS: "-g", CARGO_ENCODED_RUSTFLAGS: "--cfg\x1fa b" })[1], "a b");
    assert.ok(encoded({ RUSTFLAGS: "" }).some((flag) => REMAPPED.test(flag)));
  });

  it("keeps the flags of configuration files, which those of an environment would replace", () => {
    const given = { CARGO_HOME: "/c" };
    const { args, env } = asPublished(given);
    assert.equal(env, given);
    assert.equal(args[0], "--config");
    assert.ok(JSON.parse(args[1].replace("build.rustflags = ", "")).some((flag) => REMAPPED.test(flag)));
  });

  it("is the same in a release's images, which have no Node", async () => {
    const script = await readFile(new URL("../.github/build/linux.sh", import.meta.url), "utf8");
    const [, flags] = /RUSTFLAGS="(.*)"/.exec(script);
    const names = (list) => list.map((flag) => flag.replace(/^(--remap-path-prefix)=.*=/, "$1=")).sort();
    const published = asPublished({ RUSTFLAGS: "" }).env.CARGO_ENCODED_RUSTFLAGS.split("\x1f");
    assert.deepEqual(names(flags.split(" ").filter((flag) => flag !== "$libc")), names(published));
  });
});
