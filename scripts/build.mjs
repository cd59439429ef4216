// Stand-in: builds the addon and puts it beside the JavaScript.
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";

execFileSync("cargo", ["build", "--release"], { stdio: "inherit" });
copyFileSync("target/release/libtrigger_native.so", "js/trigger-native.node");
