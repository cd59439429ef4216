// What a browser bundle or an Edge runtime gets instead of the package (the conditions "browser", "edge-light",
// "workerd" and "worker"). It throws when it is run. The names are there so that bundlers resolve every import and this
// sentence is what a developer reads, instead of "no export named auth".

throw new Error(
  "trigger-native runs on a server only, in Node, Bun or Deno: its native core cannot be loaded in a browser or an Edge " +
    'runtime. Import it in server code alone; a route that imports it needs `export const runtime = "nodejs"`; in a ' +
    "client component use @trigger.dev/react-hooks.",
);

export const configure = undefined;
export const auth = undefined;
export const batch = undefined;
export const idempotencyKeys = undefined;
export const runs = undefined;
export const streams = undefined;
export const tasks = undefined;
export const wait = undefined;
export const TriggerClient = undefined;
export const ApiError = undefined;
export const ApiConnectionError = undefined;
export const BadRequestError = undefined;
export const AuthenticationError = undefined;
export const PermissionDeniedError = undefined;
export const NotFoundError = undefined;
export const ConflictError = undefined;
export const UnprocessableEntityError = undefined;
export const RateLimitError = undefined;
export const InternalServerError = undefined;
export const BatchNotSealedError = undefined;
export const BatchTriggerError = undefined;
export const WaitpointTimeoutError = undefined;
export const TriggerNativeError = undefined;
export const ProtocolError = undefined;
export const NoProgressError = undefined;
export const TimeoutError = undefined;
export const ConfigError = undefined;
export const ArgumentError = undefined;
export const DecodeError = undefined;
export const isTriggerRealtimeAuthError = undefined;
export const startEmulator = undefined;
