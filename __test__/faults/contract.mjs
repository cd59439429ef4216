/**
 * The contract of the fault matrix: every fault strikes every target, and what a user would notice is checked.
 *
 * A **target** is something that a user has open or does while a fault strikes (`targets.mjs` lists the ten). It starts its
 * reader, says what the server then does, and checks what came. A **fault** is an object of a list such as `network.mjs`:
 * it chooses what stands before the server, and what goes wrong there, and when. `matrix.mjs` makes a test of each pair,
 * counts the pairs, and prints the table. A pair that cannot be is listed with its reason and counted apart.
 *
 * To add faults: a list in a module of this folder, and a test file of its own whose body is
 * `matrix("what stands in the table's title", faults)`. Nothing else: a target that is added strikes them, too.
 *
 * One cell, in this order:
 *
 * 1. `fault.front(server.url)` puts something before an emulator that this cell has for itself.
 * 2. `fault.arrange(world)`: what goes wrong from the start on, before anything is asked.
 * 3. `target.start(world)`, and its `begun`: the first value came. With `early: true` the cell does not wait for it.
 * 4. `fault.strike(world)`: what goes wrong while the target is open, in a held poll, or between two calls.
 * 5. `change()`: the server goes on while the fault is there; calls are made.
 * 6. `fault.heal(world)`: nothing goes wrong any more. Faults that pass by themselves need none.
 * 7. `finish()`: the server does the last things. `done` must resolve within `withinMs`, or, where `ends` has the target,
 *    reject with the error that is documented.
 * 8. `check()`: no gap, no repetition, nothing older than what came before; then `fault.check(world, target)`.
 * 9. `close()`, and then nothing is left: no request under way at once, and at the end of the whole matrix no connection,
 *    no resource of Node, no unhandled rejection, no memory that grew with the number of cells.
 *
 * @typedef {object} Front what stands before the server
 * @property {string} url where clients go
 * @property {() => Promise<{ requests: number, connections: number }>} open what clients have open now: requests under
 *   way, and connections, idle ones too
 * @property {() => Promise<void>} stop
 *
 * @typedef {object} Server an emulator, reached without the front
 * @property {string} url
 * @property {(method: string, path: string, body?: unknown) => Promise<any>} call a call with the root key
 * @property {(columns?: object) => Promise<string>} makeRun a run without a script; gives its id
 * @property {(id: string, columns: object) => Promise<any>} change
 * @property {(id: string, key: string, records: { data: unknown }[]) => Promise<any>} write to a stream
 *
 * @typedef {object} World
 * @property {string} url of the front
 * @property {string} key the secret key
 * @property {Server} server
 * @property {Front & Record<string, any>} front with what the fault's front has besides
 * @property {object} watch the options of subscriptions and streams: quick retries, and what the fault's `watch` has
 * @property {object} requestOptions those of calls
 * @property {<T>(work: () => T) => Promise<Awaited<T>>} as runs `work` with the url and the key as configuration, or what
 *   the fault configures
 * @property {(configuration: object) => Promise<void>} configure what `as` has from now on, beside the url
 * @property {(scopes: string[], isRefused: boolean) => string | undefined} pageToken the token of a relay's viewer; after a
 *   401 another one, or none
 * @property {(key: string) => Promise<void>} [restartRelay] starts the relay of the target anew, with this key
 * @property {{ status: number, body: string }[]} refusals what a relay's viewer was told
 * @property {unknown} [error] what the target ended with
 * @property {Record<string, string>} secrets the tokens that the fault made, by name
 *
 * @typedef {object} Reading
 * @property {Promise<unknown>} begun
 * @property {() => Promise<unknown>} change
 * @property {() => Promise<unknown>} finish
 * @property {Promise<unknown>} done
 * @property {() => void} check throws what a user would complain about
 * @property {() => Promise<unknown>} close ends everything that was started; also after a failure
 *
 * @typedef {object} Target
 * @property {string} name
 * @property {(world: World) => Promise<Reading>} start
 *
 * @typedef {object} Fault
 * @property {string} name what goes wrong, as a reader of the table understands it
 * @property {(serverUrl: string) => Promise<Front>} front
 * @property {(world: World) => object} [configure] the configuration of the app, beside the url: the key unless given
 * @property {(world: World, scopes: string[], isRefused: boolean) => string | undefined} [pageToken] likewise, for
 *   `world.pageToken`
 * @property {object} [server] options of the emulator (`docs/emulator.md`)
 * @property {object} [watch] options of subscriptions and streams, such as `silenceTimeoutMs`: only what users have
 * @property {object} [requestOptions] options of calls, likewise
 * @property {boolean} [early] `begun` is not waited for: the fault is there from the start
 * @property {number} [withinMs] the stated bound of `done`, from `finish()` on: 10 s unless given
 * @property {(world: World, target: Target) => Promise<unknown>} [arrange]
 * @property {(world: World, target: Target) => Promise<unknown>} [strike]
 * @property {(world: World, target: Target) => Promise<unknown>} [heal]
 * @property {(world: World, target: Target) => Promise<unknown> | void} [check]
 * @property {Record<string, { code: string, why: string }>} [ends] by target: the code of the error that ends it, and the
 *   rule that says so
 * @property {Record<string, string>} [inRust] by target: `tests/x.rs: name`, the Rust test that shows the cell with paused time, where no option of users shortens the wait
 * @property {Record<string, string>} [skips] by target: why this pair cannot be, in words
 */

/** The bound of a cell whose fault states none, in milliseconds. */
export const WITHIN_MS = 10_000;

/** How long a request may be under way after its reader was closed, in milliseconds. */
export const CLOSED_MS = 2_000;

/** The names of the targets, which faults may name in `ends`, `inRust` and `skips`. */
export const TARGETS = [
  "run",
  "tag",
  "batch",
  "withStreams",
  "stream v1",
  "stream v2",
  "call",
  "relay viewer",
  "page",
  "page's stream",
];
