import { createRealtimeHandler } from "trigger-native";

/** What the hooks of both packages speak to. It serves each visitor what the visitor's own token may read. */
const handler = createRealtimeHandler();

export { handler as action, handler as loader };
