import { createRealtimeHandler } from "trigger-native";

/** What `trigger-native/client` and the official hooks speak to, at `/api/trigger` of this server. */
export default fromNodeMiddleware(createRealtimeHandler().node);
