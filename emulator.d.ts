/**
 * A local Trigger.dev realtime API with scripted runs, so that a frontend or a test needs no account. See
 * `docs/emulator.md` for the API it has.
 */

/**
 * A JSON value. In scripts, the string `"$n"` stands for the count of a repeat, `"$payload"` for the payload and
 * `"$result"` for the result of the last wait; `"$payload.a.0"` and `"$result.output"` for a part.
 */
export type ScriptValue = string | number | boolean | null | { [key: string]: ScriptValue } | ScriptValue[];

/** One step of a task: an object with one key. Times are in milliseconds. */
export type Step =
  /** Waits. */
  | { wait: number }
  /** Sets the raw status: `"EXECUTING"`, `"WAITING_TO_RESUME"` and so on, unknown ones too (docs/emulator.md). */
  | { status: string }
  /** Sets these keys of the metadata. */
  | { metadata: { [key: string]: ScriptValue } }
  /** Replaces the metadata. */
  | { replaceMetadata: { [key: string]: ScriptValue } }
  /** Adds a tag. */
  | { tag: string }
  /** Writes these chunks to a stream of the run, one every `every` (0) milliseconds. */
  | { stream: { key: string; chunks: ScriptValue[]; every?: number | undefined } }
  /**
   * Waits until a wait token is completed or timed out. Without a `tokenId` a new one is made, and its id is put into the
   * metadata under `metadata` (`"tokenId"`), with its public token under `publicAccessToken`. `$result` is then
   * `{ ok: true, output }` or `{ ok: false, error }`.
   */
  | {
      waitToken: {
        tokenId?: ScriptValue | undefined;
        metadata?: string | undefined;
        timeout?: string | undefined;
        tags?: string[] | undefined;
      };
    }
  /** Waits for something sent to this input stream, at most `timeout` milliseconds. `$result` is then the data, or null. */
  | { input: { stream: string; timeout?: number | undefined } }
  /** Ends the run, successfully, with this output. */
  | { output: ScriptValue }
  /** Ends the run with this error. `name` is `"Error"` and `stackTrace` name and message unless given. */
  | { fail: { message: string; name?: string | undefined; stackTrace?: string | undefined } }
  /** Does its steps for each count from `from` (1) to `to`, both included, by `by` (1). */
  | { repeat: { from?: number | undefined; to: number; by?: number | undefined; steps: Step[] } };

/** The script of a task's runs. */
export interface TaskScript {
  /** How long the run waits for a worker, in milliseconds; `null` is for ever. @default 150 */
  queued?: number | null | undefined;
  /** Its steps after that. Without an `output` or `fail` it succeeds without an output. @default [] */
  steps?: Step[] | undefined;
}

/** A key of an environment that cannot sign. */
export interface AdditionalKey {
  /** `tr_dev_sk_` and 24 letters or digits. */
  key: string;
  /** The scopes it acts with, as in a token (`"read:runs"`); none grants nothing. @default [] */
  scopes?: string[] | undefined;
}

/** An environment: runs and keys of one never meet those of another. */
export interface EmulatorEnvironment {
  /** Its id: the `sub` of its tokens. */
  id: string;
  /** Its root key. */
  secretKey: string;
  /** @default [] */
  additionalKeys?: AdditionalKey[] | undefined;
  /** The most live requests held at once; beyond it they are answered 429. No limit by default. */
  maxConnections?: number | undefined;
}

/** Something that goes wrong on purpose. */
export type Fault = {
  /** The route it hits, named as in {@link EmulatorStats.byRoute}; every route of the API unless given. */
  route?: string | undefined;
  /** How many requests it hits; all of them unless given. */
  count?: number | undefined;
  /** How many requests it lets pass first. @default 0 */
  after?: number | undefined;
} & (
  | /** The connection ends without an answer. */ { kind: "drop" }
  | /** The connection ends after so many bytes of the body. */ { kind: "cut"; bytes?: number | undefined }
  | /** The answer comes so many milliseconds later. */ { kind: "delay"; delayMs: number }
  | /** Another answer, from 400 to 599; `retryAfter` is in seconds. */ {
      kind: "status";
      status: number;
      retryAfter?: number | undefined;
    }
  | /** A feed gets 409: its shape is gone. */ { kind: "mustRefetch" }
);

