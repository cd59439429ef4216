// What a user asks of the compiler is kept when folders are left out of the addon.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asPublished } from "../scripts/lib/cargo.mjs";
import { flagsFor, zigCargo } from "../scripts/lib/zig.mjs";

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
    const { CFLAGS, ...rest } = env;
    assert.deepEqual(rest, given);
    assert.equal(args[0], "--config");
    assert.ok(JSON.parse(args[1].replace("build.rustflags = ", "")).some((flag) => REMAPPED.test(flag)));
  });

  it("keeps the flags of C of the environment", () => {
    assert.match(asPublished({ CFLAGS: "-g -O1" }).env.CFLAGS, /^-g -O1(?: -fno-\S+)*$/);
  });

  it("takes no flags of configuration files into a release, and Node's own C library where it is musl", () => {
    const encoded = (target, env) => flagsFor(target, env).CARGO_ENCODED_RUSTFLAGS;
    const shared = "-Ctarget-feature=-crt-static";
    assert.equal(encoded("linux-x64-gnu", {}), "");
    assert.equal(encoded("linux-x64-musl", {}), shared);
    assert.equal(encoded("linux-arm64-musl", { RUSTFLAGS: "-g" }), `-g\x1f${shared}`);
    const { args, env } = asPublished(flagsFor("linux-x64-musl", { CARGO_HOME: "/c" }));
    assert.deepEqual(args, []);
    const flags = env.CARGO_ENCODED_RUSTFLAGS.split("\x1f");
    assert.deepEqual([flags[0], flags.some((flag) => REMAPPED.test(flag))], [shared, true]);
  });

  it("is refused for a platform that Zig builds nothing for", async () => {
    await assert.rejects(zigCargo("darwin-x64"), /"darwin-x64" is none of: linux-arm64-gnu, .*linux-x64-musl/);
  });
});
