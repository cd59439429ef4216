"use strict";

/**
 * The registry of error codes: of each the class, when it comes, and what mends it. The face throws only codes of this
 * registry, each with its class: the types of `js/errors/errors.js` see to that. `src/error/code.rs` has the codes that
 * come from the core, and `types/error.d.ts` the type that users see. `npm run errors -- --write` writes
 * `docs/errors.md`.
 *
 * The registry is not in the package: nothing reads it at run time.
 *
 * @typedef {keyof typeof CODES} Code
 *
 * @typedef {object} Entry
 * @property {string | readonly string[]} class the name of the class, or of both
 * @property {string} when
 * @property {string} fix
 */

/**
 * The codes that errors of a class have.
 *
 * @template {string} Name
 * @typedef {{ [K in Code]: Name extends Named<(typeof CODES)[K]["class"]> ? K : never }[Code]} CodeOf
 */

/**
 * @template Given
 * @typedef {Given extends readonly (infer Name)[] ? Name : Given} Named
 */

/** @satisfies {Record<string, Entry>} */
const CODES = /** @type {const} */ ({
  // Refusals of the server. An error of the server's own code keeps that one.
  ERR_BAD_REQUEST: {
    class: "BadRequestError",
    when: "The server answers 400.",
    fix: "Correct the argument that the message names.",
  },
  ERR_AUTHENTICATION: {
    class: "AuthenticationError",
    when: "The server answers 401: the key or token is unknown, expired, or of another environment.",
    fix: "Set `TRIGGER_SECRET_KEY` to the environment's secret key and `TRIGGER_API_URL` to its server, or make a new token; `accessToken` as a function makes one whenever it is needed.",
  },
  ERR_PERMISSION_DENIED: {
    class: "PermissionDeniedError",
    when: "The server answers 403: the token lacks a scope.",
    fix: "Make the token with the scope, or use the secret key.",
  },
  ERR_NOT_FOUND: {
    class: "NotFoundError",
    when: "The server answers 404.",
    fix: "Check the id, and that the key is of the id's environment; a base URL is the server's origin, without `/api`.",
  },
  ERR_CONFLICT: {
    class: "ConflictError",
    when: "The server answers 409: the run, batch or token is in a state that does not allow the call.",
    fix: "Retrieve it, and call again once its state allows the call.",
  },
  ERR_UNPROCESSABLE_ENTITY: {
    class: "UnprocessableEntityError",
    when: "The server answers 422: a value has the right form and is not allowed, such as an 11th tag.",
    fix: "Correct the value that the message names.",
  },
  ERR_RATE_LIMIT: {
    class: "RateLimitError",
    when: "The server answers 429, after every attempt.",
    fix: "Wait for `millisecondsUntilReset`, call again, and call less often.",
  },
  ERR_SERVER: {
    class: "InternalServerError",
    when: "The server answers 500 or above, after every attempt.",
    fix: "Call again later; look at the server's log where it is yours.",
  },
  ERR_API: {
    class: "ApiError",
    when: "The server answers with another error status.",
    fix: "Look at `status` and `body`: a proxy in front of the server may have answered.",
  },

  // No answer came.
  ERR_CONNECTION: {
    class: "ApiConnectionError",
    when: "The server cannot be reached: name resolution, connection, TLS, a reset.",
    fix: "Look at `cause`, and check `TRIGGER_API_URL` and the proxy variables.",
  },
  ERR_CERTIFICATE: {
    class: "ApiConnectionError",
    when: "The server's certificate is refused.",
    fix: "Name the authority's certificate in `NODE_EXTRA_CA_CERTS`; the message says what is wrong.",
  },
  ERR_DROPPED: {
    class: "ApiConnectionError",
    when: "A stream breaks off again and again without a new value.",
    fix: "Look for what cuts long responses between this process and the server, such as a proxy's timeout.",
  },
  ERR_BODY_BROKE_OFF: {
    class: "ApiConnectionError",
    when: "The body of an answer that the relay passes on breaks off.",
    fix: "None is needed: the viewer's client asks again.",
  },

  // Time.
  ERR_TIMEOUT: {
    class: "TimeoutError",
    when: "A call, an attempt or the function that makes tokens takes too long.",
    fix: "Set a longer `timeoutInMs`, or find out why the server is slow; a function that makes tokens has 30 s.",
  },
  ERR_POLL_TIMEOUT: {
    class: "TimeoutError",
    when: "`runs.poll()` looked at a run 500 times, and the run has not ended.",
    fix: "Follow the run with `runs.subscribeToRun()`, or set a longer `pollIntervalMs`.",
  },
  ERR_SILENT: {
    class: "TimeoutError",
    when: "A feed or stream brings nothing for longer than `silenceTimeoutMs`, after every attempt.",
    fix: "Let `/realtime` pass unbuffered through every proxy before the server, or set a longer `silenceTimeoutMs`.",
  },

  // The protocol.
  ERR_PROTOCOL: {
    class: "ProtocolError",
    when: "An answer is not what the server should send: HTML, missing headers, JSON cut short.",
    fix: "Check that the base URL is a Trigger.dev server, and that no proxy changes its answers.",
  },
  ERR_TOO_LARGE: {
    class: "ProtocolError",
    when: "An event of a stream is longer than 16 MiB.",
    fix: "Write smaller values to the stream.",
  },
  ERR_STREAM: {
    class: "ProtocolError",
    when: "The server says that it cannot read a stream.",
    fix: "Read the stream again; the message holds the server's words.",
  },
  ERR_NO_PROGRESS: {
    class: "NoProgressError",
    when: "The server answers again and again without anything new.",
    fix: "Look for a cache or a proxy that answers in the server's place, and exempt `/realtime` from it.",
  },

  // The configuration.
  ERR_INVALID_CONFIG: {
    class: "ConfigError",
    when: "An option of `configure()`, `TriggerClient`, `auth.withAuth()` or a call's request options is unknown or of a wrong type.",
    fix: "Correct the option that the message names.",
  },
  ERR_INVALID_BASE_URL: {
    class: "ConfigError",
    when: "The base URL is no http(s) URL.",
    fix: "Set `baseURL` or `TRIGGER_API_URL` to the server's origin, such as `https://api.trigger.dev`.",
  },
  ERR_MISSING_ACCESS_TOKEN: {
    class: "ConfigError",
    when: "No key is set.",
    fix: "Set `TRIGGER_SECRET_KEY`, or pass `accessToken` to `configure()`.",
  },
  ERR_INVALID_ACCESS_TOKEN: {
    class: "ConfigError",
    when: "The key has characters that no key has, a relay has a public token or a function for its key, or the function that makes tokens returns no string.",
    fix: "Copy the key whole and without quotes; give a relay the secret key; return a string from the function.",
  },
  ERR_INVALID_BRANCH: {
    class: "ConfigError",
    when: "The preview branch holds a character that no header can carry.",
    fix: "Set `previewBranch` or `TRIGGER_PREVIEW_BRANCH` to the branch's name.",
  },
  ERR_INVALID_HEADER: {
    class: ["ConfigError", "ArgumentError"],
    when: "A name or value of `additionalHeaders`, or a content type, cannot be a header.",
    fix: "Leave out line breaks and control characters.",
  },
  ERR_INVALID_REQUEST_OPTIONS: {
    class: "ConfigError",
    when: "The core cannot read `requestOptions`, which were checked before.",
    fix: "Report it with the message; a wrong option is `ERR_INVALID_CONFIG`.",
  },
  ERR_INVALID_REQUEST: {
    class: ["ArgumentError", "ConfigError"],
    when: "The relay is called with a value that is no HTTP request, or a request cannot be built.",
    fix: "Call the relay with a `Request`, or with Node's request and response; check base URL and headers.",
  },
  ERR_INVALID_PROXY: {
    class: "ConfigError",
    when: "A proxy variable is no URL of an http(s) proxy.",
    fix: "Set the variable to a URL such as `http://proxy.internal:3128`, without quotes, or name the server in `NO_PROXY`.",
  },
  ERR_INVALID_THREADS: {
    class: "ConfigError",
    when: "`TRIGGER_NATIVE_THREADS` is not a whole number from 1 to 64.",
    fix: "Set the variable to such a number, or remove it.",
  },
  ERR_HTTP_CLIENT: {
    class: "ConfigError",
    when: "The HTTP client cannot be built.",
    fix: "Check the proxy variables; `cause` says why.",
  },
  ERR_CANNOT_SIGN: {
    class: "ConfigError",
    when: "A token is made with a public token, or with an additional key on a server that is too old for it.",
    fix: "Set `TRIGGER_SECRET_KEY` to the environment's root API key.",
  },
  ERR_SERVER_TOO_OLD: {
    class: "ConfigError",
    when: "The server is too old to make tokens for this kind of key.",
    fix: "Upgrade the server, or use the environment's root API key.",
  },
  ERR_MISSING_SCOPE: {
    class: "ConfigError",
    when: "A task is triggered with a public token whose scopes do not allow it.",
    fix: "Make the token with `auth.createTriggerPublicToken()`, or use the secret key.",
  },
  ERR_CLOSED: {
    class: "ConfigError",
    when: "`listen()` is called on a relay that was closed.",
    fix: "Create another handler.",
  },
  ERR_RELAY_PORT: {
    class: "ConfigError",
    when: "The relay cannot listen on its port or address.",
    fix: "Free the port, or choose another; 0 is any free one.",
  },
  ERR_EMULATOR_PORT: {
    class: "ConfigError",
    when: "The emulator cannot listen on its port.",
    fix: "Free the port, or choose another; 0 is any free one.",
  },
  ERR_EMULATOR_STOPPED: {
    class: "ConfigError",
    when: "A method is called on an emulator that was stopped.",
    fix: "Start another emulator.",
  },
  ERR_NOT_HERE: {
    class: "ConfigError",
    when: "A part of `TriggerClient` that manages a project is used.",
    fix: "Use the `TriggerClient` of `@trigger.dev/sdk` for it.",
  },

  // Arguments.
  ERR_INVALID_OPTIONS: {
    class: "ArgumentError",
    when: "An option of a subscription, stream, replay, relay or emulator is unknown, or one of these or of a trigger is of a wrong type or out of range.",
    fix: "Correct the option that the message names.",
  },
  ERR_INVALID_ARGUMENT: {
    class: "ArgumentError",
    when: "An argument is of a wrong type, or cannot be written as JSON.",
    fix: "Pass what the message asks for, or only values that plain JSON can hold.",
  },
  ERR_INVALID_ID: {
    class: "ArgumentError",
    when: "An id or key is empty, of a wrong type, or cannot be one segment of a path.",
    fix: "Pass the id, or the handle that triggering returned; an `await` may be missing.",
  },
  ERR_INVALID_TAG: {
    class: "ArgumentError",
    when: "No tag is given, or one is not a string.",
    fix: "Pass the tag or tags that the runs must have.",
  },
  ERR_INVALID_TASK: {
    class: "ArgumentError",
    when: "A token that triggers is made without the id of a task.",
    fix: "Pass the id of the task that the token may trigger.",
  },
  ERR_INVALID_SCOPES: {
    class: "ArgumentError",
    when: "A scope names an unknown action or resource, or has a wrong type.",
    fix: 'Write them as `{ read: { runs: ["run_1234"] } }`.',
  },
  ERR_SCOPES_REQUIRED: {
    class: "ArgumentError",
    when: "A token without scopes is made with a key that cannot sign.",
    fix: 'Pass at least one scope, such as `{ read: { runs: ["run_1234"] } }`.',
  },
  ERR_INVALID_EXPIRATION: {
    class: "ArgumentError",
    when: "`expirationTime` is not a time, is past, or is in milliseconds.",
    fix: 'Pass a period such as `"1h"`, or a `Date` or Unix seconds in the future.',
  },
  ERR_INVALID_PAYLOAD: {
    class: "ArgumentError",
    when: "A payload cannot be serialized.",
    fix: "Look at `cause`: a getter or `toJSON()` of the payload throws, or the payload is nested too deeply.",
  },
  ERR_INVALID_IDEMPOTENCY_KEY: {
    class: "ArgumentError",
    when: "An idempotency key, a part of it or its scope is missing or unknown.",
    fix: "Pass a string or an array of strings, none of them `undefined`; a scope is `run`, `attempt` or `global`.",
  },
  ERR_INVALID_ITEM: {
    class: "ArgumentError",
    when: "An item of a batch is not an object.",
    fix: "Pass items such as `{ payload }`.",
  },
  ERR_INVALID_ITEMS: {
    class: "ArgumentError",
    when: "The items of a batch cannot be iterated.",
    fix: "Pass an array, an async iterable or a `ReadableStream`.",
  },
  ERR_BATCH_TOO_LARGE: {
    class: "ArgumentError",
    when: "A batch has more than 100,000 items or 1 GiB.",
    fix: "Send several batches.",
  },
  ERR_ALREADY_READ: {
    class: "ArgumentError",
    when: "`withStreams()` is called a second time on a subscription, or `toResponse()` after its parts were read.",
    fix: "Subscribe once more for the other reader.",
  },
  ERR_NO_PAGE: {
    class: "ArgumentError",
    when: "There is no next or previous page.",
    fix: "Ask `hasNextPage()` or `hasPreviousPage()` first.",
  },
  ERR_INVALID_SCRIPT: {
    class: "ArgumentError",
    when: "A task's script of the emulator is not valid.",
    fix: "Correct the step that the message names.",
  },
  ERR_CLOCK: {
    class: "ArgumentError",
    when: "The emulator's clock is moved while it runs by itself, or beyond the year 9999.",
    fix: 'Start the emulator with `clock: "manual"`, and move its clock within the year 9999.',
  },

  // Data.
  ERR_INVALID_ROW: {
    class: "DecodeError",
    when: "A row of a feed is not a run.",
    fix: "Report it with the message, which names what the row lacks; other runs go on.",
  },
  ERR_DECODE: {
    class: "DecodeError",
    when: "A column of a run, such as its payload, cannot be decoded.",
    fix: "Look at `cause`, and at what the task wrote; the rest of the run is intact.",
  },

  // The rest.
  ERR_ABORTED: {
    class: "DOMException",
    when: "The caller aborted. The call rejects with the signal's reason, which has a code of its own.",
    fix: "None is needed; `signal.aborted` tells it from a failure.",
  },
  ERR_TASK_ONLY: {
    class: "TriggerNativeError",
    when: "A function that works inside a task only is called.",
    fix: "Import it from `@trigger.dev/sdk`, inside the task.",
  },
  ERR_NO_TEMPORARY_FILE: {
    class: "TriggerNativeError",
    when: "The items of a large batch cannot be kept in a temporary file.",
    fix: "Make the directory of `TMPDIR` writable, or send smaller batches.",
  },
  ERR_NO_SCOPES: {
    class: "TriggerNativeError",
    when: "With `TRIGGER_NATIVE_STRICT`: a public token is made without scopes.",
    fix: "Add the scopes that the browser needs.",
  },
  ERR_POLLING: {
    class: "TriggerNativeError",
    when: "With `TRIGGER_NATIVE_STRICT`: one run is retrieved ten times within a minute.",
    fix: "Follow it with `runs.subscribeToRun()`.",
  },
  ERR_LARGE_COLUMNS: {
    class: "TriggerNativeError",
    when: "With `TRIGGER_NATIVE_STRICT`: a run goes to a browser with a payload or output of 64 KB or more.",
    fix: "Leave out the columns that the page does not show, with `skipColumns`.",
  },
  ERR_NO_ADDON: {
    class: "Error",
    when: "The native addon cannot be loaded.",
    fix: "Do what the message says; it names what was looked for.",
  },
  ERR_ADDON_VERSION: {
    class: "Error",
    when: "The native addon is of another version than the package.",
    fix: "Install both in one version.",
  },
  ERR_INTERNAL: {
    class: "TriggerNativeError",
    when: "This package has a fault.",
    fix: "Report it with the message.",
  },
  ERR_RUNTIME: {
    class: "TriggerNativeError",
    when: "The operating system gives no more threads.",
    fix: "Raise the limit of threads, or set `TRIGGER_NATIVE_THREADS` to 1.",
  },
  ERR_TLS: {
    class: "TriggerNativeError",
    when: "TLS cannot be set up.",
    fix: "Report it with `cause`.",
  },
});

module.exports = { CODES };
