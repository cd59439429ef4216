import { createRealtimeHandler } from "trigger-native";

/** What the official hooks speak to, with `/api/trigger` of this server as their `baseURL`. */
export default fromNodeMiddleware(createRealtimeHandler().node);
