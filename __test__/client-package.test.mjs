// What of trigger-native/client is published: its size, its names, and that importing it does nothing.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import * as client from "trigger-native/client";
import { declaredBy } from "../scripts/lib/compatibility/compiler.mjs";
import { blocks } from "../scripts/lib/docs-code.mjs";
import { root } from "../scripts/lib/run.mjs";

const everything = readdirSync(path.join(root, "browser"), { recursive: true }).filter((name) => name.endsWith(".mjs"));
const files = everything.filter((name) => !name.startsWith("react"));
/** Modules that are loaded when they are needed. */
const LATE = [
  "iterate.mjs",
  "reason.mjs",
  "refusal.mjs",
  "run-error.mjs",
  "stored.mjs",
  "superjson.mjs",
  "token-tries.mjs",
];
const MAX_BYTES = 6 * 1024;

/** The bundle of a program that connects, with all that is imported from the start. */
async function bundle(options = {}) {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents: 'export { connect } from "trigger-native/client";', resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: LATE.map((name) => `./${name}`),
    logLevel: "silent",
    ...options,
  });
  assert.deepEqual(warnings, []);
  return { text: outputFiles[0].text, inputs: Object.keys(metafile.inputs).filter((name) => name !== "<stdin>") };
}

describe("trigger-native/client", () => {
  it("takes 6 KB, and nothing but its own files", async () => {
    const { text, inputs } = await bundle();
    const bytes = gzipSync(text, { level: 9 }).length;
    assert.ok(bytes <= MAX_BYTES, `${bytes} bytes`);
    const first = files.filter((name) => !LATE.includes(name)).map((name) => `browser/${name}`);
    assert.deepEqual(inputs.sort(), first.sort());
    for (const name of LATE) assert.ok(text.includes(`import("./${name}")`), name);
  });

  it("takes 17 KB with the hooks of trigger-native/react", async () => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: 'export * from "trigger-native/react";', resolveDir: root },
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      external: ["react"],
      splitting: true,
      outdir: "/",
      absWorkingDir: "/",
      logLevel: "silent",
    });
    const pieces = new Map(outputFiles.map(({ path: file, contents }) => [file.slice(1), contents]));
    const loaded = new Set(["stdin.js"]);
    // What a piece imports from the start comes with it.
    for (const piece of loaded) {
      for (const { path: file, kind } of metafile.outputs[piece].imports) {
        if (kind === "import-statement" && pieces.has(file)) loaded.add(file);
      }
    }
    const bytes = [...loaded].reduce((sum, piece) => sum + gzipSync(pieces.get(piece), { level: 9 }).length, 0);
    assert.ok(loaded.size < pieces.size && bytes > 10_000 && bytes <= 17 * 1024, `${bytes} bytes`);
  });

  it("is the same for every kind of bundler, and never the sentence for servers", async () => {
    for (const condition of ["edge-light", "workerd", "worker", "browser", "node"]) {
      const { inputs } = await bundle({ conditions: [condition] });
      assert.ok(inputs.includes("browser/client.mjs") && !inputs.includes("edge.mjs"), condition);
    }
  });

  it("exports what it declares, to compilers of every age", () => {
    const names = [...declaredBy(root, "trigger-native/client")]
      .filter(([, { isValue }]) => isValue)
      .map(([name]) => name);
    assert.deepEqual(names, ["connect"]);
    assert.deepEqual(Object.keys(client), names);
  });

  it("does nothing when it is imported, and needs no page to connect", async () => {
    const { text } = await bundle({
      format: "iife",
      globalName: "it",
      external: [],
      supported: { "dynamic-import": true },
    });
    // No timer, no document, no fetch: a context that has nothing.
    const run = runInNewContext(`"use strict"; ${text}; const run = it.connect().run("run_1"); run.getState()`, {});
    assert.equal(run.state, "connecting");
  });

  it("asks for nothing and shows no failure where a server renders, which subscribes and stops in one turn", async () => {
    const states = [];
    let asked = 0;
    const accessToken = () => {
      asked++;
      return "token";
    };
    // A path, which no page completes here.
    const run = client.connect({ url: "/api/trigger", accessToken }).run("run_1");
    run.subscribe((state) => states.push(state))();
    await new Promise(setImmediate);
    assert.deepEqual(states, [{ value: undefined, error: undefined, state: "connecting" }]);
    assert.equal(run.getState(), states[0]);
    assert.equal(asked, 0);
  });

  it("holds no code that a strict policy forbids", () => {
    for (const name of everything) {
      const text = readFileSync(path.join(root, "browser", name), "utf8");
      assert.doesNotMatch(text, /\beval\(|new Function|innerHTML|document\.write/, name);
    }
  });
});

