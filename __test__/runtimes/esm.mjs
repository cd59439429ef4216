import * as native from "trigger-native";
import { auth, BatchTriggerError, runs, TriggerNativeError, tasks } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import follow from "./follow.cjs";

const emulator = await startEmulator({ speed: 20 });
const said = await follow({ auth, runs, tasks }, emulator);
await emulator.stop();
console.log(JSON.stringify([...said, typeof BatchTriggerError, typeof TriggerNativeError, native.auth === auth]));
