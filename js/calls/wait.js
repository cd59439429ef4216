"use strict";

/** Wait tokens: a run waits for one, and it is made and completed from outside of the run. */

const { date, flag, list, object, optional, text } = require("./schema.js");
const { ApiPromise } = require("./api-promise.js");
const { Call } = require("./call.js");
const { WaitpointTimeoutError } = require("../errors/errors.js");
const { tokenFilters } = require("./filters.js");
const { handleToken } = require("./handle.js");
const { idOf } = require("../config/id.js");
const { present } = require("../config/options.js");
const { fetchPages } = require("./page.js");
const { fetchStored, fromPacket } = require("./payload.js");

const PATH = "/api/v1/waitpoints/tokens";

const created = object({ id: text, isCached: flag, url: text });
const completed = object({ success: flag });

const TOKEN = {
  id: text,
  url: text,
  status: text,
  completedAt: optional(date),
  timeoutAt: optional(date),
  idempotencyKey: optional(text),
  idempotencyKeyExpiresAt: optional(date),
  tags: list(text),
  createdAt: date,
};

const listed = object({ ...TOKEN, completedAfter: optional(date) });
const retrieved = object({
  ...TOKEN,
  output: optional(text),
  outputType: optional(text),
  outputIsError: optional(flag),
});

/**
 * Makes a token, with a public token that completes it.
 *
 * @param {{ timeout?: string | Date, idempotencyKey?: string, idempotencyKeyTTL?: string, tags?: string | string[] }} [options]
 * @param {object} [requestOptions]
 */
function createToken(options, requestOptions) {
  return new ApiPromise(
    (async () => {
      const call = new Call("wait.createToken", requestOptions);
      const answer = await call.request({ method: "POST", path: PATH, body: present(call.name, options) });
      const token = call.read(answer, created);
      const publicAccessToken = handleToken(call, answer, token.id, "write:waitpoints", "24h");
      return { data: { ...token, publicAccessToken }, answer };
    })(),
  );
}

/**
 * Completes a token with `data`, as plain JSON. One that was completed stays as it is.
 *
 * @param {string | { id: string }} token
 * @param {unknown} data
 * @param {object} [requestOptions]
 * @returns {Promise<{ success: boolean }>}
 */
async function completeToken(token, data, requestOptions) {
  const call = new Call("wait.completeToken", requestOptions);
  const ids = idsOf(call, token);
  const answer = await call.request({ method: "POST", path: `${PATH}/{}/complete`, ids, body: { data } });
  return call.read(answer, completed);
}

/**
 * A token as it is now, with the data it was completed with.
 *
 * @param {string | { id: string }} token
 * @param {object} [requestOptions]
 */
async function retrieveToken(token, requestOptions) {
  const call = new Call("wait.retrieveToken", requestOptions);
  const answer = await call.request({ path: `${PATH}/{}`, ids: idsOf(call, token) });
  const found = call.read(answer, retrieved);
  const type = found.outputType ?? "application/json";
  const data =
    found.output && type === "application/store"
      ? await fetchStored(call, found.output)
      : await fromPacket({ data: found.output, type });
  const failed = found.outputIsError === true;
  return {
    id: found.id,
    url: found.url,
    status: found.status,
    completedAt: found.completedAt,
    timeoutAt: found.timeoutAt,
    idempotencyKey: found.idempotencyKey,
    idempotencyKeyExpiresAt: found.idempotencyKeyExpiresAt,
    tags: found.tags,
    createdAt: found.createdAt,
    output: failed ? undefined : data,
    error: failed
      ? new WaitpointTimeoutError(/** @type {{ message?: string } | undefined} */ (data)?.message)
      : undefined,
  };
}

/**
 * The tokens of the environment, newest first. The promise and its pages go through all that follow.
 *
 * @param {import("./filters.js").Filters} [filters]
 * @param {object} [requestOptions]
 */
function listTokens(filters, requestOptions) {
  return fetchPages("wait.listTokens", requestOptions, () => ({
    path: PATH,
    filters: tokenFilters(filters),
    where: filters,
    item: listed,
  }));
}

/** @param {import("./call.js").OneCall} call @param {unknown} token @returns {[string, string][]} */
function idsOf(call, token) {
  return [["token id", idOf(call.name, "token", token)]];
}

module.exports = { completeToken, createToken, listTokens, retrieveToken };