describe("the recipes for frameworks", () => {
  const recipe = (language) =>
    blocks().find((block) => block.page === "docs/client.md" && block.language === language).code;

  /** Something that is followed, by hand. */
  function followed() {
    let callback;
    return {
      getState: () => ({ value: undefined, state: "connecting" }),
      subscribe(given) {
        callback = given;
        callback(this.getState());
        return () => {
          callback = undefined;
        };
      },
      tell: (state) => callback(state),
      isFollowed: () => callback !== undefined,
    };
  }

  it("are short", () => {
    for (const language of ["svelte", "vue", "jsx", "typescript"])
      assert.ok(recipe(language).split("\n").length <= 12, language);
  });

  it("follow and stop in Solid, and follow another run for another id", async () => {
    const runs = { run_1: followed(), run_2: followed() };
    const props = { id: "run_1" };
    // What Solid does: from() takes what has subscribe(), and a memo is cleaned before it is made again.
    let clean;
    let made;
    let makeAgain;
    const context = {
      props,
      trigger: { run: (id) => runs[id] },
      from: (producer) => {
        let state;
        clean = producer.subscribe((next) => {
          state = next;
        });
        return () => state;
      },
      createMemo: (make) => {
        made = make();
        makeAgain = () => {
          clean();
          made = make();
        };
        return () => made;
      },
      tag: (name, _props, text) => `${name} ${text}`,
    };
    const options = { loader: "jsx", format: "iife", globalName: "it", jsxFactory: "tag" };
    const { code } = await transform(recipe("jsx").replace(/^import .*$/gm, ""), options);
    assert.equal(runInNewContext(`${code}; it.Status(props)`, context), "output connecting");
    runs.run_1.tell({ value: { status: "EXECUTING" } });
    assert.equal(made().value.status, "EXECUTING");
    props.id = "run_2";
    makeAgain();
    assert.deepEqual([runs.run_1.isFollowed(), runs.run_2.isFollowed()], [false, true]);
    clean();
    assert.equal(runs.run_2.isFollowed(), false);
  });

  it("follow and stop in Vue, and follow another run for another id", async () => {
    const [, script] = /<script setup>\n(.*?)<\/script>/s.exec(recipe("vue"));
    const runs = { run_1: followed(), run_2: followed() };
    const props = { id: "run_1" };
    let clean;
    let runAgain;
    const context = {
      shallowRef: (value) => ({ value }),
      // What Vue does: an effect is cleaned before it runs again, and at the end.
      watchEffect: (effect) => {
        runAgain = () => {
          clean?.();
          effect((stop) => {
            clean = stop;
          });
        };
        runAgain();
      },
      defineProps: () => props,
      trigger: { run: (id) => runs[id] },
      window: {},
    };
    const state = runInNewContext(`${script.replace(/^import .*$/gm, "")}; run`, context);
    runs.run_1.tell({ value: { status: "EXECUTING" } });
    assert.equal(state.value.value.status, "EXECUTING");
    props.id = "run_2";
    runAgain();
    assert.equal(state.value.state, "connecting");
    assert.deepEqual([runs.run_1.isFollowed(), runs.run_2.isFollowed()], [false, true]);
    clean();
    assert.equal(runs.run_2.isFollowed(), false);
  });

  it("follow and stop in Angular", async () => {
    const run = followed();
    let destroy;
    const made = (value) => ({
      get: () => value,
      set: (next) => (value = next),
      asReadonly: () => ({ get: () => value }),
    });
    const context = {
      DestroyRef: {},
      inject: () => ({
        onDestroy: (stop) => {
          destroy = stop;
        },
      }),
      signal: made,
      run,
      window: {},
    };
    const { code } = await transform(recipe("typescript"), {
      loader: "ts",
      format: "iife",
      globalName: "it",
    });
    const script = code.replace(/^.*from ".*$/gm, "").replace(/import_core\.|\(0, import_core\.(\w+)\)/g, "$1");
    const state = runInNewContext(`${script.replace(/require\([^)]*\)/g, "{}")}; it.toSignal(run)`, context);
    run.tell({ value: { status: "EXECUTING" } });
    assert.equal(state.get().value.status, "EXECUTING");
    destroy();
    assert.equal(run.isFollowed(), false);
  });
});
