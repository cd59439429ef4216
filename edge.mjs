// The package in a browser bundle or an Edge runtime (the conditions "browser", "edge-light", "workerd" and "worker"). Using
// one of its names throws. All names are there, so that bundlers resolve every import, and a developer reads the sentence
// below instead of "no export named auth".

function unavailable() {
  throw new Error(
    "trigger-native runs on a server only, in Node, Bun or Deno: its native core cannot be loaded in a browser or an " +
      'Edge runtime. Import it in server code alone; take `export const runtime = "edge"` out of a route that imports it; ' +
      "in a client component use trigger-native/react or @trigger.dev/react-hooks, in other browser code trigger-native/client.",
  );
}

// Of a call, so that no bundler puts a constant where a name is used, and leaves the sentence out.
const absent = unavailable();

export const configure = absent;
export const auth = absent;
export const batch = absent;
export const idempotencyKeys = absent;
export const runs = absent;
export const streams = absent;
export const tasks = absent;
export const wait = absent;
export const TriggerClient = absent;
export const ApiError = absent;
export const TriggerApiError = absent;
export const ApiConnectionError = absent;
export const BadRequestError = absent;
export const AuthenticationError = absent;
export const PermissionDeniedError = absent;
export const NotFoundError = absent;
export const ConflictError = absent;
export const UnprocessableEntityError = absent;
export const RateLimitError = absent;
export const InternalServerError = absent;
export const BatchNotSealedError = absent;
export const BatchTriggerError = absent;
export const WaitpointTimeoutError = absent;
export const TriggerNativeError = absent;
export const ProtocolError = absent;
export const NoProgressError = absent;
export const TimeoutError = absent;
export const ConfigError = absent;
export const ArgumentError = absent;
export const DecodeError = absent;
export const isTriggerRealtimeAuthError = absent;
export const createRealtimeHandler = absent;
export const startEmulator = absent;
