"use client";
// What a hook shows: a store of one component, or of all components that name the same `id`.

import { useState, useSyncExternalStore } from "react";
import { Kept } from "./kept.mjs";

/** A value and those who read it. @template T */
export class View {
  /** @type {T} */
  #shown;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** What is followed for it, with those who want that. @type {Map<string, { members: Set<unknown>, leave: () => void }>} */
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
   * @template M
   * @param {string} subject
   * @param {M} member
   * @param {(members: Set<M>) => () => void} start gives the function that leaves. `members` has those who are there
   * @returns {() => void} leaves
   */
  follow(subject, member, start) {
    const known = this.#followed.get(subject);
    /** @type {Set<any>} `any`: of the same kind for the same subject */
    const members = known?.members ?? new Set();
    members.add(member);
    const one = known ?? { members, leave: () => {} };
    this.#followed.set(subject, one);
    if (!known) one.leave = start(members);
    return () => {
      if (!members.has(member)) return;
      if (members.size === 1) {
        this.#followed.delete(subject);
        // What waits is told to the last one, too.
        one.leave();
      }
      members.delete(member);
    };
  }
}

/** The views with an `id`, which outlive their components. @type {Kept<View<any>>} `any`: of every kind of hook */
const named = new Kept(200);

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
  const view =
    id === undefined || typeof window === "undefined" ? own : named.get(`${kind} ${id}`, () => new View(empty));
  return [view, useSyncExternalStore(view.subscribe, view.get, () => empty)];
}
