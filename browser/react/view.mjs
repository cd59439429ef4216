"use client";
// What a hook shows: a store of one component, or of all components that name the same `id`.

import { useState, useSyncExternalStore } from "react";
import { Kept } from "./kept.mjs";
import { SharedFollow } from "./shared-follow.mjs";

/** A value and those who read it. @template T */
export class View {
  /** @type {T} */
  #shown;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** What is followed for it. @type {Map<string, SharedFollow>} */
  #followed = new Map();

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

  /** Whether a component shows it or follows for it. */
  isUsed = () => this.#listeners.size > 0 || this.#followed.size > 0;

  /**
   * Follows for this view, once for all components that follow the same for it: each part of a stream is added once.
   *
   * @param {string} subject
   * @param {import("./shared-follow.mjs").Member} member
   * @param {import("./shared-follow.mjs").Start} start gives the function that leaves
   * @returns {() => void} leaves
   */
  follow(subject, member, start) {
    const follow = this.#followed.get(subject) ?? new SharedFollow();
    this.#followed.set(subject, follow);
    follow.join(member, start);
    return () => {
      // What waits is told to the last one, too.
      if (follow.leave(member)) this.#followed.delete(subject);
    };
  }

  /**
   * Follows anew what failed, with a member's token that was not tried.
   *
   * @param {string} subject
   * @param {import("./shared-follow.mjs").Member} member
   * @param {string | undefined} token
   */
  retry(subject, member, token) {
    this.#followed.get(subject)?.retry(member, token);
  }
}

/** The views with an `id`, which outlive their components. @type {Kept<View<any>>} `any`: of every kind of hook */
const named = new Kept(200);

/**
 * The view of a hook and what it shows now; on a server, and while a page is hydrated, nothing.
 *
 * @template T
 * @param {string} kind of hooks that show the same for the same `id`
 * @param {string | null | undefined} id
 * @param {T} empty always the same object
 * @returns {[View<T>, T]}
 */
export function useView(kind, id, empty) {
  const [own] = useState(() => new View(empty));
  // A server has many pages: no view of one may reach another.
  const view = id == null || typeof window === "undefined" ? own : named.get(`${kind} ${id}`, () => new View(empty));
  return [view, useSyncExternalStore(view.subscribe, view.get, () => empty)];
}
