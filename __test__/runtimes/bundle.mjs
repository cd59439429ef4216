// Bundled twice, so that two copies of the JavaScript share one addon.

import * as sdk from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import follow from "./follow.cjs";

export const start = () => startEmulator({ speed: 20 });
export const run = (emulator) => follow(sdk, emulator);
export { sdk };
