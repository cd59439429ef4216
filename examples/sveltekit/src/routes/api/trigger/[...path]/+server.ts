import { createRealtimeHandler } from "trigger-native";

const handler = createRealtimeHandler();

/** What `trigger-native/client` and the official hooks speak to, at `/api/trigger` of this server. */
export { handler as fallback };
