/** Promises of calls, and pages of lists. */

/** The promise of a call: of its value, and on demand of the `Response` that the value was read from. */
export interface ApiPromise<T> extends Promise<T> {
  /** The `Response`, whose body was not read yet. */
  asResponse(): Promise<Response>;
  /** The value and the `Response`. */
  withResponse(): Promise<{ data: T; response: Response }>;
}

/** Which page of a list. */
export interface CursorPageParams {
  /** Items a page. The server limits it, and says so with a 400. @default the server's */
  limit?: number | undefined;
  /** The page after this cursor. */
  after?: string | undefined;
  /** The page before this cursor. */
  before?: string | undefined;
}

/** A page of a list. Iterating over it goes through its items and those of all pages after it. */
export interface CursorPage<TItem> extends AsyncIterable<TItem> {
  /** The items of this page. */
  data: TItem[];
  /** Cursors of the neighbours, where there are any. */
  pagination: { next?: string; previous?: string };
  /** The same as `data`. */
  getPaginatedItems(): TItem[];
  hasNextPage(): boolean;
  hasPreviousPage(): boolean;
  /** @throws {ArgumentError} when there is none: ask `hasNextPage()` first */
  getNextPage(): Promise<CursorPage<TItem>>;
  /** @throws {ArgumentError} when there is none: ask `hasPreviousPage()` first */
  getPreviousPage(): Promise<CursorPage<TItem>>;
  /**
   * This page and those after it.
   *
   * @throws {NoProgressError} when the server gives the same page again and again (defects.md 7)
   */
  iterPages(): AsyncGenerator<CursorPage<TItem>, void, unknown>;
  [Symbol.asyncIterator](): AsyncGenerator<Awaited<TItem>, void, unknown>;
}

/** The promise of a page. `for await` over the promise itself goes through all items of all pages. */
export interface CursorPagePromise<TItem> extends ApiPromise<CursorPage<TItem>>, AsyncIterable<TItem> {
  [Symbol.asyncIterator](): AsyncGenerator<Awaited<TItem>, void, unknown>;
}
