/**
 * A local Trigger.dev realtime API with scripted runs, so that a frontend or a test needs no account. See
 * `docs/emulator.md` for what it answers and how tasks are scripted.
 */

/** A task as steps, in the order they happen. The format is described in `docs/emulator.md`. */
export interface TaskScript {
  steps: ReadonlyArray<Record<string, unknown>>;
}

/** What {@link startEmulator} takes. */
export interface EmulatorOptions {
  /** The port on 127.0.0.1; 0 lets the system choose. @default 0 */
  port?: number;
  /** What delays in scripts are divided by: 2 runs them twice as fast. @default 1 */
  speed?: number;
  /** Tasks by id, beside the built-in `hello`, `progress`, `slow`, `failing` and `echo`. */
  tasks?: Record<string, TaskScript>;
}

/** A running emulator. */
export interface Emulator {
  /** Where it listens, `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The secret key of its environment. */
  readonly secretKey: string;
  /** Ends it, with every connection it holds. Idempotent. */
  stop(): Promise<void>;
}

/** Starts an emulator. It keeps the process alive until it is stopped. */
export function startEmulator(options?: EmulatorOptions): Promise<Emulator>;
