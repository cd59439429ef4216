// What a user asks of the compiler is kept when folders are left out of the addon.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutFolders } from "../scripts/lib/cargo.mjs";

const REMAPPED = /^--remap-path-prefix=.+=cargo$/;

describe("building the addon", () => {
  it("keeps the flags of the environment", () => {
    const encoded = (env) => withoutFolders({ CARGO_HOME: "/c", ...env }).env.CARGO_ENCODED_RUSTFLAGS.split("\x1f");
    assert.deepEqual(encoded({ RUSTFLAGS: " -C  target-feature=-crt-static" }).slice(0, 2), [
      "-C",
      "target-feature=-crt-static",
    ]);
    // As cargo does: these are then all there are.
    assert.equal(encoded({ RUSTFLAGS: "-g", CARGO_ENCODED_RUSTFLAGS: "--cfg\x1fa b" })[1], "a b");
    assert.match(encoded({ RUSTFLAGS: "" })[0], REMAPPED);
  });

  it("keeps the flags of configuration files, which those of an environment would replace", () => {
    const given = { CARGO_HOME: "/c" };
    const { args, env } = withoutFolders(given);
    assert.equal(env, given);
    assert.equal(args[0], "--config");
    assert.match(JSON.parse(args[1].replace("build.rustflags = ", ""))[0], REMAPPED);
  });
});
