import { createRealtimeHandler } from "trigger-native";

const handler = createRealtimeHandler();

/** What the official hooks speak to, with `/api/trigger` of this server as their `baseURL`. */
export { handler as fallback };
