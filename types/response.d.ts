/** Server-sent events out of what comes live. */

/** What {@link Live.toResponse} takes. */
export interface ToResponseOptions {
  /** How often a comment is sent while nothing happens, in milliseconds, so that no proxy takes silence for the end. @default 15000 */
  heartbeatMs?: number;
  /** Headers to add. */
  headers?: Record<string, string>;
}
