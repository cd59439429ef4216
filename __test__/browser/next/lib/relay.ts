import { createRealtimeHandler } from "trigger-native";

const shared = globalThis as { relay?: ReturnType<typeof createRealtimeHandler> };

// Routes are bundled apart, and the one with the counts needs the handler that answers.
shared.relay ??= createRealtimeHandler({ limits: JSON.parse(process.env.LIMITS ?? "{}") });

export const relay = shared.relay;
