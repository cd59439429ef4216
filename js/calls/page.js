"use strict";

/** A page of a list, and the way to its neighbours. */

const { PagePromise } = require("./api-promise.js");
const { Call } = require("./call.js");
const { ArgumentError, NoProgressError } = require("../errors/errors.js");
const { list, object, optional, text } = require("./schema.js");

const cursors = object({ next: optional(text), previous: optional(text) });

/** @template T @typedef {CursorPage<T>} Page for other files: a class cannot be imported as a type */

/** @template T */
class CursorPage {
  /** The items. @type {T[]} */
  data;
  /** @type {{ next?: string, previous?: string }} */
  pagination;
  #fetch;

  /**
   * @param {T[]} data
   * @param {{ next?: string, previous?: string }} pagination
   * @param {(cursor: { after?: string, before?: string }) => import("./api-promise.js").Paged<T>} fetch
   */
  constructor(data, pagination, fetch) {
    this.data = data;
    this.pagination = pagination;
    this.#fetch = fetch;
  }

  getPaginatedItems() {
    return this.data;
  }

  hasNextPage() {
    return Boolean(this.pagination.next);
  }

  hasPreviousPage() {
    return Boolean(this.pagination.previous);
  }

  /** @returns {import("./api-promise.js").Paged<T>} */
  getNextPage() {
    if (!this.hasNextPage()) throw noPage("next");
    return this.#fetch({ after: this.pagination.next });
  }

  /** @returns {import("./api-promise.js").Paged<T>} */
  getPreviousPage() {
    if (!this.hasPreviousPage()) throw noPage("previous");
    return this.#fetch({ before: this.pagination.previous });
  }

  /** This page and those after it. @returns {AsyncGenerator<CursorPage<T>, void, undefined>} */
  async *iterPages() {
    /** @type {CursorPage<T>} */
    let page = this;
    yield page;
    while (page.hasNextPage()) {
      const cursor = page.pagination.next;
      page = await page.getNextPage();
      if (page.pagination.next === cursor) {
        // A server that gives one page for ever must not cause an endless loop (defect 7).
        throw new NoProgressError("ERR_NO_PROGRESS", "the server's next page is the same page again");
      }
      yield page;
    }
  }

  async *[Symbol.asyncIterator]() {
    for await (const page of this.iterPages()) yield* page.data;
  }
}

/**
 * A list to request page by page.
 *
 * @template T
 * @typedef {object} Listing
 * @property {string} name
 * @property {string} path
 * @property {[what: string, id: string][]} [ids]
 * @property {URLSearchParams} filters
 * @property {{ limit?: number, after?: string, before?: string } | undefined} where
 * @property {import("./schema.js").Schema<T>} item
 */

/**
 * Fetches a page, and on demand its neighbours: with the same configuration, in whatever scope they are read, and
 * each with a timeout of its own.
 *
 * @template T
 * @param {string} name
 * @param {unknown} options the request options
 * @param {() => Omit<Listing<T>, "name">} describe throws for filters that cannot be right
 * @returns {import("./api-promise.js").Paged<T>}
 */
function fetchPages(name, options, describe) {
  const first = async () => {
    const call = new Call(name, options);
    const { resolved } = call;
    return page(call, { name, ...describe() }, () => new Call(name, options, { resolved }));
  };
  return new PagePromise(first());
}

/**
 * @template T
 * @param {import("./call.js").OneCall} call
 * @param {Listing<T>} listing
 * @param {() => import("./call.js").OneCall} open makes the call of a neighbour
 * @returns {Promise<{ data: CursorPage<T>, answer: import("./call.js").CallResponse }>}
 */
async function page(call, listing, open) {
  const { path, ids, filters, where, item } = listing;
  const query = new URLSearchParams(filters);
  if (where?.limit) query.set("page[size]", String(where.limit));
  if (where?.after) query.set("page[after]", where.after);
  if (where?.before) query.set("page[before]", where.before);
  const answer = await call.request({ path, ids, query });
  const { data, pagination } = call.read(answer, object({ data: list(item), pagination: cursors }));
  const neighbour = async (/** @type {{ after?: string, before?: string }} */ cursor) =>
    page(open(), { ...listing, where: { ...where, ...cursor } }, open);
  return { data: new CursorPage(data, pagination, (cursor) => new PagePromise(neighbour(cursor))), answer };
}

/** @param {"next" | "previous"} which */
function noPage(which) {
  return new ArgumentError(
    "ERR_NO_PAGE",
    `there is no ${which} page: ask has${which === "next" ? "Next" : "Previous"}Page() first`,
  );
}

module.exports = { CursorPage, fetchPages };
