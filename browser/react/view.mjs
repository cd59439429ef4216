"use client";
// What a hook shows: a store of one component, or of all components that name the same `id`.

import { useState, useSyncExternalStore } from "react";

/** A value and those who read it. @template T */
export class View {
  /** @type {T} */
  #shown;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {T} first */
  constructor(first) {
    this.#shown = first;
  }

  get = () => this.#shown;

  subscribe = (/** @type {() => void} */ listener) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** @param {Partial<T>} changes */
  show(changes) {
    this.#shown = { ...this.#shown, ...changes };
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The views with an `id`, which outlive their components. The newest are kept. @type {Map<string, View<any>>} `any`: of every kind of hook */
const named = new Map();
const MAX_NAMED = 200;

/** @template T @param {string} name @param {T} empty @returns {View<T>} */
function namedView(name, empty) {
  const known = named.get(name) ?? new View(empty);
  named.delete(name);
  named.set(name, known);
  if (named.size > MAX_NAMED) named.delete(/** @type {string} */ (named.keys().next().value));
  return known;
}

/**
 * The view of a hook and what it shows now; on a server, and while a page is hydrated, nothing.
 *
 * @template T
 * @param {string} kind of hooks that show the same for the same `id`
 * @param {string | undefined} id
 * @param {T} empty always the same object
 * @returns {[View<T>, T]}
 */
export function useView(kind, id, empty) {
  const [own] = useState(() => new View(empty));
  // A server has many pages: no view of one may reach another.
  const view = id === undefined || typeof window === "undefined" ? own : namedView(`${kind} ${id}`, empty);
  return [view, useSyncExternalStore(view.subscribe, view.get, () => empty)];
}
