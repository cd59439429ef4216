"use strict";

/**
 * The head codec: the head of a request or a response as one text, as it crosses between JavaScript and Rust.
 * `src/relay/head.rs` is its other half, and describes the form. Headers are names and values in turn.
 */

/**
 * @param {string} method
 * @param {string} target path and query, or a whole URL
 * @param {string[]} headers
 */
function encodeRequestHead(method, target, headers) {
  return [method, target, ...headers].join("\n");
}

/**
 * @param {string} head
 * @returns {{ method: string, target: string, headers: string[] }}
 */
function decodeRequestHead(head) {
  const [method, target, ...headers] = head.split("\n");
  return { method, target, headers };
}

/**
 * The head of a response whose body goes with it.
 *
 * @param {{ status: number, headers: string[] }} response
 */
function encodeResponseHead({ status, headers }) {
  return [status, "0", ...headers].join("\n");
}

/**
 * @param {string} head
 * @returns {{ status: number, headers: string[], more: boolean }} `more`: more of the body follows
 */
function decodeResponseHead(head) {
  const [status, more, ...headers] = head.split("\n");
  return { status: Number(status), headers, more: more === "1" };
}

module.exports = { decodeRequestHead, decodeResponseHead, encodeRequestHead, encodeResponseHead };