/** The options of {@link startEmulator}. */
export interface EmulatorOptions {
  /** The port on 127.0.0.1; 0 lets the system choose. @default 0 */
  port?: number | undefined;
  /** How much faster than written scripts run. Above 0. @default 1 */
  speed?: number | undefined;
  /** How long a live request is held without news, give or take 15 %, in milliseconds. @default 20000 */
  holdMs?: number | undefined;
  /**
   * How long a run's change is remembered for the next live request of its feed, in milliseconds. The real server
   * remembers about 2,000: an earlier change is sent when the request runs out, or with the next change, so that a client
   * that was away for longer must ask once without `live`. Feeds of tags and batches get it at once.
   * @default no limit
   */
  memoryMs?: number | undefined;
  /** The most runs kept. @default 100000 */
  maxRuns?: number | undefined;
  /** The root key of the main environment. @default "tr_dev_emulatornotasecret" */
  secretKey?: string | undefined;
  /** The id of the main environment. */
  environmentId?: string | undefined;
  /** The most live requests of the main environment held at once. No limit by default. */
  maxConnections?: number | undefined;
  /**
   * `"manual"` is a clock that stands until {@link Emulator.advance} moves it: scripts, delays, ttls, time-outs and
   * timestamps go by it. How long requests are held, and faults, stay in real time. @default "system"
   */
  clock?: "system" | "manual" | undefined;
  /**
   * Where a manual clock begins: a time in UTC such as `"2026-01-01T00:00:00Z"`, Unix milliseconds, or a `Date`.
   * Tokens are checked by this clock too. @default "2026-01-01T00:00:00Z"
   */
  now?: string | number | Date | undefined;
  /** The folder of the page at `/`. By default the one that the package brings. */
  pageDirectory?: string | undefined;
  /** The faults from the start; `PUT /emulator/faults` changes it. @default [] */
  faults?: Fault[] | undefined;
  /** More keys of the main environment. @default [] */
  additionalKeys?: AdditionalKey[] | undefined;
  /** More environments. @default [] */
  environments?: EmulatorEnvironment[] | undefined;
  /**
   * Tasks by id, beside the built-in `hello`, `progress`, `slow`, `failing`, `waiting`, `streamer`, `approval`, `chat`,
   * `echo` and `stuck`, or in their place. `*` is every other task: unless given, it answers with its payload.
   */
  tasks?: Record<string, TaskScript> | undefined;
}

/** The requests that an emulator was sent, without its own calls. */
export interface EmulatorStats {
  /** All of them. */
  total: number;
  /** By route, such as `"GET /realtime/v1/runs/{id}"`; routes without requests are left out. */
  byRoute: Record<string, number>;
}

/** A running emulator. */
export interface Emulator {
  /** Where it listens, `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The root key of its main environment. */
  readonly secretKey: string;
  /** The requests so far; none once it was stopped. */
  stats(): Promise<EmulatorStats>;
  /**
   * Moves a manual clock on by so many milliseconds, from 0 on, and waits until everything due was done: in its order,
   * each at its time. Steps that are due at once, such as after an input, are done too, also by 0.
   *
   * @returns Where the clock is then.
   * @throws {ArgumentError} for a clock that goes by itself, and beyond the year 9999 (`ERR_CLOCK`), and for a number
   * that is not whole (`ERR_INVALID_ARGUMENT`). {@link TriggerNativeError} once it was stopped (`ERR_EMULATOR_STOPPED`).
   */
  advance(ms: number): Promise<Date>;
  /**
   * Puts these tasks in the place of those it was given; the built-in ones stay. Runs that have begun go on as they were.
   *
   * @returns How many tasks there are then, with the built-in ones.
   * @throws {ArgumentError} on a script that cannot be one (`ERR_INVALID_SCRIPT`); then nothing changes.
   * {@link TriggerNativeError} once it was stopped (`ERR_EMULATOR_STOPPED`).
   */
  replaceTasks(tasks: Record<string, TaskScript>): Promise<number>;
  /** Ends it, with every connection it holds. Idempotent. */
  stop(): Promise<void>;
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts an emulator. It keeps the process alive until it is stopped, whether or not its object is kept.
 *
 * @throws {ArgumentError} on an option that is unknown or wrong (`ERR_INVALID_OPTIONS`) and on a script that cannot be
 * one (`ERR_INVALID_SCRIPT`). {@link TriggerNativeError} when the port is taken (`ERR_EMULATOR_PORT`).
 */
export function startEmulator(options?: EmulatorOptions): Promise<Emulator>;
