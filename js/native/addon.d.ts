/**
 * What the native addon exports: the functions and classes of `src/bridge/`, under the names that JavaScript has for
 * them. `__test__/addon-types.test.mjs` compares every name, parameter and kind of result with the Rust source and with
 * the addon itself.
 *
 * Data crosses as JSON texts, and failures as `{"error": …}` (`src/bridge/error.rs`): nothing here throws for a fault
 * of a user, a server or the network.
 */

import type { EmulatorStats } from "../../emulator.js";
import type { LogFields } from "../../types/config.js";
import type { RealtimeStats } from "../../types/relay.js";
import type { StreamStats } from "../../types/stream.js";
import type { RetryNotice, SubscriptionState, SubscriptionStats } from "../../types/subscription.js";

declare const json: unique symbol;
/** A text that is the JSON of a `T`: `JSON.parse` gives a `T` for it. */
export type Json<T> = string & { readonly [json]: T };

declare global {
  interface JSON {
    parse<T>(text: Json<T>): T;
  }
}

/** `Option` in Rust: missing as `null` or `undefined`. */
export type Maybe<T> = T | null | undefined;

/** An error on the wire, which `fromNative` of `js/errors/errors.js` reads. */
export interface WireError {
  /** The class: a key of `BY_KIND` there, `"api"`, `"connection"`, `"aborted"` or `"internal"`. */
  kind: string;
  code: string;
  message: string;
  cause?: string;
  /** Of `"api"` alone, as the two below: what the server answered. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

export type Failed = { error: WireError; ok?: undefined };
export type Outcome<T> = { ok: T; error?: undefined } | Failed;

/** The base URL, key, branch and request options of a configuration. Opaque. */
export interface Client {
  readonly [client]: never;
}
declare const client: unique symbol;

/** The answer to a call. Headers are by lower-case name. */
export interface CallResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The version of the package that the addon was built for. */
export const VERSION: string;

/** The version of the environment's variables; another number after any of those that matter changed. */
export function environment(): number;

export { makeClient as client };

declare function makeClient(
  baseUrl: string,
  key: string,
  branch: Maybe<string>,
  options: string,
): Client | Json<Failed>;

/** Cancels the calls that it is given to. */
export class Cancel {
  constructor();
  cancel(): void;
}

/** A log line. Its level is the name of a logger's function. */
export type LogLine = [level: "debug" | "info" | "warn" | "error", message: string, fields: LogFields];

/** A logger, which takes lines until it is closed or collected. `level` is the most of it. */
export class LogSink {
  constructor(level: string, deliver: (lines: Json<LogLine[]>) => void);
  take(): Json<LogLine[]>;
  close(): void;
}

/** A token that is renewed. Clients that share one share their feeds. */
export class Credential {
  constructor(token: string);
  supply(token: string): void;
  refuse(): void;
  isDue(): boolean;
}
export function withCredential(client: Client, credential: Credential): Client;
export function checkToken(client: Client, token: string): Json<Failed> | null;

export function call(
  client: Client,
  request: string,
  body: Maybe<string>,
  cancel: Maybe<Cancel>,
  timeoutMs: Maybe<number>,
): Promise<Json<Outcome<CallResponse>>>;
export function getPresigned(
  url: string,
  baseUrl: string,
  cancel: Maybe<Cancel>,
  timeoutMs: Maybe<number>,
): Promise<Json<Outcome<CallResponse>>>;
export function putPresigned(
  url: string,
  baseUrl: string,
  kind: string,
  body: string,
  cancel: Maybe<Cancel>,
  timeoutMs: Maybe<number>,
): Promise<Json<Outcome<CallResponse>>>;

/** One attempt to send the items of a batch. */
export class Upload {
  private constructor();
  /** `"true"` once there is room for more, `"false"` when the request is over. */
  write(chunk: string): Promise<"true" | "false">;
  finish(): Promise<Json<Outcome<CallResponse> & { retryInMs: number | null }>>;
  abandon(): void;
}
export function openUpload(client: Client, request: string, attempt: number): Upload | Json<Failed>;

/**
 * The token; `null` while the claims are not known (`loadClaims`, then this again); `@` and the body for `mintRemotely`
 * where the key cannot sign; a {@link Failed} as JSON. A token is bare, since minting is the fast path; none starts
 * with `{`.
 */
export function mint(
  client: Client,
  kind: number,
  scopes: Maybe<string>,
  realtime: Maybe<string>,
  nowMs: number,
  expSeconds: number,
  period: Maybe<string>,
): string | null;
export function checkExpiry(nowMs: number, expSeconds: number, period: Maybe<string>): Json<Failed> | null;
export function loadClaims(
  client: Client,
  cancel: Maybe<Cancel>,
  timeoutMs: Maybe<number>,
  trace: Maybe<string>,
): Promise<Json<Outcome<null>>>;
export function mintRemotely(
  client: Client,
  body: string,
  cancel: Maybe<Cancel>,
  timeoutMs: Maybe<number>,
  trace: Maybe<string>,
): Promise<Json<Outcome<string>>>;
/** The token of a handle, or a {@link Failed} as JSON: a token never starts with `{`. */
export function mintHandle(
  client: Client,
  claims: string,
  scopes: string,
  nowMs: number,
  expSeconds: number,
  period: Maybe<string>,
): string;

/** Where batches go that come of their own time: `[ticket, batch, ticket, batch, …]`. */
export class Mailbox {
  constructor(deliver: (letters: Json<unknown[]>) => void);
  settle(): void;
}

/** A batch, where there is one; else the ticket of the letter that brings it. */
export type Next<Batch> = Json<Batch> | number;
/** Of a reader whose token was refused: `Credential.supply` or `refuse` is owed. */
export type WantsToken = { wantsToken: true; error?: undefined };
export type Notice =
  | { type: "state"; state: SubscriptionState }
  | { type: "retry"; retry: RetryNotice; state?: undefined };

/** A packet as the core has it: text, and the type that says how to decode it. */
export interface WirePacket {
  data: string;
  type: string;
}
/** The packet of this run that was handed over before. */
export type SamePacket = 1;

/** A row as `src/run/render.rs` writes it: keys are absent where the row has nothing. */
export interface WireRun {
  id: string;
  status: string;
  isFinished: boolean;
  /** Columns that could not be decoded, and why. */
  faults?: Record<string, string>;
  taskIdentifier?: string;
  idempotencyKey?: string;
  /** Unix milliseconds, or the text of a timestamp that is no plain one; as all times. */
  createdAt?: number | string;
  updatedAt?: number | string;
  startedAt?: number | string;
  queuedAt?: number | string;
  expiredAt?: number | string;
  delayedUntil?: number | string;
  finishedAt?: number | string;
  durationMs?: number;
  costInCents?: number;
  baseCostInCents?: number;
  isTest?: boolean;
  tags?: string[];
  realtimeStreams?: string[];
  /** The column's own JSON. */
  error?: unknown;
  payload?: WirePacket | SamePacket;
  output?: WirePacket | SamePacket;
  metadata?: WirePacket | SamePacket;
}

export interface Rows {
  rows: WireRun[];
  notices: Notice[];
  faults: (Failed & { key: string | null })[];
  /** These are all the rows there were. */
  drained: boolean;
  end: Failed | { error?: undefined } | null;
  error?: undefined;
  wantsToken?: undefined;
}
export type FeedBatch = Rows | (WantsToken & { wantsToken: true }) | (Failed & { wantsToken?: undefined });

export class FeedReader {
  private constructor();
  next(): Next<FeedBatch>;
  close(): void;
  stats(): Json<SubscriptionStats>;
}
export function checkFeed(options: string): Json<Failed> | null;
export function openFeed(client: Client, mailbox: Mailbox, options: string): FeedReader | Json<Failed>;

export interface Chunks {
  chunks: unknown[];
  /** The indices of values that are `undefined`, and `null` in `chunks`. */
  holes: number[];
  /** Where to resume after each value, where they were asked for. */
  cursors?: string[];
  notices: Notice[];
  end: { ending: "complete" | "idle" | "closed"; error?: undefined } | Failed | null;
  error?: undefined;
  wantsToken?: undefined;
}
export type StreamBatch = Chunks | WantsToken | (Failed & { wantsToken?: undefined });

export class StreamReader {
  private constructor();
  next(cursors: Maybe<boolean>): Next<StreamBatch>;
  runOver(): void;
  close(): void;
  stats(): Json<StreamStats>;
}
export function checkStream(runId: string, key: string, options: string): Json<Failed> | null;
export function openStream(
  client: Client,
  mailbox: Mailbox,
  runId: string,
  key: string,
  options: string,
): StreamReader | Json<Failed>;

/** A packet that was stored elsewhere. */
export function fetchPacket(
  client: Client,
  runId: string,
  field: string,
  path: string,
  cancel: Maybe<Cancel>,
): Promise<Json<Outcome<WirePacket>>>;

/**
 * A text and bytes that cross at once. The text is a head, or a {@link Failed} as JSON: a head never starts with `{`.
 */
export type Crossing = [text: string, bytes: Uint8Array | undefined];

/** One request of a viewer and its answer. */
export class Exchange {
  private constructor();
  respond(): Promise<Crossing>;
  next(): Promise<Crossing>;
  write(piece: Uint8Array): Promise<"true" | "false">;
  finish(whole: boolean): void;
  abort(): void;
}

export class Relay {
  private constructor();
  exchange(
    head: string,
    grant: Maybe<string>,
    body: Maybe<Uint8Array>,
    more: boolean,
    peer: Maybe<string>,
  ): Exchange | Json<Failed>;
  /** The head and body of a refusal, where `authorize` need not be asked. */
  refuses(head: string, host: Maybe<string>): string | null;
  authorizes(): boolean;
  authorized(): void;
  listener(
    host: string,
    port: number,
    authorize: Maybe<(ticket: number, head: string) => void>,
    cert: Maybe<Uint8Array>,
    key: Maybe<Uint8Array>,
  ): RelayListener | Json<Failed>;
  refusedElsewhere(status: number): void;
  droppedUnread(): void;
  stats(): Json<RealtimeStats>;
  stop(): void;
}
export function openRelay(client: Client, options: string, tell: (text: string) => void): Relay | Json<Failed>;
export function noRelayStats(): Json<RealtimeStats>;

export class RelayListener {
  private constructor();
  start(): Promise<Json<Outcome<{ url: string }>>>;
  ended(): Promise<string>;
  decide(ticket: number, grant: Maybe<string>, head: Maybe<string>, body: Maybe<Uint8Array>): void;
  stop(): Promise<string>;
}

export class Emulator {
  constructor();
  start(options: string): Promise<Json<Outcome<{ url: string; secretKey: string }>>>;
  ended(): Promise<string>;
  /** Empty when it is not running. */
  stats(): Promise<Json<EmulatorStats> | "">;
  /** Unix milliseconds. */
  advance(ms: bigint): Promise<Json<Outcome<number>>>;
  replaceTasks(scripts: string): Promise<Json<Outcome<number>>>;
  stop(): Promise<string>;
}
